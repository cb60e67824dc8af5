/* ----------------------------------------------------------------------
   Coulomb energy of charges that follow the atoms, continued: what a user
   must be told before a run goes wrong
------------------------------------------------------------------------- */

#include "coulomb_solver.h"

#include "coulomb_accuracy.h"
#include "coulomb_companions.h"
#include "kspace_handover.h"

#include "atom.h"
#include "error.h"
#include "fix.h"
#include "force.h"
#include "kspace.h"
#include "modify.h"
#include "utils.h"

#include <cmath>

using namespace LAMMPS_NS;

static const double COARSEST = 1.0e-3;    // relative force accuracy that is accepted

/* ---------------------------------------------------------------------- */

void CoulombSolver::check_companions() const
{
  for (const auto &other : coulomb_companions(lmp))
    error->all(FLERR,
               "The model of pair style mliap brings the whole Coulomb interaction of its charges: "
               "leave out pair style {}, which would count it twice",
               other.name);
}

/* ----------------------------------------------------------------------
   the forces hold how the charges change the energy of KSpace, but not how
   they change what a fix adds
------------------------------------------------------------------------- */

void CoulombSolver::check_fixes() const
{
  static const char *const acting[] = {"^efield", "^electrode", "^polarize", "^qmmm", "^mdi/qmmm"};
  static const char *const setting[] = {"^qeq", "^acks2", "^qtpie"};
  for (const auto &fix : modify->get_fix_list()) {
    const bool is_field = utils::strmatch(fix->style, "^efield");
    for (const char *style : acting)
      if (utils::strmatch(fix->style, style))
        error->all(FLERR,
                   "Fix {} acts on charges that the model of pair style mliap predicts, but its forces "
                   "lack the change of the charges with the atoms, so that the energy would not be "
                   "conserved: remove fix {}{}, or use a model with fixed charges",
                   fix->style, fix->id,
                   is_field ? " and write pair_style mliap unified FILE 0 field EX EY EZ" : "");
    for (const char *style : setting)
      if (utils::strmatch(fix->style, style))
        error->all(FLERR,
                   "Fix {} sets charges, which the model of pair style mliap predicts: remove fix {}",
                   fix->style, fix->id);
  }
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
  if (utils::strmatch(force->pair_style, "^hybrid/scaled"))
    error->all(FLERR,
               "The charges that the model of pair style mliap predicts cannot be scaled: use "
               "pair_style hybrid/overlay in place of hybrid/scaled");
  check_fixes();
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
  const auto *const scale = static_cast<double *>(force->kspace->extract("scale"));
  if (scale && *scale != 1.0)
    error->all(FLERR, "A fix scales KSpace by {:g}, but predicted charges interact in full", *scale);
  if (KSpaceHandover::takers(lmp) > 1)
    error->all(FLERR, "Only one pair style mliap in a hybrid can predict charges");
}

/* ----------------------------------------------------------------------
   also during a run, in which atoms can come and go
------------------------------------------------------------------------- */

void CoulombSolver::check_other_atoms(const std::vector<int> &element_of_type) const
{
  int mine = 0, all;    // # of charged atoms that are not the model's
  for (int i = 0; i < atom->nlocal; i++)
    if (element_of_type[atom->type[i]] < 0 && atom->q[i] != 0.0) mine++;
  MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_SUM, world);
  if (all > 0)
    error->all(FLERR,
               "{} atoms of types that are NULL in pair_coeff have charges, which the charges "
               "of the model would not see: set them to 0",
               all);
}

/* ----------------------------------------------------------------------
   charges that the user has set say of which total the system is.  The
   model's own do not, once atoms have come or gone: each takes its share of
   the total, whichever atoms there are
------------------------------------------------------------------------- */

void CoulombSolver::check_total_charge() const
{
  if (natoms_of_charges >= 0 && natoms_of_charges != atom->natoms) return;
  double sums[2] = {0.0, 0.0}, all[2];    // charge, square
  for (int i = 0; i < atom->nlocal; i++) {
    sums[0] += atom->q[i];
    sums[1] += atom->q[i] * atom->q[i];
  }
  MPI_Allreduce(sums, all, 2, MPI_DOUBLE, MPI_SUM, world);
  if (charges_are_typical || all[1] == 0.0 || std::isnan(total_charge)) return;
  if (fabs(all[0] - total_charge) > 0.01)
    error->all(FLERR,
               "The charges of the atoms sum to {:.6g} e, but the model predicts charges for a total "
               "of {:.6g} e: write pair_style mliap unified FILE 0 total_charge {:.6g}, or clear "
               "them by set group all charge 0",
               all[0], total_charge, all[0]);
}

/* ---------------------------------------------------------------------- */

void CoulombSolver::check_accuracy(double sum_of_squares) const
{
  const KSpace *const kspace = force->kspace;
  if (kspace->accuracy > COARSEST * kspace->two_charge_force)
    error->all(FLERR,
               "A relative accuracy of {:.1g} of kspace_style {} is too coarse for charges that "
               "follow the atoms: use {:.0e} or smaller",
               kspace->accuracy / kspace->two_charge_force, force->kspace_style, COARSEST);
  check_coulomb_accuracy(lmp, sum_of_squares, cutoff, COARSEST, "the cutoff of the model");
}

/* ----------------------------------------------------------------------
   KSpace is run within compute() and keeps no energy
------------------------------------------------------------------------- */

void CoulombSolver::check_nobody_runs_kspace() const
{
  if (force->kspace->energy != 0.0)
    error->all(FLERR,
               "A fix, compute or command of this input runs KSpace by itself (as fix gcmc, widom, "
               "atom/swap and compute fep do), which counts the Coulomb energy of predicted charges "
               "twice: use a model with fixed charges");
}
