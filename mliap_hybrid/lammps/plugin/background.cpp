#include "background.h"

#include "math_constants.h"

#include "atom.h"
#include "domain.h"
#include "force.h"
#include "kspace.h"
#include "lammps.h"
#include "pair.h"

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   the energy goes as 1/V, so each diagonal element of the virial equals it
------------------------------------------------------------------------- */

void LAMMPS_NS::add_background_virial(LAMMPS *lmp, Pair *pair)
{
  const Atom *const atom = lmp->atom;
  const Domain *const domain = lmp->domain;
  const KSpace *const kspace = lmp->force->kspace;
  const double *const q = atom->q;
  double mine = 0.0, qsum;
  for (int i = 0; i < atom->nlocal; i++) mine += q[i];
  MPI_Allreduce(&mine, &qsum, 1, MPI_DOUBLE, MPI_SUM, lmp->world);

  const double volume = domain->xprd * domain->yprd * domain->zprd * kspace->slab_volfactor;
  const double factor =
      -0.5 * PI * lmp->force->qqrd2e * qsum / (kspace->g_ewald * kspace->g_ewald * volume);
  for (int k = 0; k < 3; k++) {
    if (pair->vflag_global) pair->virial[k] += factor * mine;
    if (pair->vflag_atom)
      for (int i = 0; i < atom->nlocal; i++) pair->vatom[i][k] += factor * q[i];
  }
}
