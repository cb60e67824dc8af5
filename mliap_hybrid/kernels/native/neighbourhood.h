// The neighbours of one centre in the lanes of vectors: places, radial functions and solid harmonics.
#pragma once

#include "arena.h"
#include "plan.h"
#include "solid_harmonics.h"

namespace MLIAP_SIMD {

using mliap::FeaturePlan;
using mliap::Task;

// Arrays over the neighbours of a centre, `size` long: whole vectors, filled up with neighbours beyond the cutoff.
// Quantities that have a tangent (DUAL) keep it `size` numbers behind their value. All radial functions of a vector's
// neighbours are one piece of memory, and so are their harmonics.
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
  int n_radial;      // padded
  T *radial[3];      // values, first and second derivatives by r, (size / lanes, n_radial, lanes)
  // In memory that all centres share: found again on the way back, which costs less than the second-level cache.
  T *beyond_knot;  // r - r_knot
  int32_t *row;    // first number of the table's interval
  int n_harmonics;
  T *harmonics;    // (size / lanes, n_harmonics, planes, lanes)
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

// Room for so many places, without what centres share.
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
  hood.n_radial = plan.n_radial_padded;
  hood.n_harmonics = (plan.max_order + 1) * (plan.max_order + 1);
  for (int level = 0; level <= planes; level++) hood.radial[level] = arena.take<T>(plan.n_radial_padded * size);
  return hood;
}

// Room for what n centres share.
template <class T>
void share_memory(Neighbourhood<T> *hoods, int n, long size, int planes, Arena &arena)
{
  hoods[0].beyond_knot = arena.take<T>(size);
  hoods[0].row = arena.take<int32_t>(size);
  hoods[0].harmonics = arena.take<T>(hoods[0].n_harmonics * planes * size);
  for (int a = 1; a < n; a++) {
    hoods[a].beyond_knot = hoods[0].beyond_knot;
    hoods[a].row = hoods[0].row;
    hoods[a].harmonics = hoods[0].harmonics;
  }
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
      Number::write(hood.harmonics + (j * n_components + k * lanes<T>) * Number::planes, lanes<T>, s[k]);
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

// Values of cubics with the coefficients c, the highest one last, and LEVELS - 1 derivatives, by Horner's scheme.
template <class T, int LEVELS>
MLIAP_INLINE void cubics(const Vec<T> *c, Vec<T> t, Vec<T> *levels)
{
  const Vec<T> b2 = c[3] * t + c[2], b1 = b2 * t + c[1];
  levels[0] = b1 * t + c[0];
  if constexpr (LEVELS == 1) return;
  const Vec<T> d2 = c[3] * t + b2;
  levels[1] = d2 * t + b1;
  if constexpr (LEVELS > 2) levels[2] = T(2) * (c[3] * t + d2);
}

// Some radial functions of all neighbours, and LEVELS - 1 derivatives. Their coefficients lie side by side in the table,
// `stride` of them before those of the next power. They are read and evaluated in the lanes, then squares of neighbours
// and functions are transposed: cheaper than to gather. Vectors hold SIZE functions of one neighbour, or of several.
template <class T, int LEVELS, int SIZE>
void place_functions(const T *coefficients, long stride, int first, Neighbourhood<T> &hood)
{
  constexpr int W = lanes<T>, Q = square_size<T>, n_neighbours = Q * W / SIZE;
  for (long j = 0; j < hood.size; j += n_neighbours) {
    Vec<T> square[LEVELS][Q];
    MLIAP_UNROLL
    for (int k = 0; k < Q; k++) {
      Vec<T> c[4], t, levels[LEVELS];
      if constexpr (SIZE == W) {
        MLIAP_UNROLL
        for (int power = 0; power < 4; power++) c[power] = load(coefficients + hood.row[j + k] + power * stride);
        t = splat(hood.beyond_knot[j + k]);
      } else {
        MLIAP_UNROLL
        for (int power = 0; power < 4; power++)
          c[power] = load_blocks(coefficients + power * stride, hood.row + j + k);
        t = spread_blocks(hood.beyond_knot + j + k);
      }
      cubics<T, LEVELS>(c, t, levels);
      MLIAP_UNROLL
      for (int level = 0; level < LEVELS; level++) square[level][k] = levels[level];
    }
    MLIAP_UNROLL
    for (int level = 0; level < LEVELS; level++) {
      transpose_squares<T>(square[level]);
      T *out = hood.radial[level] + j / W * W * hood.n_radial + first * W + j % W;
      MLIAP_UNROLL
      for (int k = 0; k < Q; k++) {
        if constexpr (n_neighbours == W)
          store<T>(out + k * W, square[level][k]);
        else
          store_blocks(out + k * W, Q * W, square[level][k]);
      }
    }
  }
}

// Radial functions of all neighbours, and LEVELS - 1 derivatives.
template <class T, int LEVELS>
void place_radial(const FeaturePlan<T> &plan, Neighbourhood<T> &hood)
{
  constexpr int W = lanes<T>, C = mliap::kRadialChunk<T>, Q = mliap::kRadialQuad, SIZE = W < Q ? W : Q;
  for (int c = 0; c < plan.n_radial_in_chunks; c += W)
    place_functions<T, LEVELS, W>(plan.table + 4 * (c / C * C) + c % C, C, c, hood);
  for (int c = plan.n_radial_in_chunks; c < plan.n_radial_padded; c += SIZE)
    place_functions<T, LEVELS, SIZE>(plan.table + 4 * (c / Q * Q) + c % Q, Q, c, hood);
}

}  // namespace MLIAP_SIMD
