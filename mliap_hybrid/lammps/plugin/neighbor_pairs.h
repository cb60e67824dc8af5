/* -*- c++ -*- ----------------------------------------------------------
   The full neighbor list as flat arrays of the pairs inside the cutoff
------------------------------------------------------------------------- */

#ifndef MLIAP_HYBRID_NEIGHBOR_PAIRS_H
#define MLIAP_HYBRID_NEIGHBOR_PAIRS_H

#include <vector>

namespace LAMMPS_NS {
class Atom;
class NeighList;

class NeighborPairs {
 public:
  int nlistatoms;    // # of owned atoms in the list
  int natomneigh;    // ditto plus the ghosts whose neighbors were requested
  int npairs;        // # of pairs inside the cutoff

  // arrays only grow; their size is what is allocated, not what is in use

  std::vector<int> elems;                              // per owned and ghost atom
  std::vector<int> iatoms, ielems, numneighs;          // per centre
  std::vector<int> pair_i, jatoms, jelems, jtags;      // per pair
  std::vector<double> rij;                             // ditto, 3 values each

  NeighborPairs() : nlistatoms(0), natomneigh(0), npairs(0) {}

  // hidden: group bits of atoms that are left out

  void fill(const Atom *atom, const NeighList *list, const std::vector<int> &element_of_type,
            double cutoff, int hidden);
  double memory_usage() const;

 private:
  void grow_centres(int);
  void grow_pairs(int);
};
}    // namespace LAMMPS_NS

#endif
