/* -*- c++ -*- ----------------------------------------------------------
   Pair styles in a hybrid that act on charges
------------------------------------------------------------------------- */

#ifndef MLIAP_HYBRID_COULOMB_COMPANIONS_H
#define MLIAP_HYBRID_COULOMB_COMPANIONS_H

#include <string>
#include <vector>

namespace LAMMPS_NS {
class LAMMPS;
class Pair;

struct CoulombCompanion {
  Pair *pair;
  std::string name;
  bool completes_kspace;    // adds what KSpace leaves over of point charges, and nothing else
  double cutoff;            // of that

  bool covers(int itype, int jtype) const;
};

std::vector<CoulombCompanion> coulomb_companions(LAMMPS *);
}    // namespace LAMMPS_NS

#endif
