// A term of pairs: each gives its centre an energy that depends on its length and on the elements of both atoms.
#pragma once

#include <cmath>

#include "block_of_atoms.h"

namespace mliap {

class PairTerm {
 public:
  virtual ~PairTerm() = default;

  // Add to the energies of the centres and to the gradients of the pairs of a block.
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
      const double *const vector = &block.vectors[3 * p];
      const double squared = vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2];
      if (!(squared < reach * reach)) continue;
      const double r = std::sqrt(squared);
      const PairEnergy of_pair = function(row + block.neighbour_rows[p], r);
      sum += of_pair.energy;
      for (int k = 0; k < 3; k++) block.gradients[3 * p + k] += of_pair.slope / r * vector[k];
    }
    block.energies[a] += sum;
  }
}

}  // namespace mliap
