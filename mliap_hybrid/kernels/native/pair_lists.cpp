// What comes before the kernels: where each centre's pairs are, and the element rows of all atoms.
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
