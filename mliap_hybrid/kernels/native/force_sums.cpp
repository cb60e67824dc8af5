#include "force_sums.h"

namespace mliap {

namespace {

// LAMMPS' order of the nine products: the place in front, the force behind.
constexpr int kPlace[9] = {0, 1, 2, 0, 0, 1, 1, 2, 2};
constexpr int kDirection[9] = {0, 1, 2, 1, 2, 2, 0, 0, 1};

// The virial of a pair, half of which belongs to each of its atoms. What the energy of the centre loses when the
// neighbour moves is heat that goes with the neighbour: there all of it is the neighbour's (Surblys, Matsubara, Kikugawa
// and Ohara, Phys. Rev. E 99, 051301 (2019)).
void add_virial(int64_t i, int64_t j, const double *r, const double *g, mliap_sums &sums)
{
  double v[9];
  for (int k = 0; k < 9; k++) v[k] = -r[kPlace[k]] * g[kDirection[k]];
  if (sums.virial)
    for (int k = 0; k < 6; k++) sums.virial[k] += v[k];
  if (sums.virials)
    for (int k = 0; k < 6; k++) {
      sums.virials[6 * i + k] += 0.5 * v[k];
      sums.virials[6 * j + k] += 0.5 * v[k];
    }
  if (sums.centroid_virials)
    for (int k = 0; k < 9; k++) sums.centroid_virials[9 * j + k] += v[k];
}

}  // namespace

void add_block(const BlockOfAtoms &block, mliap_sums &sums)
{
  const double inverse_unit = 1.0 / sums.unit;
  const bool has_virial = sums.virial || sums.virials || sums.centroid_virials;
  for (int64_t a = 0; a < block.n_centres; a++) {
    const int64_t i = block.atoms[a];
    double on_centre[3] = {0.0, 0.0, 0.0};
    for (int64_t p = block.offsets[a]; p < block.offsets[a + 1]; p++) {
      const int64_t j = block.neighbours[p];
      const double *const gradient = &block.gradients[3 * p];
      double g[3];
      for (int k = 0; k < 3; k++) {
        g[k] = inverse_unit * gradient[k];
        on_centre[k] += g[k];
        sums.forces[3 * j + k] -= g[k];
      }
      if (has_virial) add_virial(i, j, &block.vectors[3 * p], g, sums);
    }
    for (int k = 0; k < 3; k++) sums.forces[3 * i + k] += on_centre[k];
    const double energy = inverse_unit * block.energies[a];
    sums.energy += energy;
    if (sums.energies) sums.energies[i] += energy;
  }
}

}  // namespace mliap
