// Energies of the centres of a block from their moments through learned contractions, and the way back.
//
// Rows of moments are laid out as moments.h leaves them, slot by slot; slots without neighbours are not looked at.
#pragma once

#include "contraction.h"
#include "invariants.h"
#include "moments.h"
#include "network.h"

namespace MLIAP_SIMD {

// Scratch memory of a block of centres; large enough for any of the networks.
template <class T>
struct ContractedBlock {
  MomentPlaces places[lanes<T>];  // of the slots that have neighbours, for each centre
  int32_t *slots = nullptr;       // (lanes, n_slots); null without contractions
  T *moments;                     // (lanes, n_moments_padded)
  T *channels;                    // (lanes, kChannelComponents, channel_row): A
  T *invariants;                  // (lanes, padded inputs of the network): B, then dE/dB
  T *of_atom;                     // (n_invariants, channel_row): B or dE/dB of one centre
  T *by_channels;                 // (kChannelComponents, channel_row)
  Vec<T> *sums;                   // (slot_size)

  ContractedBlock(const FeaturePlan<T> &plan, const Networks<T> &networks, Arena &arena)
  {
    long channel_row = 0, n_inputs = 0;
    for (int k = 0; k < networks.n; k++) {
      const NetworkPlan<T> &network = networks.plans[k];
      if (network.contraction.channel_row > channel_row) channel_row = network.contraction.channel_row;
      if (network.n_inputs > n_inputs) n_inputs = network.n_inputs;
    }
    if (channel_row == 0) return;
    slots = arena.take<int32_t>(lanes<T> * plan.n_slots);
    moments = arena.take<T>(lanes<T> * long(plan.n_moments_padded));
    channels = arena.take<T>(lanes<T> * kChannelComponents * channel_row);
    invariants = arena.take<T>(lanes<T> * whole<T>(n_inputs));
    of_atom = arena.take<T>(channel_invariants_size(5) * channel_row);
    by_channels = arena.take<T>(kChannelComponents * channel_row);
    sums = arena.take<Vec<T>>(plan.slot_size);
    if (!arena.base) return;
    for (int q = 0; q < plan.slot_size; q++) sums[q] = splat<T>(T(0));
    MomentPlaces all{};
    for (int n = 0; n < kOrders; n++) {
      all.start[n] = plan.moment_start[n];
      all.component[n] = 1;
      all.input[n] = 2 * n + 1;
    }
    all.slot = plan.slot_size;
    all.n_of_slot = plan.n_probes;
    for (int a = 0; a < lanes<T>; a++) {
      places[a] = all;
      places[a].slots = slots + a * plan.n_slots;
    }
  }

  // Take note of which slots of centre a of the block have neighbours.
  void see_slots(const FeaturePlan<T> &plan, int a, const Neighbourhood<T> &hood)
  {
    long n = 0;
    for (int s = 0; s < plan.n_slots; s++) {
      const Places of_slot = places_of(plan, hood, s);
      // A single one may hold what the centre itself adds.
      if (plan.n_slots == 1 || of_slot.last > of_slot.first) slots[a * plan.n_slots + n++] = s;
    }
    places[a].n_slots = n;
  }
};

// The moments of the n centres of a block, rows (n_moments_padded) -> block.moments.
template <class T>
void read_moments(const FeaturePlan<T> &plan, const T *rows, int n, ContractedBlock<T> &block)
{
  for (int a = 0; a < n; a++)
    for (long k = 0; k < block.places[a].n_slots; k++) {
      const long at = long(a) * plan.n_moments_padded + block.places[a].slots[k] * long(plan.slot_size);
      __builtin_memcpy(block.moments + at, rows + at, plan.slot_size * sizeof(T));
    }
}

// Invariants of the centres -> columns, centres side by side; elements as the table rows of the lanes.
template <class T>
void contract_block(const FeaturePlan<T> &plan, const NetworkPlan<T> &network, const int32_t *elements, int n,
                    ContractedBlock<T> &block, Vec<T> *columns)
{
  const Contraction<T> &c = network.contraction;
  const long n_padded = whole<T>(network.n_inputs), size = kChannelComponents * c.channel_row;
  clear(block.invariants, lanes<T> * n_padded);
  by_body_order(c.body_order, [&](auto body) {
    for (int a = 0; a < n; a++) {
      T *channels = block.channels + a * size;
      const T *moments = block.moments + long(a) * plan.n_moments_padded;
      channels_of_atom(c, elements[a], block.places[a], moments, true, channels);
      invariants_of_atom<T, body.value, false>(c.channel_row, channels, nullptr, block.of_atom);
      T *row = block.invariants + a * n_padded;
      for (int q = 0; q < channel_invariants_size(body.value); q++)
        __builtin_memcpy(row + q * c.n_channels, block.of_atom + q * c.channel_row, c.n_channels * sizeof(T));
    }
  });
  columns_of_rows<T, false>(block.invariants, n_padded, 0, int(n_padded), columns);
}

// dE/dM of the moments of order n of one slot -> sums, one vector of partial sums each, from dE/dA.
template <class T, int n = 0>
void sum_over_channels(const FeaturePlan<T> &plan, const T *weights, long matrix, long row, const T *by_channels,
                       Vec<T> *sums)
{
  constexpr int M = 2 * n + 1;
  const T *g = by_channels + n * n * row;
  for (int i = 0; i < plan.n_probes; i++) {
    Vec<T> sum[M];
    MLIAP_UNROLL
    for (int m = 0; m < M; m++) sum[m] = splat<T>(T(0));
    for (long k = 0; k < row; k += lanes<T>) {
      const Vec<T> w = load(weights + i * row + k);
      MLIAP_UNROLL
      for (int m = 0; m < M; m++) sum[m] = sum[m] + w * load(g + m * row + k);
    }
    MLIAP_UNROLL
    for (int m = 0; m < M; m++) sums[plan.moment_start[n] + i * M + m] = sum[m];
  }
  if constexpr (n + 1 < kOrders)
    sum_over_channels<T, n + 1>(plan, weights + matrix, matrix, row, by_channels, sums);
}

// dE/dM of the centres times the share of each (n), added to rows (n_moments_padded), from the columns dE/dB of the same
// network.
template <class T>
void add_contract_block_back(const FeaturePlan<T> &plan, const NetworkPlan<T> &network, const int32_t *elements, int n,
                             const T *shares, const Vec<T> *columns, ContractedBlock<T> &block, T *rows)
{
  constexpr int W = lanes<T>;
  const Contraction<T> &c = network.contraction;
  const long row_size = c.channel_row, matrix = c.n_inputs * row_size;
  const long n_padded = whole<T>(network.n_inputs), size = kChannelComponents * row_size;
  rows_of_columns<T, false>(columns, int(n_padded), block.invariants, n_padded, 0);
  by_body_order(c.body_order, [&](auto body) {
    constexpr int n_invariants = channel_invariants_size(body.value);
    clear(block.of_atom, n_invariants * row_size);
    for (int a = 0; a < n; a++) {
      const T *row = block.invariants + a * n_padded;
      for (int q = 0; q < n_invariants; q++)
        __builtin_memcpy(block.of_atom + q * row_size, row + q * c.n_channels, c.n_channels * sizeof(T));
      adjoint_of_atom<T, body.value, false>(row_size, block.channels + a * size, nullptr, block.of_atom,
                                            block.by_channels, nullptr);
      for (long k = 0; k < block.places[a].n_slots; k++) {
        const long slot = block.places[a].slots[k];
        const T *weights = c.mixing + elements[a] * kOrders * matrix + slot * plan.n_probes * row_size;
        sum_over_channels(plan, weights, matrix, row_size, block.by_channels, block.sums);
        T *to = rows + long(a) * plan.n_moments_padded + slot * plan.slot_size;
        for (int q = 0; q < plan.slot_size; q += W) {
          Vec<T> part[W];
          MLIAP_UNROLL
          for (int l = 0; l < W; l++) part[l] = block.sums[q + l];
          store(to + q, load(to + q) + shares[a] * sum_lanes<T>(part));
        }
      }
    }
  });
}

// Make the rows of a block zero where there are neighbours.
template <class T>
void clear_slots(const FeaturePlan<T> &plan, int n, const ContractedBlock<T> &block, T *rows)
{
  for (int a = 0; a < n; a++)
    for (long k = 0; k < block.places[a].n_slots; k++)
      clear(rows + long(a) * plan.n_moments_padded + block.places[a].slots[k] * long(plan.slot_size), plan.slot_size);
}

}  // namespace MLIAP_SIMD
