/* ----------------------------------------------------------------------
   Pair style mliap unified, continued: a step in Python, and what it is told
------------------------------------------------------------------------- */

#include "pair_mliap_unified.h"

#include "failure.h"

#include "atom.h"
#include "domain.h"
#include "force.h"
#include "kspace.h"
#include "update.h"

#include <algorithm>

using namespace LAMMPS_NS;

/* ---------------------------------------------------------------------- */

void PairMLIAPUnified::compute_in_python()
{
  pairs.fill(atom, list, centres, cutoff);
  describe_pairs();
  if (static_cast<int>(eatoms.size()) < centres.nlistatoms) eatoms.resize(centres.nlistatoms);
  std::fill_n(eatoms.begin(), centres.nlistatoms, 0.0);
  step.eatoms = eatoms.data();
  step.energy = 0.0;
  step.distances = room_for_distances();
  step.member_forces = room_for_member_forces();

  failure = nullptr;
  const int status = bridge->compute(model.handle, &step);
  if (failure) std::rethrow_exception(failure);
  if (status != MLIAP_OK) stop_one(lmp, bridge->message);
  if (field.given && !field.added)
    stop_one(lmp, "The model of pair style mliap does not act on the keyword field: leave it out");
  tally_energy();
  if (step.member_forces) find_spreads(1.0);
}

/* ----------------------------------------------------------------------
   sizes and pointers for Python, pairs apart
------------------------------------------------------------------------- */

void PairMLIAPUnified::describe_step(int eflag, int vflag)
{
  step.nlocal = atom->nlocal;
  step.ntotal = atom->nlocal + atom->nghost;
  step.nlistatoms = centres.nlistatoms;
  step.natomneigh = centres.natomneigh;
  step.npairs = 0;
  step.eflag = eflag;
  step.vflag = vflag;
  step.newton_pair = force->newton_pair;

  step.elems = centres.elems.data();
  step.iatoms = centres.iatoms.data();
  step.ielems = centres.ielems.data();

  step.x = step.ntotal ? atom->x[0] : nullptr;
  step.f = step.ntotal ? atom->f[0] : nullptr;
  step.q = atom->q_flag ? atom->q : nullptr;
  step.tag = atom->tag;
  step.type = atom->type;
  step.molecule = atom->molecule_flag ? atom->molecule : nullptr;

  const double cell[9] = {domain->xprd, 0.0,          0.0,          domain->xy,  domain->yprd,
                          0.0,          domain->xz,   domain->yz,   domain->zprd};
  std::copy_n(cell, 9, step.cell);
  std::copy_n(domain->boxlo, 3, step.box_origin);
  std::copy_n(domain->periodicity, 3, step.periodic);
  step.comm = MPI_Comm_c2f(world);
  step.ntimestep = update->ntimestep;
  step.g_ewald = force->kspace ? force->kspace->g_ewald : 0.0;
  step.unit_style = update->unit_style;
  step.kspace_style = force->kspace ? force->kspace_style : nullptr;
  step.total_charge = coulomb ? coulomb->total_charge : 0.0;
  std::copy_n(field.vector, 3, step.field);
  step.places = field.given ? field.places.data() : nullptr;
}

/* ---------------------------------------------------------------------- */

void PairMLIAPUnified::describe_pairs()
{
  step.npairs = pairs.npairs;
  step.numneighs = pairs.numneighs.data();
  step.pair_i = pairs.pair_i.data();
  step.jatoms = pairs.jatoms.data();
  step.jelems = pairs.jelems.data();
  step.jtags = pairs.jtags.data();
  step.rij = pairs.rij.data();
}

/* ---------------------------------------------------------------------- */

void PairMLIAPUnified::tally_energy()
{
  if (eflag_global) eng_vdwl += step.energy;
  if (eflag_atom)
    for (int ii = 0; ii < centres.nlistatoms; ii++) eatom[centres.iatoms[ii]] += eatoms[ii];
}
