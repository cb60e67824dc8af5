#include "coulomb_solver.h"

#include "background.h"
#include "failure.h"
#include "kspace_handover.h"
#include "math_constants.h"

#include "../../kernels/native/close_neighbours.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "kspace.h"
#include "neigh_list.h"
#include "pair.h"
#include "timer.h"
#include "update.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

using namespace LAMMPS_NS;

// a charge of 0 would hide its potential in KSpace's energies of atoms, which are q phi / 2

static const double TINY_CHARGE = 1.0e-100;

static const double LARGEST_CHARGE = 20.0;    // beyond that a model has lost its way
static const double CHANGE_OF_Q2 = 0.05;      // that KSpace is set up again for
static const double UNKNOWN_CHARGE = 0.5;     // where a model tells no typical charges

/* ---------------------------------------------------------------------- */

CoulombSolver::CoulombSolver(LAMMPS *lmp, Pair *pair, const mliap_model &model) :
    Pointers(lmp), total_charge(model.total_charge), pair(pair), in_kspace(!model.solves_coulomb),
    smearing(model.smearing), typical(model.nelements, UNKNOWN_CHARGE), cutoff(0.0),
    q2_of_setup(0.0), charges_are_typical(false), first_solution(true),
    natoms_of_charges(-1)
{
  if (model.typical_charges) std::copy_n(model.typical_charges, model.nelements, typical.begin());
  if (in_kspace) KSpaceHandover::take(lmp);
}

/* ---------------------------------------------------------------------- */

CoulombSolver::~CoulombSolver()
{
  if (in_kspace) KSpaceHandover::give_back(lmp);
}

/* ----------------------------------------------------------------------
   called when KSpace asks for the cutoff, before it looks at the charges:
   it cannot set its accuracy without any
------------------------------------------------------------------------- */

void CoulombSolver::prepare_kspace(const std::vector<int> &element_of_type)
{
  check_companions();
  if (!in_kspace || !force->kspace || !atom->q_flag) return;

  // total charge and charges are checked here: no warnings from there

  force->kspace->warn_nonneutral = 2;
  force->kspace->warn_nocharge = 0;

  if (sum_of_squares() > 0.0) return;
  charges_are_typical = true;
  for (int i = 0; i < atom->nlocal; i++) {
    const int element = element_of_type[atom->type[i]];
    if (element >= 0) atom->q[i] = typical[element];
  }
}

/* ----------------------------------------------------------------------
   by init_style(), after KSpace was initialised
------------------------------------------------------------------------- */

void CoulombSolver::init(double rcut, const std::vector<int> &element_of_type)
{
  cutoff = rcut;
  first_solution = true;
  check_companions();
  check_styles();
  check_other_atoms(element_of_type);
  check_total_charge();
  if (in_kspace) force->kspace->energy = 0.0;
  q2_of_setup = sum_of_squares();
}

/* ---------------------------------------------------------------------- */

double CoulombSolver::sum_of_squares() const
{
  double mine = 0.0, all;
  for (int i = 0; i < atom->nlocal; i++) mine += atom->q[i] * atom->q[i];
  MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, MPI_SUM, world);
  return all;
}

/* ---------------------------------------------------------------------- */

void CoulombSolver::write_charges(const ListedAtoms &centres, const double *charges)
{
  for (int ii = 0; ii < centres.nlistatoms; ii++) {
    const int i = centres.iatoms[ii];
    if (!(fabs(charges[ii]) <= LARGEST_CHARGE))
      stop_one(lmp,
               fmt::format("The model predicts a charge of {:.6g} e for atom {} at step {}: its "
                           "surroundings are not what the model was trained for",
                           charges[ii], atom->tag[i], update->ntimestep));
    atom->q[i] = (charges[ii] == 0.0) ? TINY_CHARGE : charges[ii];
  }
  charges_are_typical = false;
  natoms_of_charges = atom->natoms;
}

/* ----------------------------------------------------------------------
   atom->q holds the charges of owned and ghost atoms
------------------------------------------------------------------------- */

void CoulombSolver::solve(const ListedAtoms &centres, const NeighList *list)
{
  if (update->setupflag) set_up_kspace();
  kernel.tabulate(force->kspace->g_ewald, smearing, cutoff);
  potentials.assign(atom->nmax, 0.0);

  timer->stamp(Timer::PAIR);
  run_kspace(centres);
  timer->stamp(Timer::KSPACE);
  add_real_space(centres, list);
  tally_energies(centres);
}

/* ----------------------------------------------------------------------
   LAMMPS sets KSpace up after the pair style, and with the charges that
   the atoms had before
------------------------------------------------------------------------- */

void CoulombSolver::set_up_kspace()
{
  if (first_solution) {
    const double q2 = sum_of_squares();
    if (fabs(q2 - q2_of_setup) > CHANGE_OF_Q2 * q2_of_setup) {
      force->kspace->init();
      q2_of_setup = q2;
    }
    check_accuracy(q2);
    first_solution = false;
  }
  force->kspace->setup();
}

/* ----------------------------------------------------------------------
   KSpace adds its forces to atom->f itself
------------------------------------------------------------------------- */

void CoulombSolver::run_kspace(const ListedAtoms &centres)
{
  KSpace *const kspace = force->kspace;
  const double *const q = atom->q;
  const int vflag = (pair->vflag_global ? VIRIAL_PAIR : VIRIAL_NONE) +
      (pair->vflag_atom ? VIRIAL_ATOM : VIRIAL_NONE);

  check_nobody_runs_kspace();
  kspace->qsum_qsq(0);
  kspace->compute(ENERGY_ATOM, vflag);

  const double self = 2.0 * force->qqrd2e / (sqrt(2.0 * PI) * smearing);
  for (int ii = 0; ii < centres.nlistatoms; ii++) {
    const int i = centres.iatoms[ii];
    potentials[i] = 2.0 * kspace->eatom[i] / q[i] + self * q[i];
  }

  // what is told of KSpace on all ranks is summed over ranks here

  if (pair->vflag_global)
    for (int k = 0; k < 6; k++) pair->virial[k] += kspace->virial[k] / comm->nprocs;
  if (pair->vflag_atom)
    for (int i = 0; i < atom->nlocal; i++)
      for (int k = 0; k < 6; k++) pair->vatom[i][k] += kspace->vatom[i][k];
  if (pair->vflag_either) add_background_virial(lmp, pair);
  kspace->energy = 0.0;
  std::fill_n(kspace->virial, 6, 0.0);
}

/* ----------------------------------------------------------------------
   each pair is there twice and gives half to its centre, so nothing has to
   be sent home from ghosts.  E = 1/2 sum_p q_i q_j K(s_p), s = r^2
------------------------------------------------------------------------- */

void CoulombSolver::add_real_space(const ListedAtoms &centres, const NeighList *list)
{
  const double *const *const x = atom->x;
  const double *const q = atom->q;
  const double qqrd2e = force->qqrd2e;
  double virial[6] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0};

  for (int ii = 0; ii < centres.nlistatoms; ii++) {
    const int i = centres.iatoms[ii];
    const int jnum = list->numneigh[i];
    const int *const jlist = list->firstneigh[i];
    double phi = 0.0, ex = 0.0, ey = 0.0, ez = 0.0;
    double v[6] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0};

    if (static_cast<int>(close.size()) < jnum + mliap::kSpareNeighbours)
      close.resize(2 * jnum + mliap::kSpareNeighbours);
    const int nclose = static_cast<int>(
        mliap::close_neighbours(x[0], jlist, jnum, NEIGHMASK, x[i], cutoff, close.data()));
    for (int jj = 0; jj < nclose; jj++) {
      const int j = close[jj];
      const double r[3] = {x[j][0] - x[i][0], x[j][1] - x[i][1], x[j][2] - x[i][2]};
      const double qj = q[j];
      double value, slope;
      kernel.evaluate(r[0] * r[0] + r[1] * r[1] + r[2] * r[2], value, slope);

      phi += qj * value;
      const double field = 2.0 * qj * slope;
      ex += field * r[0];
      ey += field * r[1];
      ez += field * r[2];
      if (pair->vflag_either) {
        v[0] += field * r[0] * r[0];
        v[1] += field * r[1] * r[1];
        v[2] += field * r[2] * r[2];
        v[3] += field * r[0] * r[1];
        v[4] += field * r[0] * r[2];
        v[5] += field * r[1] * r[2];
      }
    }

    potentials[i] += qqrd2e * phi;
    atom->f[i][0] += qqrd2e * q[i] * ex;
    atom->f[i][1] += qqrd2e * q[i] * ey;
    atom->f[i][2] += qqrd2e * q[i] * ez;
    for (int k = 0; k < 6; k++) {
      const double vk = -0.5 * qqrd2e * q[i] * v[k];
      virial[k] += vk;
      if (pair->vflag_atom) pair->vatom[i][k] += vk;
    }
  }
  if (pair->vflag_global)
    for (int k = 0; k < 6; k++) pair->virial[k] += virial[k];
}

/* ---------------------------------------------------------------------- */

void CoulombSolver::tally_energies(const ListedAtoms &centres)
{
  for (int ii = 0; ii < centres.nlistatoms; ii++) {
    const int i = centres.iatoms[ii];
    const double energy = 0.5 * atom->q[i] * potentials[i];
    if (pair->eflag_global) pair->eng_coul += energy;
    if (pair->eflag_atom) pair->eatom[i] += energy;
  }
}

/* ----------------------------------------------------------------------
   what Python has solved
------------------------------------------------------------------------- */

void CoulombSolver::add(const ListedAtoms &centres, const double *phi, const double *forces,
                        const double *virial)
{
  if (pair->vflag_atom)
    error->all(FLERR,
               "A model that solves for the Coulomb energy itself has no stress of atoms: "
               "export it for kspace_style, or leave out computes such as stress/atom");
  potentials.assign(atom->nmax, 0.0);
  for (int ii = 0; ii < centres.nlistatoms; ii++) {
    const int i = centres.iatoms[ii];
    potentials[i] = phi[ii];
    for (int k = 0; k < 3; k++) atom->f[i][k] += forces[3 * static_cast<std::size_t>(ii) + k];
  }
  if (pair->vflag_global)
    for (int k = 0; k < 6; k++) pair->virial[k] += virial[k];
  tally_energies(centres);
}
