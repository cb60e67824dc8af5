/* Plain C interface of the native kernels: Gaussian-multipole features, the atomic network, and its training.
 *
 * Lengths in Å, energies in eV. Pairs are sorted by centre: those of centre i are offsets[i] ... offsets[i + 1] - 1, and
 * vectors[p] = r_j - r_i. Arrays marked `real` are float or double as the handle was made for; pair vectors and pair
 * gradients are always double. Functions that return int return 0, or an error code that mliap_kernels_error explains.
 */
#ifndef MLIAP_HYBRID_KERNELS_API_H
#define MLIAP_HYBRID_KERNELS_API_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when a struct or a function changes, together with KERNELS_VERSION of ../library.py. */
#define MLIAP_KERNELS_VERSION 7

/* The version that the library was compiled with, to compare before any struct is handed over. */
int32_t mliap_kernels_version(void);

/* Bytes of each struct below, in the order of this file, and then of potential_api.h; 0 past the last one. */
int32_t mliap_kernels_struct_size(int32_t place);

/* What the features are. All arrays are copied. Features come in the order: products, then triples. With `moments`, they
 * are the moments themselves: order after order, component after component, for each of them (n_probes), or
 * (n_elements, n_probes) with by_element, where neighbours of each element add to moments of their own. */
typedef struct {
  int32_t single_precision; /* 1: float, 0: double */
  int32_t moments;
  int32_t by_element; /* with moments alone */
  int32_t n_elements;
  int32_t n_orders;
  const int32_t *orders; /* (n_orders): different orders n from 0 to 6, ascending */
  int32_t n_probes;      /* probes of each order */
  double cutoff;
  int32_t n_intervals;
  const double *table; /* (n_elements, n_intervals + 1, 2, n_orders, n_probes): g at the knots, and spacing dg/dr */
  const double *own;   /* (n_elements, n_probes): what the centre itself adds to its moments of order 0 */
  int32_t n_products;
  const int32_t *products; /* (n_products, 3): place of the order in `orders`, probes a and b; b = -1: linear, order 0 */
  const double *product_scales; /* (n_products) */
  int32_t n_couplings;
  const int32_t *coupling_orders; /* (n_couplings, 3): places in `orders` */
  const int32_t *coupling_terms;  /* (n_couplings): number of terms */
  const int32_t *term_components; /* (sum of terms, 3): components 0 ... 2n of the three moments */
  const double *term_values;      /* (sum of terms) */
  int32_t n_triples;
  const int32_t *triples; /* (n_triples, 4): coupling, probes a, b, c; ascending in the coupling */
  const double *triple_scales; /* (n_triples) */
} mliap_features_settings;

/* Fully connected SiLU network plus a linear term for each element; it reads features - shift. With a body order, the
 * features are moments of the orders 0 to 3, and it reads the invariants that a learned contraction makes of
 * them (see mliap_contraction below). All networks of a handle are of one kind. */
typedef struct {
  int32_t body_order;     /* 3 to 5; 0: without a contraction */
  int32_t n_channels;
  const double *mixing;   /* (n_elements, 4, n_channels, features of a component) */
  const double *own;      /* (n_elements, n_channels) */
  int32_t n_layers;      /* linear maps, the last one to one output */
  const int32_t *sizes;  /* (n_layers + 1): features or invariants, hidden ..., 1 */
  const double *weights; /* of one layer after the other, (outputs, inputs) each */
  const double *biases;  /* of one layer after the other */
  const double *shift;   /* (sizes[0]) */
  const double *linear;  /* (n_elements, sizes[0]) */
  const double *offset;  /* (n_elements), eV */
  const double *distance_map;   /* (n_elements, m, m) with the m outputs of the last hidden layer, or NULL */
  const double *distance_shift; /* (n_elements, m): map times these outputs plus shift has the own distance as its length */
} mliap_network_settings;

/* Centres and their neighbours. */
typedef struct {
  int64_t n_centres;
  const int64_t *offsets;         /* (n_centres + 1) */
  const double *vectors;          /* (n_pairs, 3) */
  const int32_t *centre_rows;     /* (n_centres): element row */
  const int32_t *neighbour_rows;  /* (n_pairs): element row */
} mliap_environments;

typedef struct mliap_features mliap_features;

/* Best instruction set of this processor ("baseline", "avx2", "avx512"); "" past the last of those it has. */
const char *mliap_kernels_instruction_set(int32_t place);
const char *mliap_kernels_error(int error);

/* Floating-point operations done in `rounds` rounds of multiply-adds in registers, for the processor's peak; 0 where it
 * lacks the instruction set. */
int64_t mliap_kernels_fma_rounds(const char *instruction_set, int32_t single_precision, int64_t rounds);

/* NULL where memory is short or the settings are out of range; networks (n_networks) may be none. */
mliap_features *mliap_features_create(const mliap_features_settings *settings, const mliap_network_settings *networks,
                                      int32_t n_networks, const char *instruction_set);
void mliap_features_destroy(mliap_features *features);

/* Numbers of features and of moments of a centre. */
int32_t mliap_features_size(const mliap_features *features);
int32_t mliap_features_moments(const mliap_features *features);

/* features: real (n_centres, n_features); moments: real (n_centres, n_moments) or NULL, for the vjp. */
int mliap_features_forward(const mliap_features *features, const mliap_environments *environments, int32_t n_threads,
                           void *values, void *moments);

/* dE/dr_p from dE/dF, real (n_centres, n_features); moments as forward left them, or NULL. */
int mliap_features_vjp(const mliap_features *features, const mliap_environments *environments, int32_t n_threads,
                       const void *feature_gradient, const void *moments, double *pair_gradients);

/* Change of the features, real (n_centres, n_features), when the pair vectors change by displacements (n_pairs, 3). */
int mliap_features_jvp(const mliap_features *features, const mliap_environments *environments, int32_t n_threads,
                       const double *displacements, void *changes);

/* Change of the vjp when the pair vectors change: sum_q d2(dE/dF . F)/dr_p dr_q displacements_q. */
int mliap_features_hvp(const mliap_features *features, const mliap_environments *environments, int32_t n_threads,
                       const void *feature_gradient, const double *displacements, double *changes);

/* Energies of each network, (n_networks, n_centres), and the gradient of each by the pair vectors,
 * (n_networks, n_pairs, 3). */
int mliap_features_each_energy(const mliap_features *features, const mliap_environments *environments,
                               int32_t n_threads, double *energies, double *pair_gradients);

/* The same energies, and the gradient (n_pairs, 3) of their mean over the networks. */
int mliap_features_mean_energy(const mliap_features *features, const mliap_environments *environments,
                               int32_t n_threads, double *energies, double *pair_gradients);

/* Fill the arrays of `mliap_environments` from the centre of each pair and from atomic numbers. rows[number] is the
 * element row of an atomic number, -1 for one that is not known. Returns 0; 1 if the pairs are not sorted by centre; 2 if
 * an atom is of an unknown element. */
int mliap_sort_pairs(int64_t n_centres, int64_t n_pairs, const int64_t *pair_i, const int64_t *centre_numbers,
                     const int64_t *neighbour_numbers, const int32_t *rows, int64_t n_rows, int64_t *offsets,
                     int32_t *centre_rows, int32_t *neighbour_rows);

/* A network whose weights change from call to call, and atoms that it is asked about. `real` is double, or float where
 * single_precision is 1. */
typedef struct {
  int32_t single_precision;
  int32_t n_layers;           /* linear maps, the last one to one output; SiLU between them */
  const int32_t *sizes;       /* (n_layers + 1): features, hidden ..., 1 */
  const void *const *weights; /* real (outputs, inputs) of each layer */
  const void *const *biases;  /* real (outputs) of each layer */
  int32_t n_elements;
  const void *linear;         /* real (n_elements, sizes[0]): linear term of each element */
  const void *offset;         /* real (n_elements) */
  int64_t n_atoms;
  const void *features;       /* real (n_atoms, sizes[0]) */
  const int64_t *rows;        /* (n_atoms): element row */
} mliap_network;

/* Energies, real (n_atoms), and their slopes by the features, real (n_atoms, sizes[0]). state: real (n_atoms, twice the
 * sum of the hidden sizes), for the gradient; NULL if there will be none. */
int mliap_network_slopes(const char *instruction_set, const mliap_network *network, int32_t n_threads, void *energies,
                         void *slopes, void *state);

/* Gradient of a loss by all weights, from its derivatives by energies and slopes, shaped like these: weights and biases of
 * one layer after the other, linear, offset. feature_gradient: the same by the features, shaped like them, or NULL. */
int mliap_network_gradient(const char *instruction_set, const mliap_network *network, int32_t n_threads,
                           const void *state, const void *energy_gradient, const void *slope_gradient, void *gradient,
                           void *feature_gradient);

/* A learned contraction whose weights change from call to call, and atoms that it is asked about. `real` is double, or
 * float where single_precision is 1. There are 16 moments of each input, n^2 + n + m of the orders n = 0 ... 3, and 4, 8 or
 * 17 invariants of each channel at the body orders 3, 4 and 5. */
typedef struct {
  int32_t single_precision;
  int32_t body_order;
  int32_t n_channels, n_inputs, n_elements;
  const void *weights;   /* real (n_elements, 4, n_channels, n_inputs) */
  const void *own;       /* real (n_elements, n_channels) */
  int64_t n_atoms;
  const void *moments;   /* real (n_atoms, 16, n_inputs) */
  const int64_t *rows;   /* (n_atoms): element row of each centre */
} mliap_contraction;

/* Invariants, real (n_atoms, n_invariants, n_channels). */
int mliap_contract_values(const char *instruction_set, const mliap_contraction *contraction, int32_t n_threads,
                          void *invariants);

/* Gradient by the weights and then by own of a loss with the derivatives by_invariants, shaped like them. */
int mliap_contract_values_back(const char *instruction_set, const mliap_contraction *contraction, int32_t n_threads,
                               const void *by_invariants, void *gradient);

/* Derivatives by the moments, shaped like these, of what has the derivatives by_invariants. */
int mliap_contract_slopes(const char *instruction_set, const mliap_contraction *contraction, int32_t n_threads,
                          const void *by_invariants, void *slopes);

/* Of a loss with the derivatives by_slopes, shaped like the slopes: the gradient by by_invariants, shaped like it, and
 * that by the weights and then by own. */
int mliap_contract_slopes_back(const char *instruction_set, const mliap_contraction *contraction, int32_t n_threads,
                               const void *by_invariants, const void *by_slopes, void *by_by_invariants,
                               void *gradient);

/* Pairs of frames laid end to end. */
typedef struct {
  int64_t n_atoms, n_pairs, n_frames;
  const int64_t *pair_i, *pair_j;  /* (n_pairs) */
  const int64_t *frame_of_atom;    /* (n_atoms) */
  const double *vectors;           /* (n_pairs, 3) */
} mliap_pairs;

/* Forces, real (n_atoms, 3), and virials, real (n_frames, 3, 3), from dE/dr_p, real (n_pairs, 3). */
void mliap_pair_sums(int32_t single_precision, const mliap_pairs *pairs, const void *gradients, void *forces,
                     void *virials);

/* Derivatives of a loss by dE/dr_p from those by forces and virials. */
void mliap_pair_sums_back(int32_t single_precision, const mliap_pairs *pairs, const void *by_forces,
                          const void *by_virials, void *by_gradients);

#ifdef __cplusplus
}
#endif

#endif
