// Sums of a rank: energies, forces and virials of its atoms and ghosts, from the pairs of blocks.
#pragma once

#include <vector>

#include "block_of_atoms.h"

namespace mliap {

// Add what a block has found.
void add_block(const BlockOfAtoms &block, mliap_sums &sums);

// Sums of one thread's own, zero at first, of what is asked for in those of the caller.
class ThreadSums {
 public:
  ThreadSums(const mliap_sums &asked, int64_t n_atoms);
  mliap_sums sums;

  void add_to(mliap_sums &total) const;

 private:
  std::vector<double> energies_, forces_, virial_, virials_, centroid_virials_;
};

}  // namespace mliap
