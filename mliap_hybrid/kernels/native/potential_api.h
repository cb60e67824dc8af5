/* Plain C interface of whole models on the arrays of LAMMPS: positions and full neighbour lists in, sums of energies,
 * forces and virials out, without arrays of the size of the pairs.
 *
 * Lengths in Å, energies of settings in eV. Atoms are numbered as LAMMPS does on a rank: its own ones, then ghosts.
 * Functions that return int return 0, or an error code that mliap_kernels_error explains.
 */
#ifndef MLIAP_HYBRID_POTENTIAL_API_H
#define MLIAP_HYBRID_POTENTIAL_API_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mliap_features;

/* Error code of two atoms that are closer than this, or of a distance that is not a number. */
#define MLIAP_BAD_DISTANCE 4
#define MLIAP_SMALLEST_DISTANCE 1e-3 /* Å */

/* Networks on features, and terms of pairs with constants of each pair of elements; a term whose array is NULL is not
 * there. All arrays are copied. */
typedef struct {
  const struct mliap_features *features; /* with networks; must live as long as the potential */
  int32_t n_elements;
  int32_t n_energy_networks; /* the first ones: their mean is the energy of an atom; that of the others, its charge */
  double cutoff;
  const double *baseline;        /* (n_elements): energy without neighbours, eV */
  const double *repulsion;       /* (n_elements, n_elements, 3): k_e Z_i Z_j in eV Å, screening length and reach in Å */
  const double *screening;       /* (4, 2): amplitude and decay of each exponential */
  const double *charge_products; /* (n_elements, n_elements): k_e q_i q_j of fixed smeared charges, eV Å */
  double smearing;
  const double *dispersion;      /* (n_elements, n_elements, 2): C6 in eV Å^6, C8 in eV Å^8 */
  double damping;                /* 1/Å */
  double switch_width;
} mliap_potential_settings;

/* What LAMMPS holds of a rank. */
typedef struct {
  int64_t n_atoms, n_centres;
  const int32_t *centres;           /* (n_centres): atoms that the model acts on */
  const int32_t *n_neighbours;      /* (n_atoms): length of each list */
  int32_t *const *neighbours;       /* (n_atoms): full list of each centre */
  int32_t neighbour_mask;           /* bits of an entry that are the atom */
  const int32_t *types;             /* (n_atoms) */
  const int32_t *element_of_type;   /* row of each type's element; those of all listed atoms must be there */
  const double *positions;          /* (n_atoms, 3) */
} mliap_local_atoms;

/* Sums that are added to, in units of which one has `unit` eV; what is NULL is not asked for. Virials are
 * -r_p (x) dE/dr_p in LAMMPS' order: xx, yy, zz, xy, xz, yz, and then yx, zx, zy, the place before the force. */
typedef struct {
  double unit;
  double energy;
  double *energies;         /* (n_atoms) */
  double *forces;           /* (n_atoms, 3) */
  double *virial;           /* (6) */
  double *virials;          /* (n_atoms, 6): half of a pair's to both its atoms */
  double *centroid_virials; /* (n_atoms, 9): all of a pair's to its neighbour */
  double *distances;        /* (n_centres): squares of own distances to the training set, set; of models that know them */
} mliap_sums;

typedef struct mliap_potential mliap_potential;

/* NULL where memory is short or the settings do not fit the features. */
mliap_potential *mliap_potential_create(const mliap_potential_settings *settings);
void mliap_potential_destroy(mliap_potential *potential);

/* Mean over the charge networks of what they say, (n_centres). */
typedef int mliap_potential_charges_function(const mliap_potential *potential, const mliap_local_atoms *atoms,
                                             int32_t n_threads, double *values);
mliap_potential_charges_function mliap_potential_charges;

/* Add energies and forces of all terms. slopes (n_centres), eV: derivative of a further energy by what the charge
 * networks say of each centre, whose forces are added, too; NULL for models without such networks. */
typedef int mliap_potential_evaluate_function(const mliap_potential *potential, const mliap_local_atoms *atoms,
                                              int32_t n_threads, const double *slopes, mliap_sums *sums);
mliap_potential_evaluate_function mliap_potential_evaluate;

/* Forces by each of the energy networks alone in eV/Å, added to (n_atoms, n_energy_networks, 3): what the members of a
 * committee differ in. Ghosts have their own. */
typedef int mliap_potential_members_function(const mliap_potential *potential, const mliap_local_atoms *atoms,
                                             int32_t n_threads, double *forces);
mliap_potential_members_function mliap_potential_members;

#ifdef __cplusplus
}
#endif

#endif
