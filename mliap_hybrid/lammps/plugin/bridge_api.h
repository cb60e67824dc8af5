/* -*- c++ -*- ----------------------------------------------------------
   What the pair style and its Python side tell each other: plain C structs
   of sizes and pointers, mirrored field by field in ../bridge_api.py.
   No header of Python is needed, so one shared object serves every Python.

   Pointers are borrowed: they are valid during the one call that hands
   them over.  Change a struct or a function: raise MLIAP_BRIDGE_VERSION on both sides.
------------------------------------------------------------------------- */

#ifndef MLIAP_HYBRID_BRIDGE_API_H
#define MLIAP_HYBRID_BRIDGE_API_H

#include "../../kernels/native/potential_api.h"
#include "species_api.h"

#include <cstdint>

#define MLIAP_BRIDGE_VERSION 11

extern "C" {

enum {
  MLIAP_OK = 0,
  MLIAP_INPUT_ERROR = 1,    // the user can mend it: the message says how
  MLIAP_EXCEPTION = 2       // anything else: the message is a traceback
};

// a model that Python has opened

struct mliap_model {
  int32_t handle;          // Python's number for it, > 0
  int32_t nelements;       // # of elements the model knows
  int32_t ndescriptors;    // # of descriptors
  int32_t nparams;         // # of parameters
  double rcutfac;          // half the cutoff, in length units of the run
  const char *elements;    // names of the elements, separated by blanks
  int32_t centroid_stress;    // 1: the force of a pair is the derivative of its centre's energy alone;
                              // 0: it is not; -1: not told
  int32_t point_charges;    // 1: LAMMPS' own styles must add the Coulomb energy of fixed charges
  double total_charge;      // of all atoms, for models with charges; NaN if it follows from the atoms

  // charges that follow the atoms

  int32_t predicts_charges;         // 0: none, the fields below mean nothing
  int32_t solves_coulomb;           // 1: in Python, by add_coulomb(); 0: in KSpace, by solve_coulomb()
  double smearing;                  // width of the Gaussian charges, in length units of the run
  const double *typical_charges;    // [nelements] to set KSpace up with, or null

  // distances to the training set

  int32_t knows_distance;
  double outside;    // distance from which on an atom is outside of what the model knows
  int32_t nmembers;    // # of networks whose mean the energy is
};

// how compute() evaluates a model without Python; filled by prepare() and valid until the next
// one, or until the model is closed

struct mliap_native {
  const mliap_potential *potential;    // null: there is no such way, and Python computes
  mliap_potential_charges_function *charges;
  mliap_potential_evaluate_function *evaluate;
  mliap_potential_members_function *members;
  const char *(*error)(int);    // what an error code of both means
  double energy_unit;           // of the run, in eV
  int32_t n_threads;

  // charges that follow the atoms: a start for each element, and a bounded change c

  int32_t increments;               // 0: one shift of all atoms; 1: neighbors give each other charge
  double largest_change;            // |c| < this
  const double *starting_charges;   // [nelements]

  // distances to the training set

  double neighbor_share;    // what a close neighbor's counts
};

// one call of Pair::compute()

struct mliap_step {
  int32_t nlocal;        // # of owned atoms
  int32_t ntotal;        // # of owned and ghost atoms
  int32_t nlistatoms;    // # of owned atoms the model acts on
  int32_t natomneigh;    // nlistatoms, plus ghosts if their pairs are wanted
  int32_t eflag, vflag;
  int32_t newton_pair;
  int32_t check_run;     // 1 at a setup and when the neighbor lists are new: look at the run again
  int64_t npairs;        // # of pairs inside the cutoff

  const int32_t *elems;        // [ntotal] element of each atom, -1 if NULL
  const int32_t *iatoms;       // [natomneigh] local index of each centre
  const int32_t *ielems;       // [natomneigh] element of each centre
  const int32_t *numneighs;    // [natomneigh] # of pairs of each centre
  const int32_t *pair_i;       // [npairs] local index of the centre
  const int32_t *jatoms;       // [npairs] local index of the neighbor
  const int32_t *jelems;       // [npairs] element of the neighbor
  const int32_t *jtags;        // [npairs] atom ID of the neighbor
  const double *rij;           // [npairs][3] x_j - x_i

  const double *x;          // [ntotal][3]
  double *f;                // [ntotal][3] forces, added to
  double *q;                // [ntotal] charges, or null
  const int32_t *tag;       // [ntotal] atom IDs
  const int32_t *type;      // [ntotal] atom types
  const int32_t *molecule;  // [ntotal] molecule IDs, or null

  double *eatoms;    // [nlistatoms] energies, written by the model
  double energy;     // their sum, written by the model
  double *distances;    // [nlistatoms] to the training set, written by the model, or null
  double *member_forces;    // [ntotal][nmembers][3] by each network alone, added to, or null

  double cell[9];          // edge vectors a, b, c as rows
  double box_origin[3];
  int32_t periodic[3];
  int32_t comm;            // the communicator as a Fortran handle
  int32_t ranks_on_machine;    // # of ranks that share memory with this one
  int64_t ntimestep;
  double g_ewald;              // splitting parameter of KSpace, 0 if none
  const char *unit_style;
  const char *kspace_style;    // null if none is defined
  double total_charge;         // of the model, or as the input has it
  double field[3];             // uniform electric field on the charges, 0 if none
  const double *places;        // [nlistatoms][3] x as if atoms crossed no boundaries; null without a field

  // writers for the model; return 0, or -1 if they failed: Python must then
  // return at once, whatever code it returns

  void *pair;
  int (*update_pair_energy)(mliap_step *, const double *eij);
  int (*update_pair_forces)(mliap_step *, const double *fij);

  // for values that other ranks need, and for charges that follow the atoms.
  // All ranks must make the same calls, also those without atoms.
  // Potentials are dE/dq of the Coulomb energy E

  int (*solve_coulomb)(mliap_step *, const double *charges,    // [nlistatoms]
                       double *potentials);                    // [nlistatoms], written
  int (*add_coulomb)(mliap_step *, const double *charges,      // [nlistatoms]
                     const double *potentials,                 // [nlistatoms]
                     const double *forces,                     // [nlistatoms][3]
                     const double *virial);    // [6] xx,yy,zz,xy,xz,yz: this rank's share
  int (*add_field)(mliap_step *, const double *charges,        // [nlistatoms]
                   const double *moments);                     // [nlistatoms][3]
  int (*forward_exchange)(mliap_step *, double *values, int32_t n);    // [ntotal][n], ghosts written
  int (*reverse_exchange)(mliap_step *, double *values, int32_t n);    // [ntotal][n], ghosts added to
                                                                       // their owners and set to 0
  int (*sum_over_ranks)(mliap_step *, double *values, int32_t n);
};

// what is settled once, when Python attaches

struct mliap_bridge {
  int32_t version;        // MLIAP_BRIDGE_VERSION
  int32_t bridge_size;    // sizes of the four structs, as C++ has them
  int32_t model_size;
  int32_t step_size;
  int32_t native_size;

  // filled by Python; those that return int return one of the codes above

  int (*open_model)(const char *filename, int32_t trusted, mliap_model *);    // 1: it may run its code

  // checks the run for a model that can be evaluated without Python.  The step has no pairs

  int (*prepare)(int32_t handle, mliap_step *, mliap_native *);
  int (*compute)(int32_t handle, mliap_step *);
  void (*close_model)(int32_t handle);

  // of fix mliap/species, on the first rank alone

  int (*open_species)(mliap_species *);
  int (*follow_species)(int32_t handle, mliap_moment *);
  int (*write_species)(int32_t handle);
  void (*close_species)(int32_t handle);

  char message[8192];    // written by Python before it returns a failure
};
}

#endif
