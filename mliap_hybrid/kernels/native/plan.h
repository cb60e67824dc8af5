// Settings as the kernels want them: in the precision of the run, padded, and laid out in the order of use.
//
// Compiled into every instruction set, so data only: functions over it live with their instruction set.
#pragma once

#include <cstdint>

namespace mliap {

constexpr int kPlanMaxOrder = 6;

// Å; two atoms that are closer sit at one place.
constexpr double kSmallestDistance = 1e-3;

// Sum over m of the products of two moments, or one moment of order 0 (b = -1).
struct Product {
  int32_t a, b;  // first component of the moments
  int32_t n_components;
};

// v M_a M_b M_c, with components counted from the first of each moment.
template <class T>
struct TripleTerm {
  int32_t a, b, c;
  T value;
};

struct Triple {
  int32_t a, b, c;  // first component of the moments
};

// The triples of one coupling of orders, and the terms that each of them sums.
struct Coupling {
  int32_t first_triple, last_triple;
  int32_t first_term, last_term;
};

// Radial functions that lie side by side in the table, and those of the last ones that would not fill half a chunk.
template <class T>
constexpr int kRadialChunk = 64 / int(sizeof(T));
constexpr int kRadialQuad = 4;

template <class T>
struct FeaturePlan {
  int n_elements, n_orders, n_probes, max_order;
  int orders[kPlanMaxOrder + 1];
  // Moments: order after order, probe after probe, component after component; padded to whole vectors.
  int moment_start[kPlanMaxOrder + 1];
  // Where neighbours of each element have moments of their own, one slot of them for each element; else one slot.
  int n_slots, slot_size;
  int n_moments, n_moments_padded;
  const int32_t *moment_of_feature;  // (n_features) where the moments are the features, else null
  int n_radial, n_radial_in_chunks, n_radial_padded;
  double cutoff;
  T spacing, inverse_spacing;
  int n_intervals;
  // (n_elements, n_intervals + 1, 4 n_radial_padded): coefficients of the powers of r - r_knot. An interval has chunks of
  // kRadialChunk functions, then quads, each (4, functions). The last interval, that of pairs beyond the cutoff, is zero.
  const T *table;
  const T *own;  // (n_elements, n_probes), by Y_00 already
  int n_products, n_triples, n_couplings, n_features, n_features_padded;
  const Product *products;
  const T *product_scales;
  const Triple *triples;
  const T *triple_scales;
  const Coupling *couplings;
  const TripleTerm<T> *terms;
};

// One linear map; weights in blocks of kNetworkBlock outputs, inputs within a block, outputs innermost.
constexpr int kNetworkBlock = 8;

template <class T>
struct LayerPlan {
  int n_inputs, n_outputs;  // padded to whole blocks where they are outputs of a map, forward or backward
  const T *weights;         // blocks of outputs
  const T *transposed;      // blocks of inputs: the backward map
  const T *biases;
};

constexpr int kMaxLayers = 16;

// Components of a channel: those of the orders 0 to 3.
constexpr int kChannelComponents = 16;

// Number of invariants of a channel up to a body order.
constexpr int channel_invariants_size(int body) { return body == 3 ? 4 : body == 4 ? 8 : 17; }

// A learned contraction (contraction.h). Rows hold whole vectors; those of a task's weights are not filled up.
template <class T>
struct Contraction {
  int body_order;  // 3 to 5; 0 where there is none
  int n_channels, n_inputs, n_elements;
  int channel_row, input_row;
  const T *mixing;      // (n_elements, orders, n_inputs, channel_row); not given in a task
  const T *transposed;  // (n_elements, orders, n_channels, input_row)
  const T *own;         // (n_elements, channel_row)
};

template <class T>
struct NetworkPlan {
  Contraction<T> contraction;
  int n_inputs;  // invariants of the contraction, or features
  int n_layers;
  LayerPlan<T> layers[kMaxLayers];
  const T *shift;         // (n_inputs)
  const T *linear;        // (n_elements, n_inputs)
  const double *offset;   // (n_elements)
  const LayerPlan<T> *distance;  // (n_elements), without the way back; null where there is none
};

// All networks of a handle; either all have a contraction, or none.
template <class T>
struct Networks {
  const NetworkPlan<T> *plans;
  int n;
};

// A range of centres, and what is asked of it; fields that a task does not use are null.
struct Task {
  int64_t first_centre, last_centre;
  int64_t n_centres;  // of all tasks together
  const int64_t *offsets;
  const double *vectors;
  const double *displacements;
  const int32_t *centre_rows;
  const int32_t *neighbour_rows;
  const void *feature_gradient;
  void *values;
  const void *moments_in;
  void *moments_out;
  int first_network, last_network;  // which networks network_values asks
  const double *weights;   // (n_networks, n_centres): of each network's gradient in weighted_energy; null: 1 / n_networks
  double *energies;        // (n_networks, n_centres), of the networks asked
  double *distances;       // (n_centres): squares of own distances (training_distance.h); null where not asked for
  double *pair_gradients;  // (n_pairs, 3), or one such array for each network
  int64_t most_places;  // as `most_places` below says
  int *is_invalid;      // set to 1 where a distance is zero or not a number
};

// Atoms of a network in training that are in work at a time: their activations and the weights share the second-level
// cache.
constexpr int64_t kAtomBlock = 48;

// A network whose weights change from call to call, as the caller has it, and atoms that it is asked about.
template <class T>
struct NetworkTask {
  int n_layers;  // linear maps, the last one to one output
  const int32_t *sizes;
  const T *const *weights;  // (outputs, inputs) of each layer
  const T *const *biases;   // (outputs) of each layer
  int n_elements;
  const T *linear;  // (n_elements, sizes[0])
  const T *offset;  // (n_elements)
  int64_t first_atom, last_atom;
  const T *features;    // (n_atoms, sizes[0])
  const int64_t *rows;  // (n_atoms)
  // Results of network_slopes; the state is null where no gradient will be asked for.
  T *energies, *slopes, *state;
  // What network_gradient starts from, with the state, and its result.
  const T *energy_gradient, *slope_gradient;
  T *gradient;
  T *feature_gradient;  // (n_atoms, sizes[0]), or null
};

// A contraction whose weights change from call to call, and atoms that it is asked about.
template <class T>
struct ContractionTask {
  Contraction<T> contraction;
  int64_t first_atom, last_atom;
  const T *moments;     // (n_atoms, components, n_inputs)
  const int64_t *rows;  // (n_atoms)
  const T *by_invariants, *by_slopes;
  T *invariants, *slopes, *gradient;
};

// The kernels of one instruction set and precision. `scratch` has at least `scratch_bytes` bytes, aligned to 64.
template <class T>
struct Kernels {
  // Places for the neighbours of any of a task's centres: whole vectors of each slot.
  int64_t (*most_places)(const FeaturePlan<T> &, const Task &);
  int64_t (*scratch_bytes)(const FeaturePlan<T> &, const Networks<T> &, int64_t most_places);
  void (*forward)(const FeaturePlan<T> &, const Task &, char *scratch);
  void (*vjp)(const FeaturePlan<T> &, const Task &, char *scratch);
  void (*jvp)(const FeaturePlan<T> &, const Task &, char *scratch);
  void (*hvp)(const FeaturePlan<T> &, const Task &, char *scratch);
  void (*each_energy)(const FeaturePlan<T> &, const Networks<T> &, const Task &, char *scratch);
  void (*weighted_energy)(const FeaturePlan<T> &, const Networks<T> &, const Task &, char *scratch);
  void (*network_values)(const FeaturePlan<T> &, const Networks<T> &, const Task &, char *scratch);
  int64_t (*network_scratch_bytes)(const NetworkTask<T> &);
  void (*network_slopes)(const NetworkTask<T> &, char *scratch);
  void (*network_gradient)(const NetworkTask<T> &, char *scratch);
  int64_t (*contraction_scratch_bytes)(const ContractionTask<T> &);
  void (*contract_values)(const ContractionTask<T> &, char *scratch);
  void (*contract_values_back)(const ContractionTask<T> &, char *scratch);
  void (*contract_slopes)(const ContractionTask<T> &, char *scratch);
  void (*contract_slopes_back)(const ContractionTask<T> &, char *scratch);
  int64_t (*fma_rounds)(int64_t n, T *result);
};

struct InstructionSet {
  const char *name;
  Kernels<float> single_precision;
  Kernels<double> double_precision;
};

}  // namespace mliap
