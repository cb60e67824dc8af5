#include "neighbor_pairs.h"

#include "atom.h"
#include "neigh_list.h"

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   walk the list once; pairs come out sorted by centre
------------------------------------------------------------------------- */

void NeighborPairs::fill(const Atom *atom, const NeighList *list,
                         const std::vector<int> &element_of_type, double cutoff, int hidden)
{
  const double *const *const x = atom->x;
  const int *const type = atom->type;
  const tagint *const tag = atom->tag;
  const int *const mask = atom->mask;
  const double cutsq = cutoff * cutoff;

  const int nall = atom->nlocal + atom->nghost;
  if (static_cast<int>(elems.size()) < nall) elems.resize(atom->nmax);
  for (int i = 0; i < nall; i++) elems[i] = element_of_type[type[i]];

  const int ncentres = list->inum + (list->ghost ? list->gnum : 0);
  grow_centres(ncentres);

  nlistatoms = natomneigh = 0;
  int ij = 0;
  for (int ii = 0; ii < ncentres; ii++) {
    const int i = list->ilist[ii];
    if (mask[i] & hidden) continue;
    const int jnum = list->numneigh[i];
    const int *const jlist = list->firstneigh[i];
    const double xtmp = x[i][0];
    const double ytmp = x[i][1];
    const double ztmp = x[i][2];

    grow_pairs(ij + jnum);
    const int first = ij;
    for (int jj = 0; jj < jnum; jj++) {
      const int j = jlist[jj] & NEIGHMASK;
      const double delx = x[j][0] - xtmp;
      const double dely = x[j][1] - ytmp;
      const double delz = x[j][2] - ztmp;
      if (delx * delx + dely * dely + delz * delz >= cutsq) continue;

      pair_i[ij] = i;
      jatoms[ij] = j;
      jelems[ij] = elems[j];
      jtags[ij] = tag[j];
      rij[3 * ij] = delx;
      rij[3 * ij + 1] = dely;
      rij[3 * ij + 2] = delz;
      ij++;
    }
    iatoms[natomneigh] = i;
    ielems[natomneigh] = elems[i];
    numneighs[natomneigh] = ij - first;
    natomneigh++;
    if (ii < list->inum) nlistatoms++;
  }
  npairs = ij;
}

/* ---------------------------------------------------------------------- */

void NeighborPairs::grow_centres(int n)
{
  if (n <= static_cast<int>(iatoms.size())) return;
  const int nmax = n + n / 8;
  iatoms.resize(nmax);
  ielems.resize(nmax);
  numneighs.resize(nmax);
}

/* ---------------------------------------------------------------------- */

void NeighborPairs::grow_pairs(int n)
{
  if (n <= static_cast<int>(pair_i.size())) return;
  const int nmax = n + n / 8;
  pair_i.resize(nmax);
  jatoms.resize(nmax);
  jelems.resize(nmax);
  jtags.resize(nmax);
  rij.resize(3 * static_cast<std::size_t>(nmax));
}

/* ---------------------------------------------------------------------- */

double NeighborPairs::memory_usage() const
{
  double bytes = static_cast<double>(elems.capacity()) * sizeof(int);
  bytes += 3.0 * iatoms.capacity() * sizeof(int);
  bytes += 4.0 * pair_i.capacity() * sizeof(int);
  bytes += static_cast<double>(rij.capacity()) * sizeof(double);
  return bytes;
}
