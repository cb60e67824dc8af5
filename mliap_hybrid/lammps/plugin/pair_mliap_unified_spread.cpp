/* ----------------------------------------------------------------------
   Pair style mliap unified, continued: how far the members of a committee
   are apart.  model/spread.py has the equation, for the force on atom i:

     sqrt(mean_m |F_im - <F_i>|^2)
------------------------------------------------------------------------- */

#include "pair_mliap_unified.h"

#include "atom.h"
#include "update.h"

#include <algorithm>
#include <cmath>

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   null where nobody asks
------------------------------------------------------------------------- */

double *PairMLIAPUnified::room_for_member_forces()
{
  if (!spread_flag || model.nmembers < 2) return nullptr;
  const std::size_t ntotal = atom->nlocal + atom->nghost;
  member_forces.assign(std::max<std::size_t>(1, 3 * ntotal * model.nmembers), 0.0);
  return member_forces.data();
}

/* ----------------------------------------------------------------------
   of owned atoms, from the forces of all ranks; unit: of the run, in that
   of the forces
------------------------------------------------------------------------- */

void PairMLIAPUnified::find_spreads(double unit)
{
  const int nmembers = model.nmembers, nlocal = atom->nlocal;
  reverse_exchange(member_forces.data(), 3 * nmembers);
  spreads.assign(std::max(1, nlocal), 0.0);
  for (int i = 0; i < nlocal; i++) {
    const double *const forces = &member_forces[static_cast<std::size_t>(i) * 3 * nmembers];
    double sum = 0.0;
    for (int k = 0; k < 3; k++) {
      double mean = 0.0;
      for (int m = 0; m < nmembers; m++) mean += forces[3 * m + k] / nmembers;
      for (int m = 0; m < nmembers; m++)
        sum += (forces[3 * m + k] - mean) * (forces[3 * m + k] - mean);
    }
    spreads[i] = sqrt(sum / nmembers) / unit;
  }
  step_of_spreads = update->ntimestep;
}
