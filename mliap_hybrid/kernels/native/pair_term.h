// A term of pairs: each gives its centre an energy that depends on its length and on the elements of both atoms.
#pragma once

#include "block_of_atoms.h"

namespace mliap {

class PairTerm {
 public:
  virtual ~PairTerm() = default;

  // Add to the energies of the centres, and to the slopes dE/dr of the pairs, of a block with distances.
  virtual void add_to(BlockOfAtoms &block) const = 0;
};

// Half of the energy of two atoms is the centre's, and its slope.
struct PairEnergy {
  double energy, slope;
};

// What a function (pair of element rows, distance) -> PairEnergy adds to the pairs that are closer than a reach, Å.
template <class Function>
void add_pairs(BlockOfAtoms &block, int64_t n_elements, double reach, Function function)
{
  for (int64_t a = 0; a < block.n_centres; a++) {
    const int64_t row = block.centre_rows[a] * n_elements;
    double sum = 0.0;
    for (int64_t p = block.offsets[a]; p < block.offsets[a + 1]; p++) {
      if (!(block.distances[p] < reach)) continue;
      const PairEnergy of_pair = function(row + block.neighbour_rows[p], block.distances[p]);
      sum += of_pair.energy;
      block.slopes[p] += of_pair.slope;
    }
    block.energies[a] += sum;
  }
}

}  // namespace mliap
