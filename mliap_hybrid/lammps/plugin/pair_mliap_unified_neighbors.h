/* -*- c++ -*- ----------------------------------------------------------
   The neighbors of one atom inside the cutoff, for equations that the pair
   style does itself
------------------------------------------------------------------------- */

#ifndef LMP_PAIR_MLIAP_UNIFIED_NEIGHBORS_H
#define LMP_PAIR_MLIAP_UNIFIED_NEIGHBORS_H

#include "pair_mliap_unified.h"

#include "../../kernels/native/close_neighbours.h"

#include "atom.h"
#include "neigh_list.h"

namespace LAMMPS_NS {

/* ----------------------------------------------------------------------
   call work(j, rij, 1 - (r / cutoff)^2) for each neighbor of atom i
------------------------------------------------------------------------- */

template <typename Work> void PairMLIAPUnified::for_neighbors(int i, Work work)
{
  const double *const *const x = atom->x;
  const int jnum = list->numneigh[i];
  if (static_cast<int>(close.size()) < jnum + mliap::kSpareNeighbours)
    close.resize(2 * jnum + mliap::kSpareNeighbours);
  const int nclose = static_cast<int>(mliap::close_neighbours(
      x[0], list->firstneigh[i], jnum, NEIGHMASK, x[i], cutoff, close.data()));
  for (int jj = 0; jj < nclose; jj++) {
    const int j = close[jj];
    const double rij[3] = {x[j][0] - x[i][0], x[j][1] - x[i][1], x[j][2] - x[i][2]};
    const double rsq = rij[0] * rij[0] + rij[1] * rij[1] + rij[2] * rij[2];
    work(j, rij, 1.0 - rsq / (cutoff * cutoff));
  }
}
}    // namespace LAMMPS_NS

#endif
