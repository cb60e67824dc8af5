/* ----------------------------------------------------------------------
   Pair style mliap unified, continued: a step without Python.  The native
   kernels walk the neighbor list themselves, block of atoms after block
------------------------------------------------------------------------- */

#include "pair_mliap_unified.h"

#include "failure.h"

#include "atom.h"
#include "domain.h"
#include "neigh_list.h"

#include <algorithm>
#include <cmath>

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   Python looks at the run and tells whether, and how, it can be left out
------------------------------------------------------------------------- */

void PairMLIAPUnified::prepare_native()
{
  std::copy_n(step.cell, 9, checked_cell);
  const int status = bridge->prepare(model.handle, &step, &native);
  if (status != MLIAP_OK) stop_one(lmp, bridge->message);
}

/* ----------------------------------------------------------------------
   a box that changes between two neighbor lists can become so narrow that
   an atom sees two images of one neighbor.  Python knows whether it may
------------------------------------------------------------------------- */

bool PairMLIAPUnified::box_to_be_checked() const
{
  if (!native.potential || std::equal(checked_cell, checked_cell + 9, step.cell)) return false;
  const double *const h = domain->h_inv;    // each row of it is normal to two faces
  const double normals[3] = {h[0] * h[0] + h[5] * h[5] + h[4] * h[4], h[1] * h[1] + h[3] * h[3],
                             h[2] * h[2]};
  for (int k = 0; k < 3; k++)
    if (domain->periodicity[k] && 4.0 * cutoff * cutoff * normals[k] > 1.0) return true;
  return false;
}

/* ----------------------------------------------------------------------
   forces and virials of ghosts are LAMMPS' to collect, as with Python
------------------------------------------------------------------------- */

void PairMLIAPUnified::compute_natively()
{
  const mliap_local_atoms atoms = local_atoms();
  const double *const slopes = coulomb ? slopes_of_charges(atoms) : nullptr;

  mliap_sums sums = mliap_sums();
  sums.unit = native.energy_unit;
  sums.energies = eflag_atom ? eatom : nullptr;
  sums.forces = rows_of(atom->f);
  sums.virial = vflag_global ? virial : nullptr;
  sums.virials = vflag_atom ? rows_of(vatom) : nullptr;
  sums.centroid_virials = cvflag_atom ? rows_of(cvatom) : nullptr;
  sums.distances = room_for_distances();
  stop_if_failed(native.evaluate(native.potential, &atoms, native.n_threads, slopes, &sums));
  if (eflag_global) eng_vdwl += sums.energy;
  if (sums.distances) add_neighbors_to_distances();
  if (field.given && !native.increments) field.add_to_atoms(this, centres);
  if (double *const forces = room_for_member_forces()) {
    stop_if_failed(native.members(native.potential, &atoms, native.n_threads, forces));
    find_spreads(native.energy_unit);
  }
}

/* ---------------------------------------------------------------------- */

mliap_local_atoms PairMLIAPUnified::local_atoms() const
{
  mliap_local_atoms atoms;
  atoms.n_atoms = atom->nlocal + atom->nghost;
  atoms.n_centres = centres.nlistatoms;
  atoms.centres = centres.iatoms.data();
  atoms.n_neighbours = list->numneigh;
  atoms.neighbours = list->firstneigh;
  atoms.neighbour_mask = NEIGHMASK;
  atoms.types = atom->type;
  atoms.element_of_type = element_of_type.data();
  atoms.positions = rows_of(atom->x);
  return atoms;
}

/* ---------------------------------------------------------------------- */

void PairMLIAPUnified::stop_if_failed(int code) const
{
  if (code == 0) return;
  if (code == MLIAP_BAD_DISTANCE) stop_at_bad_distance();
  stop_one(lmp, fmt::format("The native kernels stopped: {}", native.error(code)));
}

/* ----------------------------------------------------------------------
   two atoms at one place, or a position that is not a number
------------------------------------------------------------------------- */

void PairMLIAPUnified::stop_at_bad_distance() const
{
  for (int ii = 0; ii < centres.nlistatoms; ii++) {
    const int i = centres.iatoms[ii];
    for (int jj = 0; jj < list->numneigh[i]; jj++) {
      const int j = list->firstneigh[i][jj] & NEIGHMASK;
      double rsq = 0.0;
      for (int k = 0; k < 3; k++) rsq += (atom->x[j][k] - atom->x[i][k]) * (atom->x[j][k] - atom->x[i][k]);
      if (rsq >= MLIAP_SMALLEST_DISTANCE * MLIAP_SMALLEST_DISTANCE) continue;
      stop_one(lmp,
               fmt::format("atom {} has atom {} as a neighbor at {:.6g} Å from it; expected finite "
                           "positions and a distance of at least {} Å; look for a wrong position or "
                           "a duplicate atom",
                           atom->tag[i], atom->tag[j], sqrt(rsq), MLIAP_SMALLEST_DISTANCE));
    }
  }
}
