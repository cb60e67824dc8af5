// Moments M_nam = sum_j g_na(r_j) S_nm(r_j) of one centre, and the gradient of an energy that is a function of them.
#pragma once

#include "neighbourhood.h"

namespace MLIAP_SIMD {

// Radial functions of a neighbourhood: g (LEVEL 0) or dg/dr (LEVEL 1), with their tangents where DUAL.
template <class T, bool DUAL, int LEVEL>
MLIAP_INLINE typename Numbers<T, DUAL>::type radial_at(const Neighbourhood<T> &hood, int radial, long j)
{
  const long place = j * hood.n_radial + radial * lanes<T>;
  return Numbers<T, DUAL>::function(hood.radial[LEVEL] + place, hood.radial[DUAL ? LEVEL + 1 : LEVEL] + place,
                                    hood.rate + j);
}

template <class T, bool DUAL>
MLIAP_INLINE typename Numbers<T, DUAL>::type harmonic_at(const Neighbourhood<T> &hood, int component, long j)
{
  typedef Numbers<T, DUAL> Number;
  constexpr int W = lanes<T>;
  return Number::read(hood.harmonics + (j * hood.n_harmonics + component * W) * Number::planes, W);
}

// A range of places among the neighbours.
struct Places {
  long first, last;
};

// All places of a slot.
template <class T>
MLIAP_INLINE Places places_of(const FeaturePlan<T> &plan, const Neighbourhood<T> &hood, int slot)
{
  return plan.n_slots == 1 ? Places{0, hood.size} : Places{hood.slots[slot], hood.slots[slot + 1]};
}

// Moments of order n and PROBES probes; one vector of partial sums each.
template <class T, bool DUAL, int n, int PROBES>
void sum_probes(const Neighbourhood<T> &hood, Places places, int first_radial, typename Numbers<T, DUAL>::type *sums)
{
  typedef Numbers<T, DUAL> Number;
  constexpr int M = 2 * n + 1;
  typename Number::type sum[PROBES * M];
  MLIAP_UNROLL
  for (int k = 0; k < PROBES * M; k++) sum[k] = Number::constant(T(0));
  for (long j = places.first; j < places.last; j += lanes<T>) {
    typename Number::type g[PROBES];
    MLIAP_UNROLL
    for (int a = 0; a < PROBES; a++) g[a] = radial_at<T, DUAL, 0>(hood, first_radial + a, j);
    MLIAP_UNROLL
    for (int m = 0; m < M; m++) {
      const typename Number::type s = harmonic_at<T, DUAL>(hood, n * n + m, j);
      MLIAP_UNROLL
      for (int a = 0; a < PROBES; a++) sum[a * M + m] = sum[a * M + m] + g[a] * s;
    }
  }
  MLIAP_UNROLL
  for (int k = 0; k < PROBES * M; k++) sums[k] = sum[k];
}

// How many probes go together, so that their sums stay in registers (32 with 64 bytes, 16 otherwise).
template <class T, bool DUAL, int n>
constexpr int probes_together()
{
  constexpr int registers = (MLIAP_SIMD_BYTES == 64 ? 28 : 12) / (DUAL ? 2 : 1);
  constexpr int fit = registers / (2 * n + 1);
  return fit >= 8 ? 8 : fit >= 4 ? 4 : fit >= 2 ? 2 : 1;
}

template <class T, bool DUAL, int n, int PROBES = probes_together<T, DUAL, n>()>
void sum_order(const Neighbourhood<T> &hood, Places places, int first_radial, int n_probes,
               typename Numbers<T, DUAL>::type *sums)
{
  int a = 0;
  for (; a + PROBES <= n_probes; a += PROBES)
    sum_probes<T, DUAL, n, PROBES>(hood, places, first_radial + a, sums + a * (2 * n + 1));
  if constexpr (PROBES > 1)
    if (a < n_probes)
      sum_order<T, DUAL, n, PROBES / 2>(hood, places, first_radial + a, n_probes - a, sums + a * (2 * n + 1));
}

// All moments of a centre, (planes, n_moments_padded), without what the centre itself adds. `sums` is scratch for
// n_moments_padded numbers.
template <class T, bool DUAL>
void sum_moments(const FeaturePlan<T> &plan, const Neighbourhood<T> &hood, typename Numbers<T, DUAL>::type *sums,
                 T *moments)
{
  for (int slot = 0; slot < plan.n_slots; slot++) {
    const Places places = places_of(plan, hood, slot);
    if (places.first == places.last) continue;  // zeros, below
    for (int o = 0; o < plan.n_orders; o++) {
      typename Numbers<T, DUAL>::type *of_order = sums + slot * plan.slot_size + plan.moment_start[o];
      const int radial = o * plan.n_probes;
      switch (plan.orders[o]) {
        case 0: sum_order<T, DUAL, 0>(hood, places, radial, plan.n_probes, of_order); break;
        case 1: sum_order<T, DUAL, 1>(hood, places, radial, plan.n_probes, of_order); break;
        case 2: sum_order<T, DUAL, 2>(hood, places, radial, plan.n_probes, of_order); break;
        case 3: sum_order<T, DUAL, 3>(hood, places, radial, plan.n_probes, of_order); break;
        case 4: sum_order<T, DUAL, 4>(hood, places, radial, plan.n_probes, of_order); break;
        case 5: sum_order<T, DUAL, 5>(hood, places, radial, plan.n_probes, of_order); break;
        default: sum_order<T, DUAL, 6>(hood, places, radial, plan.n_probes, of_order); break;
      }
    }
  }
  constexpr int W = lanes<T>;
  for (int slot = 0; slot < plan.n_slots; slot++) {
    const Places places = places_of(plan, hood, slot);
    const long first = slot * long(plan.slot_size), last = first + plan.slot_size;
    for (int plane = 0; plane < Numbers<T, DUAL>::planes; plane++) {
      T *out = moments + plane * plan.n_moments_padded;
      if (places.first == places.last) {
        for (long q = first; q < last; q += W) store<T>(out + q, splat<T>(T(0)));
        continue;
      }
      for (long q = first; q < last; q += W) {
        Vec<T> part[W];
        MLIAP_UNROLL
        for (int k = 0; k < W; k++) part[k] = Numbers<T, DUAL>::plane_of(sums[q + k], plane);
        store<T>(out + q, sum_lanes<T>(part));
      }
    }
  }
}

// Gradient of the moments of one order, contracted with adjoint = dE/dM (planes, n_moments_padded).
template <class T, bool DUAL, int n>
MLIAP_INLINE void add_gradients_of_order(const Neighbourhood<T> &hood, long j, int first_radial, int n_probes,
                                         const T *adjoint, long adjoint_plane, typename Numbers<T, DUAL>::type &along,
                                         typename Numbers<T, DUAL>::type &gx, typename Numbers<T, DUAL>::type &gy,
                                         typename Numbers<T, DUAL>::type &gz)
{
  typedef Numbers<T, DUAL> Number;
  typedef typename Number::type N;
  constexpr int M = 2 * n + 1;
  N s[M], of_harmonics[M];  // dE/dS_nm = sum_a g_a dE/dM_nam
  MLIAP_UNROLL
  for (int m = 0; m < M; m++) {
    s[m] = harmonic_at<T, DUAL>(hood, n * n + m, j);
    of_harmonics[m] = Number::constant(T(0));
  }
  for (int a = 0; a < n_probes; a++) {
    const N g = radial_at<T, DUAL, 0>(hood, first_radial + a, j);
    const N slope = radial_at<T, DUAL, 1>(hood, first_radial + a, j);
    N of_radial = Number::constant(T(0));  // dE/dg_a
    MLIAP_UNROLL
    for (int m = 0; m < M; m++) {
      const N weight = Number::broadcast(adjoint + a * M + m, adjoint_plane);
      of_radial = of_radial + weight * s[m];
      if constexpr (n > 0) of_harmonics[m] = of_harmonics[m] + weight * g;
    }
    along = along + of_radial * slope;
  }
  if constexpr (n > 0) {
    N below[2 * n - 1];
    MLIAP_UNROLL
    for (int m = 0; m < 2 * n - 1; m++) below[m] = harmonic_at<T, DUAL>(hood, (n - 1) * (n - 1) + m, j);
    add_gradients<T, n>(below, of_harmonics, gx, gy, gz);
  }
}

// What `pair_gradients` below does, for the pairs of one slot.
template <class T, bool DUAL>
void slot_gradients(const FeaturePlan<T> &plan, const Neighbourhood<T> &hood, Places places, const T *adjoint, T *out)
{
  typedef Numbers<T, DUAL> Number;
  typedef typename Number::type N;
  const long size = hood.size, plane = plan.n_moments_padded;
  const int n_probes = plan.n_probes;
  for (long j = places.first; j < places.last; j += lanes<T>) {
    N along = Number::constant(T(0)), gx = along, gy = along, gz = along;
    for (int o = 0; o < plan.n_orders; o++) {
      const T *of_order = adjoint + plan.moment_start[o];
      const int radial = o * n_probes;
      switch (plan.orders[o]) {
        case 0: add_gradients_of_order<T, DUAL, 0>(hood, j, radial, n_probes, of_order, plane, along, gx, gy, gz); break;
        case 1: add_gradients_of_order<T, DUAL, 1>(hood, j, radial, n_probes, of_order, plane, along, gx, gy, gz); break;
        case 2: add_gradients_of_order<T, DUAL, 2>(hood, j, radial, n_probes, of_order, plane, along, gx, gy, gz); break;
        case 3: add_gradients_of_order<T, DUAL, 3>(hood, j, radial, n_probes, of_order, plane, along, gx, gy, gz); break;
        case 4: add_gradients_of_order<T, DUAL, 4>(hood, j, radial, n_probes, of_order, plane, along, gx, gy, gz); break;
        case 5: add_gradients_of_order<T, DUAL, 5>(hood, j, radial, n_probes, of_order, plane, along, gx, gy, gz); break;
        default: add_gradients_of_order<T, DUAL, 6>(hood, j, radial, n_probes, of_order, plane, along, gx, gy, gz); break;
      }
    }
    along = along * Number::read(hood.inverse_r + j, size);
    const N x = gx + along * Number::read(hood.x + j, size);
    const N y = gy + along * Number::read(hood.y + j, size);
    const N z = gz + along * Number::read(hood.z + j, size);
    store<T>(out + j, Number::plane_of(x, DUAL));
    store<T>(out + size + j, Number::plane_of(y, DUAL));
    store<T>(out + 2 * size + j, Number::plane_of(z, DUAL));
  }
}

// dE/dr of all pairs of a centre, from adjoint = dE/dM (planes, n_moments_padded): plane by plane, x, y and z, `size`
// numbers each. The values' plane is not written where DUAL.
template <class T, bool DUAL>
void pair_gradients(const FeaturePlan<T> &plan, const Neighbourhood<T> &hood, const T *adjoint, T *out)
{
  for (int slot = 0; slot < plan.n_slots; slot++)
    slot_gradients<T, DUAL>(plan, hood, places_of(plan, hood, slot), adjoint + slot * plan.slot_size, out);
}

}  // namespace MLIAP_SIMD
