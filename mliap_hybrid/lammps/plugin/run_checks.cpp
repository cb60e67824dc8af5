#include "run_checks.h"

#include "comm.h"
#include "compute.h"
#include "error.h"
#include "force.h"
#include "modify.h"
#include "neighbor.h"
#include "update.h"

#include <algorithm>
#include <cstring>

using namespace LAMMPS_NS;

/* ---------------------------------------------------------------------- */

RunChecks::RunChecks(LAMMPS *lmp) : Pointers(lmp), hidden(0), special_coul{0.0, 1.0, 1.0, 1.0} {}

/* ---------------------------------------------------------------------- */

void RunChecks::init()
{
  std::copy_n(force->special_coul, 4, special_coul);
}

/* ---------------------------------------------------------------------- */

bool RunChecks::due() const
{
  return update->setupflag || neighbor->ago == 0;
}

/* ---------------------------------------------------------------------- */

void RunChecks::check(const NeighList *list, const std::vector<int> &elements,
                      const mliap_model &model)
{
  element_of_type = elements;
  check_type_pairs(list);
  check_exclusions();
  if (hidden && (model.point_charges || model.predicts_charges)) check_hidden_charges();
  check_bonds(model.point_charges);
  if (model.point_charges) check_point_charges();
  check_heat_flux(model);
}

/* ----------------------------------------------------------------------
   compute stress/atom shares the virial of a pair between its two atoms,
   which gives the heat flux of pair potentials alone.  Which of two
   computes is named by compute heat/flux is not to be seen from here
------------------------------------------------------------------------- */

void RunChecks::check_heat_flux(const mliap_model &model) const
{
  bool flux = false, shared = false, centroid = false;
  for (const auto &compute : modify->get_compute_list()) {
    if (strcmp(compute->style, "heat/flux") == 0) flux = true;
    if (strcmp(compute->style, "stress/atom") == 0) shared = true;
    if (strcmp(compute->style, "centroid/stress/atom") == 0) centroid = true;
  }
  if (!flux || !shared || model.centroid_stress < 0) return;
  if (!model.centroid_stress)
    error->all(FLERR,
               "Compute heat/flux cannot be right for the model of pair style mliap: molecules, "
               "direct forces and charges that follow the atoms have no centroid stress");
  if (!centroid)
    error->all(FLERR,
               "Compute heat/flux with compute stress/atom is not the heat flux of the model of "
               "pair style mliap, which is no pair potential: use compute centroid/stress/atom");
  if (update->setupflag && comm->me == 0)
    error->warning(FLERR,
                   "Compute heat/flux is right with compute centroid/stress/atom, and not with "
                   "compute stress/atom, for the model of pair style mliap");
}
