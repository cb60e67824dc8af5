/* ----------------------------------------------------------------------
   Checks of the run, continued: is the Coulomb energy that LAMMPS adds that
   of the model's fixed charges?  KSpace has it of all atoms, and one pair
   style must add its real-space part, of every pair of types once and in
   full.  The charges themselves are compared in Python
------------------------------------------------------------------------- */

#include "run_checks.h"

#include "coulomb_accuracy.h"
#include "coulomb_companions.h"

#include "atom.h"
#include "error.h"
#include "force.h"
#include "kspace.h"
#include "pair.h"
#include "utils.h"

#include <algorithm>

using namespace LAMMPS_NS;

static const double COARSEST = 1.0e-3;    // relative force accuracy that nobody would ask for
static const double ALLOWANCE = 10.0;     // of the accuracy that was asked for

/* ---------------------------------------------------------------------- */

void RunChecks::check_point_charges() const
{
  if (!force->kspace || !atom->q_flag) return;    // Python says what is missing
  check_kspace_settings();
  check_coverage();
}

/* ---------------------------------------------------------------------- */

void RunChecks::check_kspace_settings() const
{
  KSpace *const kspace = force->kspace;
  if (!kspace->compute_flag)
    error->all(FLERR,
               "kspace_modify compute no leaves out most of the Coulomb energy of the model of pair "
               "style mliap: remove it");
  if (force->dielectric != 1.0)
    error->all(FLERR,
               "The charges of the model of pair style mliap interact with dielectric 1.0, not {:g}",
               force->dielectric);
  const auto *const scale = static_cast<double *>(kspace->extract("scale"));
  if (scale && *scale != 1.0)
    error->all(FLERR,
               "A fix scales KSpace by {:g}, but the charges of the model of pair style mliap "
               "interact in full",
               *scale);
  if (utils::strmatch(force->pair_style, "^hybrid/scaled"))
    error->all(FLERR,
               "pair_style hybrid/scaled does not scale KSpace, which the model of pair style mliap "
               "needs: use pair_style hybrid/overlay");
  for (const char *word : {"dielectric", "tip4p"})
    if (utils::strmatch(force->kspace_style, word))
      error->all(FLERR,
                 "kspace_style {} does not solve for the point charges of the model of pair style "
                 "mliap: use pppm or ewald",
                 force->kspace_style);
}

/* ---------------------------------------------------------------------- */

void RunChecks::check_coverage() const
{
  const int ntypes = atom->ntypes;
  const std::vector<int> charged = charged_types();
  const auto concerns = [&](int i, int j) {
    return charged[i] && charged[j] && (is_of_model(i) || is_of_model(j));
  };
  std::vector<int> ncovers((ntypes + 1) * (ntypes + 1), 0);

  for (const auto &companion : coulomb_companions(lmp)) {
    int dim = 0;
    const auto *const *const scale =
        static_cast<double **>(companion.pair->extract("scale", dim));
    bool used = false;
    for (int i = 1; i <= ntypes; i++)
      for (int j = i; j <= ntypes; j++) {
        if (!concerns(i, j) || !companion.covers(i, j)) continue;
        used = true;
        ncovers[i * (ntypes + 1) + j]++;
        if (companion.completes_kspace && scale && dim == 2 && scale[i][j] != 1.0)
          error->all(FLERR,
                     "A fix scales pair style {} by {:g} for types {} and {}, but the charges of the "
                     "model of pair style mliap interact in full",
                     companion.name, scale[i][j], i, j);
      }
    if (!used) continue;
    if (!companion.completes_kspace)
      error->all(FLERR,
                 "Pair style {} adds another Coulomb interaction of the charges of the model of pair "
                 "style mliap, which are complete with coul/long and KSpace: leave it out",
                 companion.name);
    if (!companion.pair->compute_flag)
      error->all(FLERR,
                 "pair_modify compute no leaves out the part of the Coulomb energy of the model of "
                 "pair style mliap that is in pair style {}: remove it",
                 companion.name);
    double mine = 0.0, all;
    for (int i = 0; i < atom->nlocal; i++) mine += atom->q[i] * atom->q[i];
    MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, MPI_SUM, world);
    const double asked = force->kspace->accuracy / force->kspace->two_charge_force;
    check_coulomb_accuracy(lmp, all, companion.cutoff, std::max(COARSEST, ALLOWANCE * asked),
                           "the cutoff of pair style " + companion.name);
  }

  for (int i = 1; i <= ntypes; i++)
    for (int j = i; j <= ntypes; j++) {
      if (!concerns(i, j)) continue;
      const int n = ncovers[i * (ntypes + 1) + j];
      if (n > 1)
        error->all(FLERR,
                   "{} pair styles add the Coulomb interaction of types {} and {}, of which the model "
                   "of pair style mliap needs one: leave the others out",
                   n, i, j);
      if (n == 0)
        error->all(FLERR,
                   "No pair style adds the Coulomb interaction of types {} and {} that KSpace leaves "
                   "over and the model of pair style mliap needs: use pair_style hybrid/overlay mliap "
                   "unified FILE 0 coul/long 9.0 and pair_coeff * * coul/long",
                   i, j);
    }
}

/* ----------------------------------------------------------------------
   [ntypes+1], 1 if an atom of the type has a charge
------------------------------------------------------------------------- */

std::vector<int> RunChecks::charged_types() const
{
  std::vector<int> mine(atom->ntypes + 1, 0), all(atom->ntypes + 1, 0);
  for (int i = 0; i < atom->nlocal; i++)
    if (atom->q[i] != 0.0) mine[atom->type[i]] = 1;
  MPI_Allreduce(mine.data(), all.data(), atom->ntypes + 1, MPI_INT, MPI_MAX, world);
  return all;
}
