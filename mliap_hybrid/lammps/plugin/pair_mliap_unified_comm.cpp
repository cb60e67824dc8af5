/* ----------------------------------------------------------------------
   Pair style mliap unified, continued: what owned atoms and their ghosts
   on other ranks tell each other
------------------------------------------------------------------------- */

#include "pair_mliap_unified.h"

#include "atom.h"
#include "comm.h"

#include <algorithm>

using namespace LAMMPS_NS;

/* ---------------------------------------------------------------------- */

void PairMLIAPUnified::forward_exchange(double *values)
{
  exchanged = values;
  comm->forward_comm(this);
}

/* ---------------------------------------------------------------------- */

int PairMLIAPUnified::pack_forward_comm(int n, int *list, double *buf, int /*pbc_flag*/,
                                        int * /*pbc*/)
{
  for (int ii = 0; ii < n; ii++) buf[ii] = exchanged[list[ii]];
  return n;
}

/* ---------------------------------------------------------------------- */

void PairMLIAPUnified::unpack_forward_comm(int n, int first, double *buf)
{
  std::copy_n(buf, n, &exchanged[first]);
}

/* ----------------------------------------------------------------------
   newton off for pairs: forces and virials of ghosts are collected here.
   They must not stay, since LAMMPS collects those of ghosts once more where
   newton is on for bonds
------------------------------------------------------------------------- */

void PairMLIAPUnified::send_ghosts_home()
{
  const int size = 3 + (vflag_atom ? 6 : 0) + (cvflag_atom ? 9 : 0);
  comm->reverse_comm(this, size);
  clear_ghosts();
}

/* ---------------------------------------------------------------------- */

void PairMLIAPUnified::clear_ghosts()
{
  for (int i = atom->nlocal; i < atom->nlocal + atom->nghost; i++) {
    std::fill_n(atom->f[i], 3, 0.0);
    if (vflag_atom) std::fill_n(vatom[i], 6, 0.0);
    if (cvflag_atom) std::fill_n(cvatom[i], 9, 0.0);
  }
}

/* ---------------------------------------------------------------------- */

int PairMLIAPUnified::pack_reverse_comm(int n, int first, double *buf)
{
  double *end = buf;
  for (int i = first; i < first + n; i++) {
    end = std::copy_n(atom->f[i], 3, end);
    if (vflag_atom) end = std::copy_n(vatom[i], 6, end);
    if (cvflag_atom) end = std::copy_n(cvatom[i], 9, end);
  }
  return static_cast<int>(end - buf);
}

/* ---------------------------------------------------------------------- */

void PairMLIAPUnified::unpack_reverse_comm(int n, int *list, double *buf)
{
  for (int ii = 0; ii < n; ii++) {
    const int i = list[ii];
    for (int k = 0; k < 3; k++) atom->f[i][k] += *buf++;
    if (vflag_atom)
      for (int k = 0; k < 6; k++) vatom[i][k] += *buf++;
    if (cvflag_atom)
      for (int k = 0; k < 9; k++) cvatom[i][k] += *buf++;
  }
}
