/* -*- c++ -*- ----------------------------------------------------------
   pair_style mliap unified FILE [0|1] [total_charge Q] [trusted yes|no]
                                 [native yes|no] [field EX EY EZ] [guard warn|halt|dump ...]
   pair_coeff * * ELEMENT ...

   The model is a Python object, which is asked at setups and with new
   neighbor lists alone if it knows how it is evaluated by native code.
   If it does not, or with native no, this style hands it flat pair arrays
   in each step and adds what it returns to LAMMPS' energies, forces and
   virials.  If the model predicts charges, it calls back for their Coulomb
   energy
------------------------------------------------------------------------- */

#ifndef LMP_PAIR_MLIAP_UNIFIED_H
#define LMP_PAIR_MLIAP_UNIFIED_H

#include "pair.h"

#include "bridge_api.h"
#include "coulomb_solver.h"
#include "guard.h"
#include "listed_atoms.h"
#include "neighbor_pairs.h"
#include "run_checks.h"
#include "uniform_field.h"

#include <exception>
#include <memory>
#include <string>
#include <vector>

namespace LAMMPS_NS {

class PairMLIAPUnified : public Pair {
 public:
  PairMLIAPUnified(class LAMMPS *);
  ~PairMLIAPUnified() override;

  void settings(int, char **) override;
  void coeff(int, char **) override;
  void init_style() override;
  double init_one(int, int) override;
  void compute(int, int) override;

  int pack_forward_comm(int, int *, double *, int, int *) override;
  void unpack_forward_comm(int, int, double *) override;
  int pack_reverse_comm(int, int, double *) override;
  void unpack_reverse_comm(int, int *, double *) override;
  void *extract(const char *, int &) override;
  void *extract_peratom(const char *, int &) override;
  double memory_usage() override;

 private:
  mliap_bridge *bridge;                     // Python's side
  mliap_model model;                        // what it tells of the open model
  mliap_step step;                          // what it is told each step
  mliap_native native;                      // how to do without it
  bool wants_native;                        // of the input
  double checked_cell[9];                   // box that Python has looked at
  double cutoff;                            // one for all pairs of elements
  std::vector<std::string> element_names;
  std::vector<int> element_of_type;         // [ntypes+1], -1 for NULL
  RunChecks checks;
  ListedAtoms centres;
  NeighborPairs pairs;                       // for Python alone
  std::vector<double> eatoms;
  std::unique_ptr<CoulombSolver> coulomb;    // null if the model predicts no charges
  UniformField field;                        // that acts on the charges
  double *exchanged;                         // [ntotal][row_length]: what communication carries,
  int row_length, column, ncolumns;          // and which columns of it in this message
  std::exception_ptr failure;                // of a function that Python has called

  void allocate();
  void open_model(const char *, bool);
  int element_index(const std::string &) const;
  void describe_step(int, int);
  void describe_pairs();
  void compute_in_python();
  bool has_background() const;
  void tally_energy();
  void send_ghosts_home();
  void clear_ghosts();
  void clear_ghosts(double *, int);
  double *rows_of(double **) const;
  double *exchanged_columns(int) const;
  void v_tally(int, int, const double *, const double *);
  void cv_tally(int, const double *, const double *);
  void update_pair_energy(const double *);
  void update_pair_forces(const double *);
  void solve_coulomb(const double *, double *);
  void add_coulomb(const double *, const double *, const double *, const double *);
  bool tallies_virials() const;
  void forward_exchange(double *, int);
  void reverse_exchange(double *, int);
  template <typename Message> void by_columns(double *, int, Message);

  // without Python

  void prepare_native();
  bool box_to_be_checked() const;
  void compute_natively();
  mliap_local_atoms local_atoms() const;
  void stop_if_failed(int) const;
  void stop_at_bad_distance() const;

  // distances to the training set

  std::unique_ptr<Guard> guard;
  int distance_flag;                           // of fix pair: distances are wanted in this step
  std::vector<double> distances;               // [ntotal], of the step
  bigint step_of_distances;
  std::vector<double> distances_of_centres;    // [nlistatoms], first squares of own ones
  double run_totals[5];    // for compute pair: largest and mean with a guard, then the moment with a field

  int spread_flag;                             // of fix pair, in the same way
  std::vector<double> spreads;                 // [nlocal] of the forces of a committee's members
  bigint step_of_spreads;
  std::vector<double> member_forces;           // [ntotal][nmembers][3]

  double *room_for_member_forces();
  void find_spreads(double);
  bool wants_distances() const;
  double *room_for_distances();
  void add_neighbors_to_distances();
  void place_distances();
  void use_distances();

  // charges that follow the atoms, without Python

  std::vector<double> of_centres;      // [nlistatoms] charges, then dE/dc
  std::vector<double> bound_slopes;    // [nlistatoms] of the bound on what the networks say
  std::vector<double> changes;         // [ntotal] c: the bounded change of each charge
  std::vector<int> close;              // neighbors of one atom inside the cutoff

  const double *slopes_of_charges(const mliap_local_atoms &);
  void charges_by_shift();
  void charges_by_increments();
  void add_field_of_increments();
  template <typename Work> void for_neighbors(int, Work);

  void offer_functions();
  template <typename Work> static int guarded(mliap_step *, Work);
};
}    // namespace LAMMPS_NS

#endif
