/* -*- c++ -*- ----------------------------------------------------------
   The atoms whose neighbors are in the list: those that the model acts on,
   and behind them the ghosts whose neighbors were requested
------------------------------------------------------------------------- */

#ifndef MLIAP_HYBRID_LISTED_ATOMS_H
#define MLIAP_HYBRID_LISTED_ATOMS_H

#include <vector>

namespace LAMMPS_NS {
class Atom;
class NeighList;

class ListedAtoms {
 public:
  int nlistatoms;    // # of owned atoms in the list
  int natomneigh;    // ditto plus ghosts

  // arrays only grow; their size is what is allocated, not what is in use

  std::vector<int> elems;              // per owned and ghost atom, -1 for atoms of others
  std::vector<int> iatoms, ielems;     // per centre: its index and element

  ListedAtoms() : nlistatoms(0), natomneigh(0) {}

  // hidden: group bits of atoms that are left out

  void fill(const Atom *, const NeighList *, const std::vector<int> &element_of_type, int hidden);
  double memory_usage() const;
};
}    // namespace LAMMPS_NS

#endif
