// Blocks of as many centres as a vector has lanes: their moments, side by side, and the way back to pair gradients.
#pragma once

#include "contracted_energy.h"
#include "invariants.h"
#include "moments.h"
#include "network.h"

namespace MLIAP_SIMD {

// Neighbourhoods of a whole block are kept for the way back if they fit a share of the second-level cache.
constexpr int64_t kKeepBytes = 640 * 1024;

// Whether a block is gone through once, or its neighbourhoods are needed again.
enum class Pass { once, there_and_back };

// All scratch memory of a task.
template <class T, bool DUAL>
struct Scratch {
  typedef typename Numbers<T, DUAL>::type N;
  static constexpr int planes = Numbers<T, DUAL>::planes;

  Neighbourhood<T> hoods[lanes<T>];
  bool keeps;        // one neighbourhood for each centre of the block, or one for all
  T *rows;           // (n_gradients, lanes, planes, n_moments_padded): moments of each centre, or their adjoints
  T *feature_rows;   // (lanes, planes, n_features_padded)
  T *gradients;      // (3, padded neighbours)
  N *sums, *moments, *adjoint;  // (n_moments_padded)
  N *features;                  // (n_features_padded)
  Vec<T> *slopes, *sum_of_slopes;  // (n_features_padded): dE/dF of one network, and of all
  NetworkState<T> network;      // of one network after the other
  ContractedBlock<T> contracted;

  Scratch(const FeaturePlan<T> &plan, const Networks<T> &networks, long n_places, Pass pass, Arena &arena)
      : contracted(plan, networks, arena)
  {
    Arena one(nullptr);
    make_neighbourhood<T>(plan, n_places, planes, one);
    keeps = pass == Pass::there_and_back && one.used * lanes<T> <= kKeepBytes;
    for (int a = 0; a < lanes<T>; a++)
      hoods[a] = keeps || a == 0 ? make_neighbourhood<T>(plan, n_places, planes, arena) : hoods[0];
    share_memory(hoods, lanes<T>, n_places, planes, arena);
    rows = arena.take<T>((networks.n > 1 ? networks.n : 1) * lanes<T> * planes * plan.n_moments_padded);
    feature_rows = arena.take<T>(lanes<T> * planes * plan.n_features_padded);
    gradients = arena.take<T>(3 * n_places);
    sums = arena.take<N>(plan.n_moments_padded);
    moments = arena.take<N>(plan.n_moments_padded);
    adjoint = arena.take<N>(plan.n_moments_padded);
    long n_inputs = plan.n_features_padded;  // of the widest network
    for (int k = 0; k < networks.n; k++)
      if (whole<T>(networks.plans[k].n_inputs) > n_inputs) n_inputs = whole<T>(networks.plans[k].n_inputs);
    features = arena.take<N>(n_inputs);
    slopes = arena.take<Vec<T>>(n_inputs);
    sum_of_slopes = arena.take<Vec<T>>(n_inputs);
    network = make_network_state<T>(networks, int(n_inputs), arena);
    // What is never written must be finite.
    if (arena.base)
      for (int q = 0; q < plan.n_moments_padded; q++) sums[q] = Numbers<T, DUAL>::constant(T(0));
  }
};

// What the moments of centre i are made of, and LEVELS - 1 derivatives of the radial functions.
template <class T, bool DUAL, int LEVELS>
void visit(const FeaturePlan<T> &plan, const Task &task, int64_t i, Neighbourhood<T> &hood)
{
  if (!place_neighbours<T, DUAL>(plan, task, i, hood)) *task.is_invalid = 1;
  place_harmonics<T, DUAL>(plan.max_order, hood);
  place_radial<T, LEVELS>(plan, hood);
}

// Moments of a block of centres -> scratch.rows.
template <class T, bool DUAL>
void rows_of_block(const FeaturePlan<T> &plan, const Task &task, int64_t block, int n, Scratch<T, DUAL> &scratch)
{
  const long plane = plan.n_moments_padded, row_size = Scratch<T, DUAL>::planes * plane;
  for (int a = 0; a < n; a++) {
    if (scratch.keeps)
      visit<T, DUAL, Scratch<T, DUAL>::planes + 1>(plan, task, block + a, scratch.hoods[a]);
    else
      visit<T, DUAL, Scratch<T, DUAL>::planes>(plan, task, block + a, scratch.hoods[a]);
    T *row = scratch.rows + a * row_size;
    sum_moments<T, DUAL>(plan, scratch.hoods[a], scratch.sums, row);
    if (plan.orders[0] == 0 && plan.n_slots == 1)
      for (int probe = 0; probe < plan.n_probes; probe++)
        row[probe] += plan.own[task.centre_rows[block + a] * plan.n_probes + probe];
    if (scratch.contracted.slots) scratch.contracted.see_slots(plan, a, scratch.hoods[a]);
  }
}

// Moments of a block of centres -> scratch.moments, centres side by side.
template <class T, bool DUAL>
void moments_of_block(const FeaturePlan<T> &plan, const Task &task, int64_t block, int n, Scratch<T, DUAL> &scratch)
{
  const long plane = plan.n_moments_padded, row_size = Scratch<T, DUAL>::planes * plane;
  rows_of_block<T, DUAL>(plan, task, block, n, scratch);
  for (long k = n * row_size; k < lanes<T> * row_size; k++) scratch.rows[k] = T(0);
  columns_of_rows<T, DUAL>(scratch.rows, row_size, plane, plan.n_moments_padded, scratch.moments);
}

// Rows of an array (n_centres, n_columns) of the caller -> rows of a block, filled up with zeros.
template <class T>
void read_block(const void *array, int64_t block, int n, int n_columns, long row_size, T *rows)
{
  const T *from = static_cast<const T *>(array) + block * n_columns;
  for (long k = 0; k < lanes<T> * row_size; k++) rows[k] = T(0);
  for (int a = 0; a < n; a++) __builtin_memcpy(rows + a * row_size, from + a * n_columns, n_columns * sizeof(T));
}

// The way back, without what the rows were filled up with.
template <class T>
void write_block(const T *rows, long row_size, int64_t block, int n, int n_columns, void *array)
{
  T *to = static_cast<T *>(array) + block * n_columns;
  for (int a = 0; a < n; a++) __builtin_memcpy(to + a * n_columns, rows + a * row_size, n_columns * sizeof(T));
}

// Adjoint moments of a block -> rows of gradient k.
template <class T, bool DUAL>
void place_adjoint(const FeaturePlan<T> &plan, int k, Scratch<T, DUAL> &scratch)
{
  const long plane = plan.n_moments_padded, row_size = Scratch<T, DUAL>::planes * plane;
  T *rows = scratch.rows + k * lanes<T> * row_size;
  rows_of_columns<T, DUAL>(scratch.adjoint, plan.n_moments_padded, rows, row_size, plane);
}

// n_gradients arrays of pair gradients of a block from the rows that place_adjoint left.
template <class T, bool DUAL>
void gradients_of_block(const FeaturePlan<T> &plan, const Task &task, int64_t block, int n, int n_gradients,
                        Scratch<T, DUAL> &scratch)
{
  const long row_size = Scratch<T, DUAL>::planes * plan.n_moments_padded;
  const int64_t n_pairs = task.offsets[task.n_centres];
  for (int a = n - 1; a >= 0; a--) {  // what was written last may still be in the first-level cache
    Neighbourhood<T> &hood = scratch.hoods[a];
    if (scratch.keeps)
      place_harmonics<T, DUAL>(plan.max_order, hood);
    else
      visit<T, DUAL, Scratch<T, DUAL>::planes + 1>(plan, task, block + a, hood);
    for (int k = 0; k < n_gradients; k++) {
      pair_gradients<T, DUAL>(plan, hood, scratch.rows + (k * lanes<T> + a) * row_size, scratch.gradients);
      double *out = task.pair_gradients + 3 * (k * n_pairs + task.offsets[block + a]);
      const T *gx = scratch.gradients, *gy = gx + hood.size, *gz = gy + hood.size;
      if (plan.n_slots == 1) {
        for (long j = 0; j < hood.n_pairs; j++) {
          out[3 * j] = gx[j];
          out[3 * j + 1] = gy[j];
          out[3 * j + 2] = gz[j];
        }
        continue;
      }
      for (long j = 0; j < hood.size; j++) {
        const long p = hood.pair[j];
        if (p < 0) continue;
        out[3 * p] = gx[j];
        out[3 * p + 1] = gy[j];
        out[3 * p + 2] = gz[j];
      }
    }
  }
}

template <class T>
int block_size(const Task &task, int64_t block)
{
  const int64_t left = task.last_centre - block;
  return left < lanes<T> ? int(left) : lanes<T>;
}

}  // namespace MLIAP_SIMD
