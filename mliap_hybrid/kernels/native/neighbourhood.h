// The neighbours of one centre in the lanes of vectors: places, radial functions and solid harmonics.
#pragma once

#include "arena.h"
#include "plan.h"
#include "solid_harmonics.h"

namespace MLIAP_SIMD {

using mliap::FeaturePlan;
using mliap::Task;

// Arrays over the neighbours of a centre, `size` long: whole vectors, filled up with neighbours beyond the cutoff.
// Quantities that have a tangent (DUAL) keep it `size` numbers behind their value.
template <class T>
struct Neighbourhood {
  long size;
  long n_pairs;
  // Slot s has the places slots[s] ... slots[s + 1] - 1, whole vectors; the pair at place j is pair[j], -1 for none. Where
  // there is one slot, pairs are in order and neither is written.
  long *slots;
  int32_t *pair;
  T *x, *y, *z;      // r_j - r_i
  T *inverse_r;      // 1/r
  T *rate;           // dr/d(displacement)
  T *beyond_knot;    // r - r_knot
  int32_t *row;      // first number of the table's interval
  T *harmonics;      // (components, planes, size)
  // Values, first and second derivatives by r, (n_radial_padded, size). The highest derivative serves the way back
  // alone and is written then, into memory that all centres share.
  T *radial[3];
};

// More than there are in the periodic table.
constexpr int kMostElements = 128;

template <class T>
MLIAP_INLINE long padded(long n) { return (n + lanes<T> - 1) / lanes<T> * lanes<T>; }

// Places for the neighbours of any of the centres of a task: those of each slot fill whole vectors.
template <class T>
int64_t most_places(const FeaturePlan<T> &plan, const Task &task)
{
  int64_t most = 0, n_used = 0;
  for (int64_t i = task.first_centre; i < task.last_centre; i++) {
    const int64_t n = task.offsets[i + 1] - task.offsets[i];
    if (n > most) most = n;
  }
  bool used[kMostElements] = {};
  if (plan.n_slots > 1)
    for (int64_t p = task.offsets[task.first_centre]; p < task.offsets[task.last_centre]; p++)
      used[task.neighbour_rows[p]] = true;
  for (const bool is_used : used) n_used += is_used;
  return padded<T>(most) + (n_used > 1 ? n_used - 1 : 0) * lanes<T>;
}

// Room for so many places.
template <class T>
Neighbourhood<T> make_neighbourhood(const FeaturePlan<T> &plan, long size, int planes, Arena &arena)
{
  Neighbourhood<T> hood{};
  hood.slots = arena.take<long>(plan.n_slots + 1);
  hood.pair = arena.take<int32_t>(plan.n_slots > 1 ? size + 1 : 0);  // one more, for the pair that is not of a slot
  hood.x = arena.take<T>(planes * size);
  hood.y = arena.take<T>(planes * size);
  hood.z = arena.take<T>(planes * size);
  hood.inverse_r = arena.take<T>(planes * size);
  hood.rate = arena.take<T>(size);
  hood.beyond_knot = arena.take<T>(size);
  hood.row = arena.take<int32_t>(size);
  hood.harmonics = arena.take<T>((plan.max_order + 1) * (plan.max_order + 1) * planes * size);
  for (int level = 0; level < planes; level++) hood.radial[level] = arena.take<T>(plan.n_radial_padded * size);
  return hood;
}

template <class T>
MLIAP_INLINE T square_root_of(T x)
{
  if constexpr (sizeof(T) == 4) return __builtin_sqrtf(x);
  return __builtin_sqrt(x);
}

// Give each slot its places and each pair one of its slot's. A pass over the pairs for each slot that is in use: one pass
// for all would wait for its own counters, in memory.
template <class T>
void sort_by_slot(const FeaturePlan<T> &plan, const int32_t *elements, Neighbourhood<T> &hood)
{
  bool is_used[kMostElements] = {};
  for (long j = 0; j < hood.n_pairs; j++) is_used[elements[j]] = true;
  long end = 0;
  for (int s = 0; s < plan.n_slots; s++) {
    const long first = hood.slots[s] = end;
    if (!is_used[s]) continue;
    long n = first;
    for (long j = 0; j < hood.n_pairs; j++) {
      hood.pair[n] = int32_t(j);
      n += elements[j] == s;
    }
    for (end = first + padded<T>(n - first); n < end; n++) hood.pair[n] = -1;
  }
  hood.slots[plan.n_slots] = hood.size = end;
}

// Read the pairs of centre i; false if a distance is zero or not a finite number.
template <class T, bool DUAL>
bool place_neighbours(const FeaturePlan<T> &plan, const Task &task, int64_t i, Neighbourhood<T> &hood)
{
  const int64_t first = task.offsets[i], n = task.offsets[i + 1] - first;
  const double *vectors = task.vectors + 3 * first;
  const int32_t *elements = task.neighbour_rows + first;
  hood.n_pairs = n;
  // The arrays do not overlap: without that promise the loops stay scalar.
  T *__restrict x = hood.x, *__restrict y = hood.y, *__restrict z = hood.z;
  T *__restrict inverse_r = hood.inverse_r, *__restrict beyond_knot = hood.beyond_knot;
  int32_t *__restrict row = hood.row;
  const bool is_sorted = plan.n_slots > 1;
  if (is_sorted) sort_by_slot(plan, elements, hood);
  const long size = is_sorted ? hood.size : padded<T>(n), n_in_order = is_sorted ? 0 : n;
  hood.size = size;
  for (long j = 0; j < n_in_order; j++) {
    x[j] = T(vectors[3 * j]);
    y[j] = T(vectors[3 * j + 1]);
    z[j] = T(vectors[3 * j + 2]);
    row[j] = elements[j];
  }
  for (long j = n_in_order; j < size; j++) {
    const long p = is_sorted ? hood.pair[j] : -1;
    x[j] = p < 0 ? T(2.0 * plan.cutoff) : T(vectors[3 * p]);
    y[j] = p < 0 ? T(0) : T(vectors[3 * p + 1]);
    z[j] = p < 0 ? T(0) : T(vectors[3 * p + 2]);
    row[j] = p < 0 ? 0 : elements[p];
  }
  const int32_t interval_size = 4 * plan.n_radial_padded, element_size = (plan.n_intervals + 1) * interval_size;
  const T cutoff = T(plan.cutoff), last = T(plan.n_intervals), smallest = T(mliap::kSmallestDistance);
  const T largest = T(1e30), spacing = plan.spacing, inverse_spacing = plan.inverse_spacing;
  int32_t n_invalid = 0;
  for (long j = 0; j < size; j++) {
    const T r = square_root_of(x[j] * x[j] + y[j] * y[j] + z[j] * z[j]);
    const T scaled = r < cutoff ? r * inverse_spacing : last;  // the last interval is zero
    const int32_t interval = int32_t(scaled);
    n_invalid += !(r >= smallest) | !(r < largest);
    inverse_r[j] = T(1) / r;
    beyond_knot[j] = r - T(interval) * spacing;
    row[j] = row[j] * element_size + interval * interval_size;
  }
  if constexpr (DUAL) {
    const double *displacements = task.displacements + 3 * first;
    for (long j = 0; j < size; j++) {
      const long p = is_sorted ? hood.pair[j] : j < n ? j : -1;
      hood.x[size + j] = p < 0 ? T(0) : T(displacements[3 * p]);
      hood.y[size + j] = p < 0 ? T(0) : T(displacements[3 * p + 1]);
      hood.z[size + j] = p < 0 ? T(0) : T(displacements[3 * p + 2]);
      hood.rate[j] = hood.inverse_r[j] *
          (hood.x[j] * hood.x[size + j] + hood.y[j] * hood.y[size + j] + hood.z[j] * hood.z[size + j]);
      hood.inverse_r[size + j] = -hood.inverse_r[j] * hood.inverse_r[j] * hood.rate[j];
    }
  }
  return n_invalid == 0;
}

template <class T, bool DUAL, int MAX>
void place_harmonics_up_to(Neighbourhood<T> &hood)
{
  typedef Numbers<T, DUAL> Number;
  constexpr int n_components = (MAX + 1) * (MAX + 1);
  for (long j = 0; j < hood.size; j += lanes<T>) {
    typename Number::type s[n_components];
    solid_harmonics<T, DUAL, MAX>(Number::read(hood.x + j, hood.size), Number::read(hood.y + j, hood.size),
                                  Number::read(hood.z + j, hood.size), s);
    MLIAP_UNROLL
    for (int k = 0; k < n_components; k++)
      Number::write(hood.harmonics + k * Number::planes * hood.size + j, hood.size, s[k]);
  }
}

template <class T, bool DUAL>
void place_harmonics(int max_order, Neighbourhood<T> &hood)
{
  switch (max_order) {
    case 0: return place_harmonics_up_to<T, DUAL, 0>(hood);
    case 1: return place_harmonics_up_to<T, DUAL, 1>(hood);
    case 2: return place_harmonics_up_to<T, DUAL, 2>(hood);
    case 3: return place_harmonics_up_to<T, DUAL, 3>(hood);
    case 4: return place_harmonics_up_to<T, DUAL, 4>(hood);
    case 5: return place_harmonics_up_to<T, DUAL, 5>(hood);
    default: return place_harmonics_up_to<T, DUAL, 6>(hood);
  }
}

// Value (LEVEL 0), first or second derivative of a cubic from its coefficients.
template <class T, int LEVEL>
MLIAP_INLINE Vec<T> cubic(const T *coefficients, long stride, T t)
{
  const Vec<T> c1 = load(coefficients + stride), c2 = load(coefficients + 2 * stride);
  const Vec<T> c3 = load(coefficients + 3 * stride);
  if constexpr (LEVEL == 0) return ((c3 * t + c2) * t + c1) * t + load(coefficients);
  if constexpr (LEVEL == 1) return (T(3) * c3 * t + T(2) * c2) * t + c1;
  return T(6) * c3 * t + T(2) * c2;
}

// Radial functions of all neighbours. The table has the functions in neighbouring places, so one neighbour's are read
// and evaluated in the lanes, and squares of neighbours and functions are transposed: cheaper than to gather.
template <class T, int LEVEL>
void place_radial(const FeaturePlan<T> &plan, Neighbourhood<T> &hood)
{
  constexpr int W = lanes<T>;
  const long stride = plan.n_radial_padded;
  for (long j = 0; j < hood.size; j += W) {
    for (int c = 0; c < plan.n_radial; c += W) {
      Vec<T> square[W];
      MLIAP_UNROLL
      for (int k = 0; k < W; k++)
        square[k] = cubic<T, LEVEL>(plan.table + hood.row[j + k] + c, stride, hood.beyond_knot[j + k]);
      transpose<T>(square);
      MLIAP_UNROLL
      for (int k = 0; k < W; k++) store<T>(hood.radial[LEVEL] + (c + k) * hood.size + j, square[k]);
    }
  }
}

}  // namespace MLIAP_SIMD
