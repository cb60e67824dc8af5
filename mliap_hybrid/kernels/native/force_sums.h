// Sums of a rank: energies, forces and virials of its atoms and ghosts, from the pairs of blocks.
#pragma once

#include "block_of_atoms.h"

namespace mliap {

// Add what a block has found.
void add_block(const BlockOfAtoms &block, mliap_sums &sums);

}  // namespace mliap
