/* ----------------------------------------------------------------------
   Pair style mliap unified, continued: what owned atoms and their ghosts
   on other ranks tell each other
------------------------------------------------------------------------- */

#include "pair_mliap_unified.h"

#include "atom.h"
#include "comm.h"

#include <algorithm>
#include <cstddef>

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   a row of numbers for each atom: as many at a time as a message holds
------------------------------------------------------------------------- */

template <typename Message>
void PairMLIAPUnified::by_columns(double *values, int n, Message message)
{
  exchanged = values;
  row_length = n;
  for (column = 0; column < n; column += ncolumns) {
    ncolumns = std::min(n - column, comm_forward);
    message(ncolumns);
  }
}

/* ----------------------------------------------------------------------
   ghosts get the rows of their owners
------------------------------------------------------------------------- */

void PairMLIAPUnified::forward_exchange(double *values, int n)
{
  by_columns(values, n, [this](int size) { comm->forward_comm(this, size); });
}

/* ----------------------------------------------------------------------
   owners get the sum of their own row and those of all their ghosts
------------------------------------------------------------------------- */

void PairMLIAPUnified::reverse_exchange(double *values, int n)
{
  by_columns(values, n, [this](int size) { comm->reverse_comm(this, size); });
  clear_ghosts(values, n);
}

/* ---------------------------------------------------------------------- */

void PairMLIAPUnified::clear_ghosts(double *values, int n)
{
  std::fill_n(values + static_cast<std::size_t>(atom->nlocal) * n,
              static_cast<std::size_t>(atom->nghost) * n, 0.0);
}

/* ---------------------------------------------------------------------- */

double *PairMLIAPUnified::exchanged_columns(int i) const
{
  return exchanged + static_cast<std::size_t>(i) * row_length + column;
}

/* ---------------------------------------------------------------------- */

int PairMLIAPUnified::pack_forward_comm(int n, int *list, double *buf, int /*pbc_flag*/,
                                        int * /*pbc*/)
{
  for (int ii = 0; ii < n; ii++) buf = std::copy_n(exchanged_columns(list[ii]), ncolumns, buf);
  return n * ncolumns;
}

/* ---------------------------------------------------------------------- */

void PairMLIAPUnified::unpack_forward_comm(int n, int first, double *buf)
{
  for (int i = first; i < first + n; i++, buf += ncolumns)
    std::copy_n(buf, ncolumns, exchanged_columns(i));
}

/* ---------------------------------------------------------------------- */

int PairMLIAPUnified::pack_reverse_comm(int n, int first, double *buf)
{
  for (int i = first; i < first + n; i++) buf = std::copy_n(exchanged_columns(i), ncolumns, buf);
  return n * ncolumns;
}

/* ---------------------------------------------------------------------- */

void PairMLIAPUnified::unpack_reverse_comm(int n, int *list, double *buf)
{
  for (int ii = 0; ii < n; ii++) {
    double *const values = exchanged_columns(list[ii]);
    for (int k = 0; k < ncolumns; k++) values[k] += *buf++;
  }
}

/* ----------------------------------------------------------------------
   newton off for pairs: forces and virials of ghosts are collected here.
   They must not stay, since LAMMPS collects those of ghosts once more where
   newton is on for bonds
------------------------------------------------------------------------- */

void PairMLIAPUnified::send_ghosts_home()
{
  reverse_exchange(rows_of(atom->f), 3);
  if (vflag_atom) reverse_exchange(rows_of(vatom), 6);
  if (cvflag_atom) reverse_exchange(rows_of(cvatom), 9);
}

/* ---------------------------------------------------------------------- */

void PairMLIAPUnified::clear_ghosts()
{
  clear_ghosts(rows_of(atom->f), 3);
  if (vflag_atom) clear_ghosts(rows_of(vatom), 6);
  if (cvflag_atom) clear_ghosts(rows_of(cvatom), 9);
}

/* ---------------------------------------------------------------------- */

double *PairMLIAPUnified::rows_of(double **array) const
{
  return atom->nlocal + atom->nghost ? array[0] : nullptr;
}
