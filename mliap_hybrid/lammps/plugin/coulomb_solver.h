/* -*- c++ -*- ----------------------------------------------------------
   Coulomb energy of charges that follow the atoms, for one pair style.

   The charges become atom->q, KSpace solves with them in the middle of the
   pair style's compute(), and the pairs within the cutoff of the model add
   the rest.  Everything is tallied in the pair style: energies, forces,
   virials and the potentials phi_i = dE/dq_i; KSpace keeps nothing.
   E is quadratic in the charges, so atom i has the energy q_i phi_i / 2
------------------------------------------------------------------------- */

#ifndef MLIAP_HYBRID_COULOMB_SOLVER_H
#define MLIAP_HYBRID_COULOMB_SOLVER_H

#include "pointers.h"

#include "bridge_api.h"
#include "coulomb_kernel.h"
#include "listed_atoms.h"

#include <vector>

namespace LAMMPS_NS {
class NeighList;
class Pair;

class CoulombSolver : protected Pointers {
 public:
  double total_charge;                // NaN if it follows from the atoms
  std::vector<double> potentials;     // [nmax] of the last solution, 0 for atoms of others

  CoulombSolver(LAMMPS *, Pair *, const mliap_model &);
  ~CoulombSolver() override;

  // before a run

  void prepare_kspace(const std::vector<int> &element_of_type);
  void init(double cutoff, const std::vector<int> &element_of_type);

  // at the first step and whenever atoms can have changed

  void check_other_atoms(const std::vector<int> &element_of_type) const;

  // each step: write_charges(), ghosts receive atom->q, then one of the other two

  void write_charges(const ListedAtoms &, const double *charges);
  void solve(const ListedAtoms &, const NeighList *);
  void add(const ListedAtoms &, const double *phi, const double *forces, const double *virial);

 private:
  Pair *pair;
  const bool in_kspace;             // or in Python
  const double smearing;
  std::vector<double> typical;      // [nelements] charges to set KSpace up with
  CoulombKernel kernel;
  double cutoff;
  double q2_of_setup;               // sum of q^2 that KSpace was set up with
  bool charges_are_typical;         // atom->q holds no real charges yet
  bool first_solution;              // since init()
  bigint natoms_of_charges;         // # of atoms when the model wrote atom->q, -1 before that
  std::vector<int> close;           // neighbors of one atom inside the cutoff

  void check_companions() const;
  void check_styles() const;
  void check_fixes() const;
  void check_total_charge() const;
  void check_accuracy(double sum_of_squares) const;
  void check_nobody_runs_kspace() const;
  void set_up_kspace();
  double sum_of_squares() const;
  void run_kspace(const ListedAtoms &);
  void add_real_space(const ListedAtoms &, const NeighList *);
  void tally_energies(const ListedAtoms &);
};
}    // namespace LAMMPS_NS

#endif
