#include "neighbor_pairs.h"

#include "listed_atoms.h"

#include "atom.h"
#include "neigh_list.h"

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   walk the list once; pairs come out sorted by centre
------------------------------------------------------------------------- */

void NeighborPairs::fill(const Atom *atom, const NeighList *list, const ListedAtoms &centres,
                         double cutoff)
{
  const double *const *const x = atom->x;
  const tagint *const tag = atom->tag;
  const double cutsq = cutoff * cutoff;

  if (static_cast<int>(numneighs.size()) < centres.natomneigh)
    numneighs.resize(centres.natomneigh + centres.natomneigh / 8);

  int64_t ij = 0;
  for (int ii = 0; ii < centres.natomneigh; ii++) {
    const int i = centres.iatoms[ii];
    const int jnum = list->numneigh[i];
    const int *const jlist = list->firstneigh[i];
    const double xtmp = x[i][0];
    const double ytmp = x[i][1];
    const double ztmp = x[i][2];

    grow_pairs(ij + jnum);
    const int64_t first = ij;
    for (int jj = 0; jj < jnum; jj++) {
      const int j = jlist[jj] & NEIGHMASK;
      const double delx = x[j][0] - xtmp;
      const double dely = x[j][1] - ytmp;
      const double delz = x[j][2] - ztmp;
      if (delx * delx + dely * dely + delz * delz >= cutsq) continue;

      pair_i[ij] = i;
      jatoms[ij] = j;
      jelems[ij] = centres.elems[j];
      jtags[ij] = tag[j];
      rij[3 * ij] = delx;
      rij[3 * ij + 1] = dely;
      rij[3 * ij + 2] = delz;
      ij++;
    }
    numneighs[ii] = static_cast<int>(ij - first);
  }
  npairs = ij;
}

/* ---------------------------------------------------------------------- */

void NeighborPairs::grow_pairs(int64_t n)
{
  if (n <= static_cast<int64_t>(pair_i.size())) return;
  const int64_t nmax = n + n / 8;
  pair_i.resize(nmax);
  jatoms.resize(nmax);
  jelems.resize(nmax);
  jtags.resize(nmax);
  rij.resize(3 * nmax);
}

/* ---------------------------------------------------------------------- */

double NeighborPairs::memory_usage() const
{
  double bytes = static_cast<double>(numneighs.capacity()) * sizeof(int);
  bytes += 4.0 * pair_i.capacity() * sizeof(int);
  bytes += static_cast<double>(rij.capacity()) * sizeof(double);
  return bytes;
}
