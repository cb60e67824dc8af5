#include "block_of_atoms.h"

#include <cmath>

namespace mliap {

void BlockOfAtoms::fill(const mliap_local_atoms &from, double cutoff, int64_t first, int64_t last)
{
  const double squared_cutoff = cutoff * cutoff;
  const double *const x = from.positions;
  n_centres = last - first;
  make_room(offsets, n_centres + 1);
  make_room(atoms, n_centres);
  make_room(centre_rows, n_centres);
  int64_t most = 0;
  for (int64_t a = 0; a < n_centres; a++) most += from.n_neighbours[from.centres[first + a]];
  make_room(neighbours, most + 1);
  make_room(neighbour_rows, most + 1);
  make_room(vectors, 3 * (most + 1));

  int64_t p = 0;
  for (int64_t a = 0; a < n_centres; a++) {
    const int32_t i = from.centres[first + a], n_listed = from.n_neighbours[i];
    const int32_t *const listed = from.neighbours[i];
    const double xi = x[3 * int64_t(i)], yi = x[3 * int64_t(i) + 1], zi = x[3 * int64_t(i) + 2];
    offsets[a] = p;
    atoms[a] = i;
    centre_rows[a] = from.element_of_type[from.types[i]];
    for (int32_t k = 0; k < n_listed; k++) {  // written at once and kept by counting: no branch to guess wrong
      const int64_t j = listed[k] & from.neighbour_mask;
      const double dx = x[3 * j] - xi, dy = x[3 * j + 1] - yi, dz = x[3 * j + 2] - zi;
      const int32_t row = from.element_of_type[from.types[j]];
      vectors[3 * p] = dx;
      vectors[3 * p + 1] = dy;
      vectors[3 * p + 2] = dz;
      neighbours[p] = int32_t(j);
      neighbour_rows[p] = row;
      // Places that are not numbers are kept, for the kernels to find them.
      p += !(dx * dx + dy * dy + dz * dz >= squared_cutoff) & (row >= 0);
    }
  }
  offsets[n_centres] = p;
}

void BlockOfAtoms::find_distances()
{
  const int64_t n = n_pairs();
  make_room(distances, n);
  for (int64_t p = 0; p < n; p++) {
    const double *const r = &vectors[3 * p];
    distances[p] = std::sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]);
  }
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
