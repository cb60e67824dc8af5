// The surroundings of a block of centres: their pairs inside the cutoff, copied from LAMMPS' lists one behind the other.
#pragma once

#include <cstddef>
#include <vector>

#include "plan.h"
#include "potential_api.h"

namespace mliap {

// Centres of a block: what belongs to them and their pairs stays in the second-level cache.
constexpr int64_t kCentreBlock = 32;

// Arrays only grow; their sizes are what is allocated, not what is in use.
struct BlockOfAtoms {
  int64_t n_centres = 0;
  std::vector<int64_t> offsets;         // (n_centres + 1): pairs of centre a are offsets[a] ... offsets[a + 1] - 1
  std::vector<int32_t> atoms;           // (n_centres)
  std::vector<int32_t> centre_rows;     // (n_centres): element row
  std::vector<int32_t> neighbours;      // (n_pairs): atom
  std::vector<int32_t> neighbour_rows;  // (n_pairs): element row
  std::vector<double> vectors;          // (n_pairs, 3): r_j - r_i, Å
  std::vector<double> network_values;   // (n_networks, n_centres)
  std::vector<double> weights;          // (n_networks, n_centres)
  std::vector<double> gradients;        // (n_pairs, 3): dE/dr_p, eV/Å
  std::vector<double> energies;         // (n_centres), eV

  // Copy the pairs of the centres first ... last - 1 of `from` that are closer than the cutoff; false if an atom is of an
  // element that is not the model's.
  bool fill(const mliap_local_atoms &from, double cutoff, int64_t first, int64_t last);

  int64_t n_pairs() const { return offsets[n_centres]; }

  // The block as the kernels take it.
  Task task() const;

 private:
  // Vectors and elements of a centre's pairs, while their atoms are in the first-level cache; the least row.
  int32_t place_pairs(const mliap_local_atoms &from, int64_t a);
};

// Make room for n numbers, which are not set.
template <class T>
void make_room(std::vector<T> &array, int64_t n)
{
  if (int64_t(array.size()) < n) array.resize(n + n / 8);
}

}  // namespace mliap
