/* ----------------------------------------------------------------------
   Checks of the run, continued: does the neighbor list hold all pairs of
   the model's atoms?  A model of many bodies has no terms that could be
   left out, so what hides a pair changes the energy of all around it
------------------------------------------------------------------------- */

#include "run_checks.h"

#include "atom.h"
#include "error.h"
#include "force.h"
#include "group.h"
#include "neigh_list.h"
#include "neighbor.h"

#include <algorithm>

using namespace LAMMPS_NS;

static const char *const REMEDY =
    "from the model of pair style mliap, whose energy needs all pairs: leave it out, and hold "
    "atoms in place by fix setforce 0 0 0";

/* ----------------------------------------------------------------------
   in a hybrid, pair_coeff can give a pair of types to another style alone
------------------------------------------------------------------------- */

void RunChecks::check_type_pairs(const NeighList *list) const
{
  if (!list->ijskip) return;
  for (int i = 1; i <= atom->ntypes; i++)
    for (int j = i; j <= atom->ntypes; j++)
      if (is_of_model(i) && is_of_model(j) && list->ijskip[i][j])
        error->all(FLERR,
                   "A pair_coeff takes pairs of types {} and {} from the model of pair style mliap, "
                   "whose energy needs all pairs: use pair_style hybrid/overlay to add a style",
                   i, j);
}

/* ----------------------------------------------------------------------
   an atom that is excluded from group all is in no list: it is left out as
   if it were deleted, which is what fix gcmc and the like mean by it
------------------------------------------------------------------------- */

void RunChecks::check_exclusions()
{
  hidden = 0;
  if (!neighbor->exclude && !neighbor->includegroup) return;

  for (int m = 0; m < neighbor->nex_type; m++)
    if (is_of_model(neighbor->ex1_type[m]) && is_of_model(neighbor->ex2_type[m]))
      error->all(FLERR, "neigh_modify exclude hides pairs of types {} and {} {}",
                 neighbor->ex1_type[m], neighbor->ex2_type[m], REMEDY);

  const int nex_group = neighbor->nex_group, nex_mol = neighbor->nex_mol;
  for (int m = 0; m < nex_group; m++) {
    if (neighbor->ex2_group[m] == 0) hidden |= neighbor->ex1_bit[m];
    else if (neighbor->ex1_group[m] == 0) hidden |= neighbor->ex2_bit[m];
  }

  // # of the model's atoms in the groups of each exclusion, and outside of an included group

  std::vector<int> mine(2 * nex_group + nex_mol + 1, 0), all(mine.size());
  for (int i = 0; i < atom->nlocal; i++) {
    const int mask = atom->mask[i];
    if (!is_of_model(atom->type[i]) || (mask & hidden)) continue;
    for (int m = 0; m < nex_group; m++) {
      if (mask & neighbor->ex1_bit[m]) mine[2 * m]++;
      if (mask & neighbor->ex2_bit[m]) mine[2 * m + 1]++;
    }
    for (int m = 0; m < nex_mol; m++)
      if (mask & neighbor->ex_mol_bit[m]) mine[2 * nex_group + m]++;
    if (neighbor->includegroup && !(mask & group->bitmask[neighbor->includegroup])) mine.back()++;
  }
  MPI_Allreduce(mine.data(), all.data(), static_cast<int>(mine.size()), MPI_INT, MPI_SUM, world);

  for (int m = 0; m < nex_group; m++)
    if (all[2 * m] > 0 && all[2 * m + 1] > 0)
      error->all(FLERR, "neigh_modify exclude hides pairs of groups {} and {} {}",
                 group->names[neighbor->ex1_group[m]], group->names[neighbor->ex2_group[m]], REMEDY);
  for (int m = 0; m < nex_mol; m++)
    if (all[2 * nex_group + m] > 0)
      error->all(FLERR, "neigh_modify exclude molecule hides pairs of group {} {}",
                 group->names[neighbor->ex_mol_group[m]], REMEDY);
  if (all.back() > 0)
    error->all(FLERR, "neigh_modify include {} hides {} atoms {}",
               group->names[neighbor->includegroup], all.back(), REMEDY);
}

/* ----------------------------------------------------------------------
   KSpace knows no exclusions
------------------------------------------------------------------------- */

void RunChecks::check_hidden_charges() const
{
  if (!atom->q_flag) return;
  int mine = 0, all;
  for (int i = 0; i < atom->nlocal; i++)
    if ((atom->mask[i] & hidden) && atom->q[i] != 0.0) mine++;
  MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_SUM, world);
  if (all > 0)
    error->all(FLERR,
               "neigh_modify exclude hides {} charged atoms from the model of pair style mliap, but "
               "not from KSpace: set their charges to 0 while they are hidden",
               all);
}

/* ----------------------------------------------------------------------
   special_bonds leaves bonded pairs out of the list if nothing needs them
   there, and scales the Coulomb interaction of bonded pairs
------------------------------------------------------------------------- */

void RunChecks::check_bonds(bool point_charges) const
{
  if (atom->molecular == Atom::ATOMIC) return;

  double found[2] = {0.0, 0.0}, all[2];    // # of pairs left out, # of pairs scaled
  for (int level = 1; level <= 3; level++)
    for (int i = 0; i < atom->nlocal; i++)
      if (is_of_model(atom->type[i])) check_bonds_of(i, level, point_charges, found);
  MPI_Allreduce(found, all, 2, MPI_DOUBLE, MPI_SUM, world);

  if (all[0] > 0.0)
    error->all(FLERR,
               "Pair style mliap needs bonded atoms in the neighbor list: "
               "use special_bonds lj/coul 1 1 1");
  if (all[1] > 0.0)
    error->all(FLERR,
               "special_bonds multiplies the Coulomb interaction of bonded atoms by {:g} {:g} {:g}, "
               "but the charges of the model of pair style mliap interact in full: use "
               "special_bonds coul 1 1 1",
               special_coul[1], special_coul[2], special_coul[3]);
}

/* ----------------------------------------------------------------------
   1-2, 1-3 or 1-4 neighbors of atom i that are the model's, too
------------------------------------------------------------------------- */

void RunChecks::check_bonds_of(int i, int level, bool point_charges, double *found) const
{
  const bool lost = neighbor->special_flag[level] == 0;
  const bool scaled = point_charges && special_coul[level] != 1.0;
  if (!lost && !scaled) return;

  int count = 0;
  if (atom->molecular == Atom::TEMPLATE)
    count = (atom->molindex[i] >= 0);    // the template is not looked into
  else {
    const int first = (level == 1) ? 0 : atom->nspecial[i][level - 2];
    for (int m = first; m < atom->nspecial[i][level - 1]; m++) {
      const int j = atom->map(atom->special[i][m]);
      if (j >= 0 && is_of_model(atom->type[j])) count++;
    }
  }
  if (lost) found[0] += count;
  if (scaled) found[1] += count;
}
