#include "block_of_atoms.h"

#include <algorithm>

#include "close_neighbours.h"

namespace mliap {

bool BlockOfAtoms::fill(const mliap_local_atoms &from, double cutoff, int64_t first, int64_t last)
{
  n_centres = last - first;
  make_room(offsets, n_centres + 1);
  make_room(atoms, n_centres);
  make_room(centre_rows, n_centres);
  int64_t most = 0;
  for (int64_t a = 0; a < n_centres; a++) most += from.n_neighbours[from.centres[first + a]];
  make_room(neighbours, most + kSpareNeighbours);
  make_room(neighbour_rows, most);
  make_room(vectors, 3 * most);
  offsets[0] = 0;
  int32_t least_row = 0;
  for (int64_t a = 0; a < n_centres; a++) {
    const int32_t i = atoms[a] = from.centres[first + a];
    offsets[a + 1] = offsets[a] + close_neighbours(from.positions, from.neighbours[i], from.n_neighbours[i],
                                                   from.neighbour_mask, from.positions + 3 * int64_t(i), cutoff,
                                                   neighbours.data() + offsets[a]);
    centre_rows[a] = from.element_of_type[from.types[i]];
    least_row = std::min({least_row, centre_rows[a], place_pairs(from, a)});
  }
  return least_row >= 0;
}

int32_t BlockOfAtoms::place_pairs(const mliap_local_atoms &from, int64_t a)
{
  const double *const x = from.positions, *const centre = x + 3 * int64_t(atoms[a]);
  const int32_t *const neighbour = neighbours.data(), *const types = from.types, *const rows = from.element_of_type;
  // The arrays do not overlap: without that promise each number is written before the next one is read.
  double *const __restrict r = vectors.data();
  int32_t *const __restrict row = neighbour_rows.data();
  int32_t least_row = 0;
  for (int64_t p = offsets[a]; p < offsets[a + 1]; p++) {
    const int64_t j = neighbour[p];
    for (int k = 0; k < 3; k++) r[3 * p + k] = x[3 * j + k] - centre[k];
    row[p] = rows[types[j]];
    least_row = std::min(least_row, row[p]);
  }
  return least_row;
}

Task BlockOfAtoms::task() const
{
  Task task{};
  task.first_centre = 0;
  task.last_centre = task.n_centres = n_centres;
  task.offsets = offsets.data();
  task.vectors = vectors.data();
  task.centre_rows = centre_rows.data();
  task.neighbour_rows = neighbour_rows.data();
  return task;
}

}  // namespace mliap
