// What comes before and after the kernels: pairs sorted by centre, and forces collected from pairs.
#include <algorithm>

#include "kernels_api.h"

#define MLIAP_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

// Element rows of atomic numbers; false if one is not known.
bool find_rows(const int64_t *numbers, int64_t n, const int32_t *rows, int64_t n_rows, int32_t *found)
{
  int32_t all = 0;  // negative once a row is
  for (int64_t k = 0; k < n; k++) {
    const int64_t number = numbers[k];
    found[k] = number >= 0 && number < n_rows ? rows[number] : -1;
    all |= found[k];
  }
  return all >= 0;
}

}  // namespace

MLIAP_EXPORT int mliap_sort_pairs(int64_t n_centres, int64_t n_pairs, const int64_t *pair_i,
                                  const int64_t *centre_numbers, const int64_t *neighbour_numbers, const int32_t *rows,
                                  int64_t n_rows, int64_t *offsets, int32_t *centre_rows, int32_t *neighbour_rows)
{
  int64_t p = 0;
  for (int64_t i = 0; i < n_centres; i++) {
    offsets[i] = p;
    while (p < n_pairs && pair_i[p] == i) p++;
  }
  offsets[n_centres] = p;
  if (p < n_pairs) return 1;
  const bool known = find_rows(centre_numbers, n_centres, rows, n_rows, centre_rows) &&
      find_rows(neighbour_numbers, n_pairs, rows, n_rows, neighbour_rows);
  return known ? 0 : 2;
}

MLIAP_EXPORT void mliap_pair_forces(const int64_t *offsets, const int64_t *neighbours, const double *pair_gradients,
                                    int64_t n_atoms, double *forces)
{
  std::fill(forces, forces + 3 * n_atoms, 0.0);
  for (int64_t i = 0; i < n_atoms; i++) {
    double fx = 0.0, fy = 0.0, fz = 0.0;
    for (int64_t p = offsets[i]; p < offsets[i + 1]; p++) {
      const double *g = pair_gradients + 3 * p;
      double *fj = forces + 3 * neighbours[p];
      fx += g[0];
      fy += g[1];
      fz += g[2];
      fj[0] -= g[0];
      fj[1] -= g[1];
      fj[2] -= g[2];
    }
    forces[3 * i] += fx;
    forces[3 * i + 1] += fy;
    forces[3 * i + 2] += fz;
  }
}
