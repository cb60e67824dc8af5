// Learned contractions: moments of an atom -> channels -> rotation invariants, and what training asks of them.
//
//   A_nmk = sum_c W_nkc x_nmc,  + own_k at n = 0       each element of the centre with W and own of its own
//   B_qk  = invariant q of channel k                   channel_invariants.h
//
// Channels lie in the lanes. Of a function of B with the gradient w = dE/dB,
//
//   dE/dA = J^T w  with J = dB/dA,     dE/dx_nmc = sum_k W_nkc dE/dA_nmk,
//
// and a loss that depends on dE/dx by v = dL/d(dE/dx) changes, with t = W v and derivatives along t marked by a dot,
//
//   by w:  J t = B.,      by A:  (J^T w).,      by W:  (J^T w). x^T + (J^T w) v^T.
#pragma once

#include "arena.h"
#include "channel_invariants.h"
#include "network_memory.h"

namespace MLIAP_SIMD {

using mliap::Contraction;
using mliap::ContractionTask;

constexpr int kOrders = 4;

// A number that the compiler knows.
template <int N>
struct Constant {
  static constexpr int value = N;
};

// Where the moments of an atom lie: (n, m) of input i of slot s at start[n] + m component[n] + i input[n] + s slot. Each
// slot has as many inputs; those that are zero need not be among the slots.
struct MomentPlaces {
  long start[kOrders], component[kOrders], input[kOrders], slot;
  const int32_t *slots;
  long n_slots, n_of_slot;
};

// V vectors of the channels of one order: sum over inputs c of W_c x_cm, plus what is in `own` at order 0.
template <class T, int n, int V>
MLIAP_INLINE void mix_order(const MomentPlaces &places, const T *x, const T *weights, long row, const T *own, T *result)
{
  constexpr int M = 2 * n + 1;
  const long component = places.component[n], input = places.input[n];
  Vec<T> sum[M][V];
  MLIAP_UNROLL
  for (int m = 0; m < M; m++) {
    MLIAP_UNROLL
    for (int v = 0; v < V; v++) sum[m][v] = n == 0 && own ? load(own + v * lanes<T>) : splat<T>(T(0));
  }
  for (long k = 0; k < places.n_slots; k++) {
    const long slot = places.slots[k];
    const T *of_slot = x + places.start[n] + slot * places.slot, *w = weights + slot * places.n_of_slot * row;
    for (long i = 0; i < places.n_of_slot; i++) {
      MLIAP_UNROLL
      for (int v = 0; v < V; v++) {
        const Vec<T> of_channels = load(w + i * row + v * lanes<T>);
        MLIAP_UNROLL
        for (int m = 0; m < M; m++) sum[m][v] = sum[m][v] + of_slot[m * component + i * input] * of_channels;
      }
    }
  }
  MLIAP_UNROLL
  for (int m = 0; m < M; m++) {
    MLIAP_UNROLL
    for (int v = 0; v < V; v++) store(result + m * row + v * lanes<T>, sum[m][v]);
  }
}

// Channels A (kChannelComponents, channel_row) of an atom of element e from its moments x.
template <class T, int n = 0>
void channels_of_atom(const Contraction<T> &c, int64_t e, const MomentPlaces &places, const T *x, bool with_own, T *a)
{
  constexpr int V = MLIAP_SIMD_BYTES == 64 ? 2 : 1;  // sums of order 3 that fit the registers
  const long row = c.channel_row;
  const T *weights = c.mixing + (e * kOrders + n) * c.n_inputs * row;
  const T *own = with_own ? c.own + e * row : nullptr;
  T *of_order = a + n * n * row;
  long k = 0;
  for (; k + V * lanes<T> <= row; k += V * lanes<T>)
    mix_order<T, n, V>(places, x, weights + k, row, own ? own + k : nullptr, of_order + k);
  for (; k < row; k += lanes<T>)
    mix_order<T, n, 1>(places, x, weights + k, row, own ? own + k : nullptr, of_order + k);
  if constexpr (n + 1 < kOrders) channels_of_atom<T, n + 1>(c, e, places, x, with_own, a);
}

// Vector v of the rows of A, with the tangents of another set of rows where there is one.
template <class T, bool DUAL>
MLIAP_INLINE void read_channels(const T *a, const T *tangents, long row, long v, typename Numbers<T, DUAL>::type *out)
{
  MLIAP_UNROLL
  for (int q = 0; q < kChannelComponents; q++) {
    Numbers<T, DUAL>::set_plane(out[q], 0, load(a + q * row + v));
    if constexpr (DUAL) Numbers<T, DUAL>::set_plane(out[q], 1, load(tangents + q * row + v));
  }
}

// B (n_invariants, row) of A, or its change along the tangents.
template <class T, int BODY, bool DUAL>
void invariants_of_atom(long row, const T *a, const T *tangents, T *b)
{
  typedef typename Numbers<T, DUAL>::type N;
  constexpr int n = channel_invariants_size(BODY);
  for (long v = 0; v < row; v += lanes<T>) {
    N channels[kChannelComponents], values[n];
    read_channels<T, DUAL>(a, tangents, row, v, channels);
    channel_invariants<T, BODY>(channels, values);
    for (int q = 0; q < n; q++) store<T>(b + q * row + v, Numbers<T, DUAL>::plane_of(values[q], DUAL));
  }
}

// g = J^T w of A and w (n_invariants, row); with tangents, its change along them -> change.
template <class T, int BODY, bool DUAL>
void adjoint_of_atom(long row, const T *a, const T *tangents, const T *w, T *g, T *change)
{
  typedef typename Numbers<T, DUAL>::type N;
  constexpr int n = channel_invariants_size(BODY);
  for (long v = 0; v < row; v += lanes<T>) {
    N channels[kChannelComponents], weights[n], gradient[kChannelComponents];
    read_channels<T, DUAL>(a, tangents, row, v, channels);
    for (int q = 0; q < n; q++) {
      weights[q] = Numbers<T, DUAL>::constant(T(0));
      Numbers<T, DUAL>::set_plane(weights[q], 0, load(w + q * row + v));
    }
    channel_adjoint<T, BODY>(channels, weights, gradient);
    for (int q = 0; q < kChannelComponents; q++) {
      store<T>(g + q * row + v, Numbers<T, DUAL>::plane_of(gradient[q], 0));
      if constexpr (DUAL) store<T>(change + q * row + v, Numbers<T, DUAL>::plane_of(gradient[q], 1));
    }
  }
}

// Does `work` for the body order of a contraction as a constant.
template <class Work>
MLIAP_INLINE void by_body_order(int body_order, Work work)
{
  switch (body_order) {
    case 3: return work(Constant<3>());
    case 4: return work(Constant<4>());
    default: return work(Constant<5>());
  }
}

}  // namespace MLIAP_SIMD
