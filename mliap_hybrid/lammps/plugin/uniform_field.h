/* -*- c++ -*- ----------------------------------------------------------
   A uniform electric field on the charges of the model, uniform_field.py:

     U = -E.sum_i m_i,    F_i = q_i E,    W = sum_i m_i (x) E,    m_i = q_i r_i

   r_i is where atom i would be had it not crossed boundaries; m_i is another
   moment where neighbors give each other charge (pair_mliap_unified_charges)
------------------------------------------------------------------------- */

#ifndef MLIAP_HYBRID_UNIFORM_FIELD_H
#define MLIAP_HYBRID_UNIFORM_FIELD_H

#include "pointers.h"

#include "listed_atoms.h"

#include <vector>

namespace LAMMPS_NS {
class Pair;

class UniformField : protected Pointers {
 public:
  bool given;                     // in the input, zero or not
  bool added;                     // in this step
  double vector[3];               // in units of fix efield
  double moment[3];               // of this rank's charges, sum_i m_i, in the last step
  std::vector<double> places;     // [nlistatoms][3]: r, and a row more

  explicit UniformField(LAMMPS *);

  void clear();
  void read(char **components);    // of the input
  // each step

  void find_places(const ListedAtoms &);
  double along(const double *r) const;    // energy per charge, E.r
  void add(Pair *, const ListedAtoms &, const double *charges, const double *moments);
  void add_to_atoms(Pair *, const ListedAtoms &);    // whose charges atom->q are where they are
};
}    // namespace LAMMPS_NS

#endif
