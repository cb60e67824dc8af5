/* ----------------------------------------------------------------------
   Pair style mliap unified, continued: distances of the atoms to the
   training set.  model/training_distance.py has the equations:

     d_i^2 = u_i^2 + s sum_j w(r_ij) u_j^2,   w(r) = (1 - (r / cutoff)^2)^3

   u_i^2 comes with the energies from the native kernels; Python gives d_i
------------------------------------------------------------------------- */

#include "pair_mliap_unified.h"

#include "pair_mliap_unified_neighbors.h"

#include "comm.h"
#include "update.h"

#include <algorithm>
#include <cmath>

using namespace LAMMPS_NS;

/* ---------------------------------------------------------------------- */

bool PairMLIAPUnified::wants_distances() const
{
  return model.knows_distance && (distance_flag || guard->due(eflag_global));
}

/* ----------------------------------------------------------------------
   where the squares, or from Python the distances, of the centres go
------------------------------------------------------------------------- */

double *PairMLIAPUnified::room_for_distances()
{
  if (!wants_distances()) return nullptr;
  distances_of_centres.resize(std::max(1, centres.nlistatoms));
  return distances_of_centres.data();
}

/* ----------------------------------------------------------------------
   d_i of the centres from u_i^2 of these and of their neighbors
------------------------------------------------------------------------- */

void PairMLIAPUnified::add_neighbors_to_distances()
{
  place_distances();
  forward_exchange(distances.data(), 1);
  for (int ii = 0; ii < centres.nlistatoms; ii++) {
    double sum = 0.0;
    for_neighbors(centres.iatoms[ii], [&](int j, const double *, double remaining) {
      sum += remaining * remaining * remaining * distances[j];
    });
    distances_of_centres[ii] = sqrt(distances_of_centres[ii] + native.neighbor_share * sum);
  }
}

/* ----------------------------------------------------------------------
   from the order of the centres to that of the atoms; 0 for atoms of others
------------------------------------------------------------------------- */

void PairMLIAPUnified::place_distances()
{
  distances.assign(std::max(1, atom->nlocal + atom->nghost), 0.0);
  for (int ii = 0; ii < centres.nlistatoms; ii++)
    distances[centres.iatoms[ii]] = distances_of_centres[ii];
}

/* ----------------------------------------------------------------------
   keep them for who asks, and see to the guard
------------------------------------------------------------------------- */

void PairMLIAPUnified::use_distances()
{
  place_distances();
  step_of_distances = update->ntimestep;
  if (!guard->is_on()) return;
  const bool found = guard->finds(centres, distances_of_centres.data());
  if (comm->me == 0) std::copy_n(guard->totals, 2, run_totals);    // compute pair adds up all ranks
  if (!found) return;
  if (guard->writes_structures()) forward_exchange(distances.data(), 1);
  guard->act(centres, distances, element_names, cutoff);
}
