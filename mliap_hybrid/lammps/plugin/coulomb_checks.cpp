/* ----------------------------------------------------------------------
   Coulomb energy of charges that follow the atoms, continued: what a user
   must be told before a run goes wrong
------------------------------------------------------------------------- */

#include "coulomb_solver.h"

#include "kspace_handover.h"

#include "atom.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "kspace.h"
#include "pair.h"

#include <algorithm>
#include <cmath>

using namespace LAMMPS_NS;

static const double PI = 3.14159265358979323846;
static const double COARSEST = 1.0e-3;    // relative force accuracy that is accepted

/* ----------------------------------------------------------------------
   rms force error of PPPM in one dimension with mesh spacing h: leading
   term of Deserno and Holm, J. Chem. Phys. 109, 7694 (1998), eq. 38
------------------------------------------------------------------------- */

static double mesh_error(int order, double h, double length, double g, double q2, double natoms)
{
  static const double a[8] = {0.0,          2.0 / 3.0,     1.0 / 50.0,          1.0 / 588.0,
                              1.0 / 4320.0, 1.0 / 23232.0, 691.0 / 68140800.0, 1.0 / 345600.0};
  const double spread = sqrt(g * length * sqrt(2.0 * PI) * a[order] / natoms);
  return q2 * pow(h * g, order) * spread / (length * length);
}

/* ---------------------------------------------------------------------- */

void CoulombSolver::check_companions() const
{
  if (Pair *other = force->pair_match("coul", 0, 1))
    error->all(FLERR,
               "The model of pair style mliap brings the whole Coulomb interaction of its charges: "
               "leave out pair style {}, which would count it twice",
               force->pair_match_ptr(other));
}

/* ---------------------------------------------------------------------- */

void CoulombSolver::check_styles() const
{
  if (!atom->q_flag)
    error->all(FLERR,
               "The model of pair style mliap predicts charges, but atom_style {} has none: "
               "use atom_style charge or full",
               atom->get_style());
  if (force->dielectric != 1.0)
    error->all(FLERR, "The model of pair style mliap predicts charges for dielectric 1.0, not {}",
               force->dielectric);
  if (!in_kspace) {
    if (force->kspace)
      error->all(FLERR,
                 "The model of pair style mliap solves for the Coulomb energy itself: "
                 "remove kspace_style {}",
                 force->kspace_style);
    return;
  }

  if (!force->kspace)
    error->all(FLERR,
               "The model of pair style mliap predicts charges and requires a KSpace style: "
               "add a line such as kspace_style pppm 1.0e-5");
  if (!KSpaceHandover::supported(force->kspace_style))
    error->all(FLERR,
               "Pair style mliap cannot solve for predicted charges with kspace_style {}: "
               "use pppm or ewald",
               force->kspace_style);
  if (force->kspace->compute_flag)
    error->all(FLERR,
               "Pair style mliap runs KSpace itself, since the model predicts charges: "
               "add the line kspace_modify compute no");
  if (KSpaceHandover::takers(lmp) > 1)
    error->all(FLERR, "Only one pair style mliap in a hybrid can predict charges");
}

/* ---------------------------------------------------------------------- */

void CoulombSolver::check_charges(const std::vector<int> &element_of_type) const
{
  double sums[3] = {0.0, 0.0, 0.0};    // charge, square, # of charged atoms that are not the model's
  for (int i = 0; i < atom->nlocal; i++) {
    sums[0] += atom->q[i];
    sums[1] += atom->q[i] * atom->q[i];
    if (element_of_type[atom->type[i]] < 0 && atom->q[i] != 0.0) sums[2] += 1.0;
  }
  double all[3];
  MPI_Allreduce(sums, all, 3, MPI_DOUBLE, MPI_SUM, world);

  if (all[2] > 0.0)
    error->all(FLERR,
               "{:.0f} atoms of types that are NULL in pair_coeff have charges, which the charges "
               "of the model would not see: set them to 0",
               all[2]);
  if (charges_are_typical || all[1] == 0.0 || std::isnan(total_charge)) return;
  if (fabs(all[0] - total_charge) > 0.01)
    error->all(FLERR,
               "The charges of the atoms sum to {:.6g} e, but the model predicts charges for a total "
               "of {:.6g} e: write pair_style mliap unified FILE 0 total_charge {:.6g}, or clear "
               "them by set group all charge 0",
               all[0], total_charge, all[0]);
}

/* ----------------------------------------------------------------------
   the accuracy asked for, and what kspace_modify can spoil: the cut-off in
   real space and the mesh
------------------------------------------------------------------------- */

void CoulombSolver::check_accuracy(double sum_of_squares) const
{
  const KSpace *const kspace = force->kspace;
  const double limit = COARSEST * kspace->two_charge_force;
  const double g_ewald = kspace->g_ewald;
  const double q2 = sum_of_squares * force->qqrd2e;
  const double natoms = std::max<double>(atom->natoms, 1);
  const double lengths[3] = {domain->xprd, domain->yprd, domain->zprd * kspace->slab_volfactor};
  const int mesh[3] = {kspace->nx_pppm, kspace->ny_pppm, kspace->nz_pppm};

  if (kspace->accuracy > limit)
    error->all(FLERR,
               "A relative accuracy of {:.1g} of kspace_style {} is too coarse for charges that "
               "follow the atoms: use {:.0e} or smaller",
               kspace->accuracy / kspace->two_charge_force, force->kspace_style, COARSEST);

  const double volume = domain->xprd * domain->yprd * domain->zprd;
  const double truncation =
      2.0 * q2 * exp(-g_ewald * g_ewald * cutoff * cutoff) / sqrt(natoms * cutoff * volume);
  if (truncation > limit)
    error->all(FLERR,
               "The Ewald sum with gewald {:.4g} is cut off at {:.4g}, the cutoff of the model, "
               "with a relative error of {:.1g}: use a larger kspace_modify gewald",
               g_ewald, cutoff, truncation / kspace->two_charge_force);

  if (!kspace->pppmflag) return;    // no mesh, and LAMMPS leaves the numbers of its cells unset
  for (int k = 0; k < 3; k++) {
    const double h = lengths[k] / mesh[k];
    const double error_of_mesh = mesh_error(kspace->order, h, lengths[k], g_ewald, q2, natoms);
    if (error_of_mesh > limit)
      error->all(FLERR,
                 "The mesh of kspace_style {} with a spacing of {:.3g} has a relative error of "
                 "{:.1g}, too coarse for the charges: use a finer kspace_modify mesh",
                 force->kspace_style, h, error_of_mesh / kspace->two_charge_force);
  }
}
