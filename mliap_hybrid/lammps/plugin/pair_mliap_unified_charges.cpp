/* ----------------------------------------------------------------------
   Pair style mliap unified, continued: charges that follow the atoms, in a
   step without Python.  model/neutrality.py has the equations:

     q_i = q0_i + c_i + (Q - sum_k (q0_k + c_k)) / N          one shift
     q_i = q0_i + sum_j w(r_ij) (c_j - c_i)                   increments
     w(r) = (1 - (r / cutoff)^2)^3

   c_i = b tanh(a_i / b) is what the networks say, a_i, bounded.

   A uniform field E adds -E.r_i to the potential of an atom.  Of increments
   it acts on q0_i at r_i, and on what neighbors give each other by the
   vectors between them, -E.r_ij for phi_j - phi_i
------------------------------------------------------------------------- */

#include "pair_mliap_unified.h"

#include "pair_mliap_unified_neighbors.h"

#include "atom.h"

#include <cmath>
#include <cstddef>

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   charges are predicted and solved for; dE/da_i of each centre, in eV
------------------------------------------------------------------------- */

const double *PairMLIAPUnified::slopes_of_charges(const mliap_local_atoms &atoms)
{
  const int n = centres.nlistatoms;
  of_centres.resize(n);
  changes.assign(atoms.n_atoms, 0.0);
  stop_if_failed(native.charges(native.potential, &atoms, native.n_threads, of_centres.data()));

  const double largest = native.largest_change;
  bound_slopes.resize(n);
  for (int ii = 0; ii < n; ii++) {
    const double tangent = std::isinf(largest) ? 0.0 : tanh(of_centres[ii] / largest);
    changes[centres.iatoms[ii]] = std::isinf(largest) ? of_centres[ii] : largest * tangent;
    bound_slopes[ii] = 1.0 - tangent * tangent;
  }
  if (native.increments)
    charges_by_increments();
  else
    charges_by_shift();
  for (int ii = 0; ii < n; ii++) of_centres[ii] *= bound_slopes[ii] * native.energy_unit;
  return of_centres.data();
}

/* ----------------------------------------------------------------------
   dE/dc_i = phi_i - mean(phi), left in of_centres
------------------------------------------------------------------------- */

void PairMLIAPUnified::charges_by_shift()
{
  const int n = centres.nlistatoms;
  double mine[2] = {0.0, static_cast<double>(n)}, all[2];
  for (int ii = 0; ii < n; ii++) {
    of_centres[ii] = native.starting_charges[centres.ielems[ii]] + changes[centres.iatoms[ii]];
    mine[0] += of_centres[ii];
  }
  MPI_Allreduce(mine, all, 2, MPI_DOUBLE, MPI_SUM, world);
  const double total = std::isnan(step.total_charge) ? 0.0 : step.total_charge;
  const double shift = (all[1] > 0.0) ? (total - all[0]) / all[1] : 0.0;
  for (int ii = 0; ii < n; ii++) of_centres[ii] += shift;

  solve_coulomb(of_centres.data(), of_centres.data());

  mine[0] = 0.0;
  if (field.given)
    for (int ii = 0; ii < n; ii++)
      of_centres[ii] -= field.along(&field.places[3 * static_cast<std::size_t>(ii)]);
  for (int ii = 0; ii < n; ii++) mine[0] += of_centres[ii];
  MPI_Allreduce(mine, all, 2, MPI_DOUBLE, MPI_SUM, world);
  const double mean = (all[1] > 0.0) ? all[0] / all[1] : 0.0;
  for (int ii = 0; ii < n; ii++) of_centres[ii] -= mean;
}

/* ----------------------------------------------------------------------
   dE/dc_i = sum_j w(r_ij) (phi_j - phi_i), left in of_centres, and
   dE/dr_p at fixed c = phi_i dw/dr_p (c_j - c_i), which becomes forces;
   phi_i stands for half of phi_i - phi_j there, as all pairs are met twice
------------------------------------------------------------------------- */

void PairMLIAPUnified::charges_by_increments()
{
  const int n = centres.nlistatoms;
  forward_exchange(changes.data(), 1);
  for (int ii = 0; ii < n; ii++) {
    const int i = centres.iatoms[ii];
    double sum = native.starting_charges[centres.ielems[ii]];
    for_neighbors(i, [&](int j, const double *, double remaining) {
      sum += remaining * remaining * remaining * (changes[j] - changes[i]);
    });
    of_centres[ii] = sum;
  }

  solve_coulomb(of_centres.data(), of_centres.data());

  std::vector<double> &phi = coulomb->potentials;
  forward_exchange(phi.data(), 1);
  double **const f = atom->f;
  for (int ii = 0; ii < n; ii++) {
    const int i = centres.iatoms[ii];
    double sum = 0.0;
    for_neighbors(i, [&](int j, const double *rij, double remaining) {
      const double outside = field.along(rij);
      sum += remaining * remaining * remaining * (phi[j] - phi[i] - outside);
      const double along = -6.0 / (cutoff * cutoff) * remaining * remaining *
          (phi[i] + 0.5 * outside) * (changes[j] - changes[i]);
      double fij[3];
      for (int k = 0; k < 3; k++) {
        fij[k] = along * rij[k];
        f[i][k] += fij[k];
        f[j][k] -= fij[k];
      }
      if (vflag_either) v_tally(i, j, fij, rij);
    });
    of_centres[ii] = sum;
  }
  if (field.given) add_field_of_increments();
}

/* ----------------------------------------------------------------------
   m_i = q0_i r_i - 1/2 sum_j w(r_ij) (c_j - c_i) r_ij
------------------------------------------------------------------------- */

void PairMLIAPUnified::add_field_of_increments()
{
  std::vector<double> charges(centres.nlistatoms), moments(field.places);
  for (int ii = 0; ii < centres.nlistatoms; ii++) {
    const int i = centres.iatoms[ii];
    double *const m = &moments[3 * static_cast<std::size_t>(ii)];
    charges[ii] = atom->q[i];
    for (int k = 0; k < 3; k++) m[k] *= native.starting_charges[centres.ielems[ii]];
    for_neighbors(i, [&](int j, const double *rij, double remaining) {
      const double taken = remaining * remaining * remaining * (changes[j] - changes[i]);
      for (int k = 0; k < 3; k++) m[k] -= 0.5 * taken * rij[k];
    });
  }
  field.add(this, centres, charges.data(), moments.data());
}
