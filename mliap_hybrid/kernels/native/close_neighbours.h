// Which atoms of a list are near: asked of every listed neighbour in every step, so it is vectorised by hand.
#pragma once

#include <cstdint>

namespace mliap {

// Numbers behind the last neighbour that may be written to.
constexpr int64_t kSpareNeighbours = 8;

// The n atoms of a list that are closer to a centre than the cutoff -> close, in order; returns how many there are.
// Positions (n_atoms, 3); an entry of the list is an atom and bits that the mask takes away. Positions that are not numbers
// count as near, for others to find.
int64_t close_neighbours(const double *positions, const int32_t *list, int64_t n, int32_t mask, const double *centre,
                         double cutoff, int32_t *close);

}  // namespace mliap
