/* -*- c++ -*- ----------------------------------------------------------
   The full neighbor list as flat arrays of the pairs inside the cutoff,
   for models that are evaluated in Python
------------------------------------------------------------------------- */

#ifndef MLIAP_HYBRID_NEIGHBOR_PAIRS_H
#define MLIAP_HYBRID_NEIGHBOR_PAIRS_H

#include <cstdint>
#include <vector>

namespace LAMMPS_NS {
class Atom;
class ListedAtoms;
class NeighList;

class NeighborPairs {
 public:
  int64_t npairs;    // # of pairs inside the cutoff

  // arrays only grow; their size is what is allocated, not what is in use

  std::vector<int> numneighs;                          // per centre
  std::vector<int> pair_i, jatoms, jelems, jtags;      // per pair
  std::vector<double> rij;                             // ditto, 3 values each

  NeighborPairs() : npairs(0) {}

  void fill(const Atom *, const NeighList *, const ListedAtoms &, double cutoff);
  double memory_usage() const;

 private:
  void grow_pairs(int64_t);
};
}    // namespace LAMMPS_NS

#endif
