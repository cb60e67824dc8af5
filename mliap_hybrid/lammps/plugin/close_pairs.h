/* -*- c++ -*- ----------------------------------------------------------
   Pairs of atoms of which at least one is owned and that are closer than
   the sum of their radii and a margin, found by cells
------------------------------------------------------------------------- */

#ifndef MLIAP_HYBRID_CLOSE_PAIRS_H
#define MLIAP_HYBRID_CLOSE_PAIRS_H

#include <vector>

namespace LAMMPS_NS {

struct ClosePair {
  int i, j;         // local indices, i owned and i < j
  double beyond;    // distance less the sum of the radii
};

// x: [n][3], the owned atoms first. radius: [n], negative for atoms that have no pairs

std::vector<ClosePair> close_pairs(int nowned, int n, const double *const *x,
                                   const std::vector<double> &radius, double margin);
}    // namespace LAMMPS_NS

#endif
