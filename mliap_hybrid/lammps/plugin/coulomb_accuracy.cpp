#include "coulomb_accuracy.h"

#include "math_constants.h"

#include "atom.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "kspace.h"
#include "lammps.h"

#include <algorithm>
#include <cmath>

using namespace LAMMPS_NS;

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

void LAMMPS_NS::check_coulomb_accuracy(LAMMPS *lmp, double sum_of_squares, double cutoff,
                                       double relative_limit, const std::string &whose)
{
  const Domain *const domain = lmp->domain;
  const Force *const force = lmp->force;
  const KSpace *const kspace = force->kspace;
  Error *const error = lmp->error;
  if (!kspace->ewaldflag && !kspace->pppmflag) return;

  const double limit = relative_limit * kspace->two_charge_force;
  const double g_ewald = kspace->g_ewald;
  const double q2 = sum_of_squares * force->qqrd2e;
  const double natoms = std::max<double>(lmp->atom->natoms, 1);
  const double lengths[3] = {domain->xprd, domain->yprd, domain->zprd * kspace->slab_volfactor};
  const int mesh[3] = {kspace->nx_pppm, kspace->ny_pppm, kspace->nz_pppm};

  const double volume = domain->xprd * domain->yprd * domain->zprd;
  const double truncation =
      2.0 * q2 * exp(-g_ewald * g_ewald * cutoff * cutoff) / sqrt(natoms * cutoff * volume);
  if (truncation > limit)
    error->all(FLERR,
               "The Ewald sum with gewald {:.4g} is cut off at {:.4g}, {}, with a relative error of "
               "{:.1g}: use a larger kspace_modify gewald",
               g_ewald, cutoff, whose, truncation / kspace->two_charge_force);

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
