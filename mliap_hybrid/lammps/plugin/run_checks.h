/* -*- c++ -*- ----------------------------------------------------------
   Is the run the one that the model was made for?  Asked at each setup and
   whenever the neighbor lists are new, before the model is called: that is
   when atoms, charges, exclusions and other styles can have changed.  All
   answers are collective: every rank stops with the same sentence
------------------------------------------------------------------------- */

#ifndef MLIAP_HYBRID_RUN_CHECKS_H
#define MLIAP_HYBRID_RUN_CHECKS_H

#include "pointers.h"

#include "bridge_api.h"

#include <vector>

namespace LAMMPS_NS {
class NeighList;

class RunChecks : protected Pointers {
 public:
  int hidden;    // group bits of atoms that neigh_modify takes out of all lists

  explicit RunChecks(LAMMPS *);

  void init();         // by init_style(), before hybrid styles change special_bonds for a sub-style
  bool due() const;    // in compute()
  void check(const NeighList *, const std::vector<int> &element_of_type, const mliap_model &);

 private:
  std::vector<int> element_of_type;    // [ntypes+1], -1 for NULL
  double special_coul[4];              // of special_bonds

  bool is_of_model(int type) const { return element_of_type[type] >= 0; }
  void check_heat_flux(const mliap_model &) const;

  // neighbor_checks.cpp: does the list hold all pairs?

  void check_type_pairs(const NeighList *) const;
  void check_exclusions();
  void check_hidden_charges() const;
  void check_bonds(bool point_charges) const;
  void check_bonds_of(int i, int level, bool point_charges, double *found) const;

  // point_charge_checks.cpp: is the Coulomb energy that LAMMPS adds that of the fixed charges?

  void check_point_charges() const;
  void check_kspace_settings() const;
  void check_coverage() const;
  std::vector<int> charged_types() const;
};
}    // namespace LAMMPS_NS

#endif
