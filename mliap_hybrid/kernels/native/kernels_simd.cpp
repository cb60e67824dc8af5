// The kernels of one instruction set; compiled once for each, with MLIAP_SIMD_BYTES bytes to a vector.
//
// Centres go in blocks of as many as a vector has lanes. Of each centre the neighbours lie in the lanes; invariants and
// network take the centres of a block side by side.
#include "contracted_energy.h"
#include "contraction_training.h"
#include "fma_rate.h"
#include "invariants.h"
#include "moments.h"
#include "network.h"
#include "network_training.h"

namespace MLIAP_SIMD {

using mliap::Kernels;
using mliap::Networks;

// Neighbourhoods of a whole block are kept for the way back if they fit a share of the second-level cache.
constexpr int64_t kKeepBytes = 640 * 1024;

// Whether a block is gone through once, or its neighbourhoods are needed again.
enum class Pass { once, there_and_back };

// All scratch memory of a task.
template <class T, bool DUAL>
struct Scratch {
  typedef typename Numbers<T, DUAL>::type N;
  static constexpr int planes = Numbers<T, DUAL>::planes;

  Neighbourhood<T> hoods[lanes<T>];
  bool keeps;        // one neighbourhood for each centre of the block, or one for all
  T *rows;           // (n_gradients, lanes, planes, n_moments_padded): moments of each centre, or their adjoints
  T *feature_rows;   // (lanes, planes, n_features_padded)
  T *gradients;      // (3, padded neighbours)
  N *sums, *moments, *adjoint;  // (n_moments_padded)
  N *features;                  // (n_features_padded)
  Vec<T> *slopes, *sum_of_slopes;  // (n_features_padded): dE/dF of one network, and of all
  NetworkState<T> network;      // of one network after the other
  ContractedBlock<T> contracted;

  Scratch(const FeaturePlan<T> &plan, const Networks<T> &networks, long n_places, Pass pass, Arena &arena)
      : contracted(plan, networks, arena)
  {
    Arena one(nullptr);
    make_neighbourhood<T>(plan, n_places, planes, one);
    keeps = pass == Pass::there_and_back && one.used * lanes<T> <= kKeepBytes;
    for (int a = 0; a < lanes<T>; a++)
      hoods[a] = keeps || a == 0 ? make_neighbourhood<T>(plan, n_places, planes, arena) : hoods[0];
    T *highest_derivative = arena.take<T>(plan.n_radial_padded * n_places);
    for (int a = 0; a < lanes<T>; a++) hoods[a].radial[planes] = highest_derivative;
    rows = arena.take<T>((networks.n > 1 ? networks.n : 1) * lanes<T> * planes * plan.n_moments_padded);
    feature_rows = arena.take<T>(lanes<T> * planes * plan.n_features_padded);
    gradients = arena.take<T>(3 * n_places);
    sums = arena.take<N>(plan.n_moments_padded);
    moments = arena.take<N>(plan.n_moments_padded);
    adjoint = arena.take<N>(plan.n_moments_padded);
    long n_inputs = plan.n_features_padded;  // of the widest network
    for (int k = 0; k < networks.n; k++)
      if (whole<T>(networks.plans[k].n_inputs) > n_inputs) n_inputs = whole<T>(networks.plans[k].n_inputs);
    features = arena.take<N>(n_inputs);
    slopes = arena.take<Vec<T>>(n_inputs);
    sum_of_slopes = arena.take<Vec<T>>(n_inputs);
    network = make_network_state<T>(networks, int(n_inputs), arena);
    // What is never written must be finite.
    if (arena.base)
      for (int q = 0; q < plan.n_moments_padded; q++) sums[q] = Numbers<T, DUAL>::constant(T(0));
  }
};

// What the moments of centre i are made of.
template <class T, bool DUAL>
void visit(const FeaturePlan<T> &plan, const Task &task, int64_t i, Neighbourhood<T> &hood)
{
  if (!place_neighbours<T, DUAL>(plan, task, i, hood)) *task.is_invalid = 1;
  place_harmonics<T, DUAL>(plan.max_order, hood);
  place_radial<T, 0>(plan, hood);
  if constexpr (DUAL) place_radial<T, 1>(plan, hood);
}

// Moments of a block of centres -> scratch.rows.
template <class T, bool DUAL>
void rows_of_block(const FeaturePlan<T> &plan, const Task &task, int64_t block, int n, Scratch<T, DUAL> &scratch)
{
  const long plane = plan.n_moments_padded, row_size = Scratch<T, DUAL>::planes * plane;
  for (int a = 0; a < n; a++) {
    visit<T, DUAL>(plan, task, block + a, scratch.hoods[a]);
    T *row = scratch.rows + a * row_size;
    sum_moments<T, DUAL>(plan, scratch.hoods[a], scratch.sums, row);
    if (plan.orders[0] == 0 && plan.n_slots == 1)
      for (int probe = 0; probe < plan.n_probes; probe++)
        row[probe] += plan.own[task.centre_rows[block + a] * plan.n_probes + probe];
    if (scratch.contracted.slots) scratch.contracted.see_slots(plan, a, scratch.hoods[a]);
  }
}

// Moments of a block of centres -> scratch.moments, centres side by side.
template <class T, bool DUAL>
void moments_of_block(const FeaturePlan<T> &plan, const Task &task, int64_t block, int n, Scratch<T, DUAL> &scratch)
{
  const long plane = plan.n_moments_padded, row_size = Scratch<T, DUAL>::planes * plane;
  rows_of_block<T, DUAL>(plan, task, block, n, scratch);
  for (long k = n * row_size; k < lanes<T> * row_size; k++) scratch.rows[k] = T(0);
  columns_of_rows<T, DUAL>(scratch.rows, row_size, plane, plan.n_moments_padded, scratch.moments);
}

// Rows of an array (n_centres, n_columns) of the caller -> rows of a block, filled up with zeros.
template <class T>
void read_block(const void *array, int64_t block, int n, int n_columns, long row_size, T *rows)
{
  const T *from = static_cast<const T *>(array) + block * n_columns;
  for (long k = 0; k < lanes<T> * row_size; k++) rows[k] = T(0);
  for (int a = 0; a < n; a++) __builtin_memcpy(rows + a * row_size, from + a * n_columns, n_columns * sizeof(T));
}

// The way back, without what the rows were filled up with.
template <class T>
void write_block(const T *rows, long row_size, int64_t block, int n, int n_columns, void *array)
{
  T *to = static_cast<T *>(array) + block * n_columns;
  for (int a = 0; a < n; a++) __builtin_memcpy(to + a * n_columns, rows + a * row_size, n_columns * sizeof(T));
}

// Adjoint moments of a block -> rows of gradient k.
template <class T, bool DUAL>
void place_adjoint(const FeaturePlan<T> &plan, int k, Scratch<T, DUAL> &scratch)
{
  const long plane = plan.n_moments_padded, row_size = Scratch<T, DUAL>::planes * plane;
  T *rows = scratch.rows + k * lanes<T> * row_size;
  rows_of_columns<T, DUAL>(scratch.adjoint, plan.n_moments_padded, rows, row_size, plane);
}

// n_gradients arrays of pair gradients of a block from the rows that place_adjoint left.
template <class T, bool DUAL>
void gradients_of_block(const FeaturePlan<T> &plan, const Task &task, int64_t block, int n, int n_gradients,
                        Scratch<T, DUAL> &scratch)
{
  const long row_size = Scratch<T, DUAL>::planes * plan.n_moments_padded;
  const int64_t n_pairs = task.offsets[task.n_centres];
  for (int a = 0; a < n; a++) {
    Neighbourhood<T> &hood = scratch.hoods[a];
    if (!scratch.keeps) visit<T, DUAL>(plan, task, block + a, hood);
    place_radial<T, DUAL ? 2 : 1>(plan, hood);
    for (int k = 0; k < n_gradients; k++) {
      pair_gradients<T, DUAL>(plan, hood, scratch.rows + (k * lanes<T> + a) * row_size, scratch.gradients);
      double *out = task.pair_gradients + 3 * (k * n_pairs + task.offsets[block + a]);
      const T *gx = scratch.gradients, *gy = gx + hood.size, *gz = gy + hood.size;
      if (plan.n_slots == 1) {
        for (long j = 0; j < hood.n_pairs; j++) {
          out[3 * j] = gx[j];
          out[3 * j + 1] = gy[j];
          out[3 * j + 2] = gz[j];
        }
        continue;
      }
      for (long j = 0; j < hood.size; j++) {
        const long p = hood.pair[j];
        if (p < 0) continue;
        out[3 * p] = gx[j];
        out[3 * p + 1] = gy[j];
        out[3 * p + 2] = gz[j];
      }
    }
  }
}

template <class T>
int block_size(const Task &task, int64_t block)
{
  const int64_t left = task.last_centre - block;
  return left < lanes<T> ? int(left) : lanes<T>;
}

// Features (DUAL false) or their change (DUAL true).
template <class T, bool DUAL>
void forward(const FeaturePlan<T> &plan, const Task &task, char *memory)
{
  Arena arena(memory);
  Scratch<T, DUAL> scratch(plan, {nullptr, 0}, task.most_places, Pass::once, arena);
  const long row_size = Scratch<T, DUAL>::planes * plan.n_features_padded;
  for (int64_t block = task.first_centre; block < task.last_centre; block += lanes<T>) {
    const int n = block_size<T>(task, block);
    moments_of_block<T, DUAL>(plan, task, block, n, scratch);
    if (task.moments_out)
      write_block<T>(scratch.rows, Scratch<T, DUAL>::planes * plan.n_moments_padded, block, n, plan.n_moments,
                     task.moments_out);
    invariants<T, DUAL>(plan, scratch.moments, scratch.features);
    rows_of_columns<T, DUAL>(scratch.features, plan.n_features_padded, scratch.feature_rows, row_size,
                             plan.n_features_padded);
    write_block<T>(scratch.feature_rows + DUAL * plan.n_features_padded, row_size, block, n, plan.n_features, task.values);
  }
}

// Pair gradients (DUAL false) or their change (DUAL true).
template <class T, bool DUAL>
void backward(const FeaturePlan<T> &plan, const Task &task, char *memory)
{
  Arena arena(memory);
  const bool known = !DUAL && task.moments_in;
  const Pass pass = known ? Pass::once : Pass::there_and_back;
  Scratch<T, DUAL> scratch(plan, {nullptr, 0}, task.most_places, pass, arena);
  const long row_size = Scratch<T, DUAL>::planes * plan.n_features_padded;
  for (int64_t block = task.first_centre; block < task.last_centre; block += lanes<T>) {
    const int n = block_size<T>(task, block);
    if (known) {
      read_block<T>(task.moments_in, block, n, plan.n_moments, plan.n_moments_padded, scratch.rows);
      columns_of_rows<T, DUAL>(scratch.rows, plan.n_moments_padded, 0, plan.n_moments_padded, scratch.moments);
    } else {
      moments_of_block<T, DUAL>(plan, task, block, n, scratch);
    }
    // dE/dF does not change with the displacements: the tangents of its rows are zero.
    read_block<T>(task.feature_gradient, block, n, plan.n_features, row_size, scratch.feature_rows);
    columns_of_rows<T, DUAL>(scratch.feature_rows, row_size, plan.n_features_padded, plan.n_features_padded,
                             scratch.features);
    invariants_adjoint<T, DUAL>(plan, scratch.moments, scratch.features, scratch.adjoint);
    place_adjoint<T, DUAL>(plan, 0, scratch);
    gradients_of_block<T, DUAL>(plan, task, block, n, 1, scratch);
  }
}

// One gradient for each network, or that of their weighted sum.
enum class Gradient { each, of_sum };

// Energies of the centres of a block by network k, from its inputs in scratch.features; dE/d(input) -> scratch.slopes.
template <class T, bool GRADIENT = true>
void energy_of_block(const FeaturePlan<T> &plan, const Networks<T> &networks, int k, const Task &task, int64_t block,
                     int n, const int32_t *elements, Scratch<T, false> &scratch)
{
  const NetworkPlan<T> &network = networks.plans[k];
  const Vec<T> of_lanes = network_energy<T, GRADIENT>(network, elements, plan.n_elements, scratch.features,
                                                      scratch.network, scratch.slopes);
  double *energies = task.energies + (k - task.first_network) * task.n_centres + block;
  for (int a = 0; a < n; a++) energies[a] = double(of_lanes[a]) + network.offset[elements[a]];
}

// What the gradient of network k counts in the sum, for each centre of a block.
template <class T>
Vec<T> shares_of_block(const Networks<T> &networks, int k, const Task &task, int64_t block, int n)
{
  Vec<T> shares = splat<T>(T(1) / T(networks.n));
  if (task.weights)
    for (int a = 0; a < n; a++) shares[a] = T(task.weights[k * task.n_centres + block + a]);
  return shares;
}

// Networks on invariant features; the gradients' adjoint moments are left in scratch.rows.
template <class T, Gradient GRADIENT>
void energies_of_features(const FeaturePlan<T> &plan, const Networks<T> &networks, const Task &task, int64_t block,
                          int n, const int32_t *elements, Scratch<T, false> &scratch)
{
  invariants<T, false>(plan, scratch.moments, scratch.features);
  for (int f = 0; f < plan.n_features; f++) scratch.sum_of_slopes[f] = splat<T>(T(0));
  for (int k = 0; k < networks.n; k++) {
    energy_of_block(plan, networks, k, task, block, n, elements, scratch);
    if constexpr (GRADIENT == Gradient::each) {
      invariants_adjoint<T, false>(plan, scratch.moments, scratch.slopes, scratch.adjoint);
      place_adjoint<T, false>(plan, k, scratch);
    } else {
      const Vec<T> shares = shares_of_block(networks, k, task, block, n);
      for (int f = 0; f < plan.n_features; f++)
        scratch.sum_of_slopes[f] = scratch.sum_of_slopes[f] + shares * scratch.slopes[f];
    }
  }
  if constexpr (GRADIENT == Gradient::of_sum) {
    invariants_adjoint<T, false>(plan, scratch.moments, scratch.sum_of_slopes, scratch.adjoint);
    place_adjoint<T, false>(plan, 0, scratch);
  }
}

// The same for networks on learned contractions of the moments.
template <class T, Gradient GRADIENT>
void energies_of_contractions(const FeaturePlan<T> &plan, const Networks<T> &networks, const Task &task, int64_t block,
                              int n, const int32_t *elements, Scratch<T, false> &scratch)
{
  const bool each = GRADIENT == Gradient::each;
  const long size = lanes<T> * long(plan.n_moments_padded);
  read_moments(plan, scratch.rows, n, scratch.contracted);
  for (int k = 0; k < (each ? networks.n : 1); k++) clear_slots(plan, n, scratch.contracted, scratch.rows + k * size);
  for (int k = 0; k < networks.n; k++) {
    const NetworkPlan<T> &network = networks.plans[k];
    contract_block(plan, network, elements, n, scratch.contracted, scratch.features);
    energy_of_block(plan, networks, k, task, block, n, elements, scratch);
    const Vec<T> of_lanes = each ? splat<T>(T(1)) : shares_of_block(networks, k, task, block, n);
    T shares[lanes<T>];
    for (int a = 0; a < lanes<T>; a++) shares[a] = of_lanes[a];
    add_contract_block_back(plan, network, elements, n, shares, scratch.slopes, scratch.contracted,
                            scratch.rows + (each ? k : 0) * size);
  }
}

// Table rows of the lanes' centres, -1 for lanes without one.
template <class T>
void elements_of_block(const Task &task, int64_t block, int n, int32_t *elements)
{
  for (int a = 0; a < lanes<T>; a++) elements[a] = a < n ? task.centre_rows[block + a] : -1;
}

// Energies of all networks and their pair gradients.
template <class T, Gradient GRADIENT>
void energy(const FeaturePlan<T> &plan, const Networks<T> &networks, const Task &task, char *memory)
{
  Arena arena(memory);
  Scratch<T, false> scratch(plan, networks, task.most_places, Pass::there_and_back, arena);
  const bool is_contracted = networks.plans[0].contraction.body_order > 0;
  for (int64_t block = task.first_centre; block < task.last_centre; block += lanes<T>) {
    const int n = block_size<T>(task, block);
    int32_t elements[lanes<T>];
    elements_of_block<T>(task, block, n, elements);
    if (is_contracted) {
      rows_of_block<T, false>(plan, task, block, n, scratch);
      energies_of_contractions<T, GRADIENT>(plan, networks, task, block, n, elements, scratch);
    } else {
      moments_of_block<T, false>(plan, task, block, n, scratch);
      energies_of_features<T, GRADIENT>(plan, networks, task, block, n, elements, scratch);
    }
    gradients_of_block<T, false>(plan, task, block, n, GRADIENT == Gradient::each ? networks.n : 1, scratch);
  }
}

// Energies of some of the networks alone.
template <class T>
void network_values(const FeaturePlan<T> &plan, const Networks<T> &networks, const Task &task, char *memory)
{
  Arena arena(memory);
  Scratch<T, false> scratch(plan, networks, task.most_places, Pass::once, arena);
  const bool is_contracted = networks.plans[0].contraction.body_order > 0;
  for (int64_t block = task.first_centre; block < task.last_centre; block += lanes<T>) {
    const int n = block_size<T>(task, block);
    int32_t elements[lanes<T>];
    elements_of_block<T>(task, block, n, elements);
    if (is_contracted) {
      rows_of_block<T, false>(plan, task, block, n, scratch);
      read_moments(plan, scratch.rows, n, scratch.contracted);
    } else {
      moments_of_block<T, false>(plan, task, block, n, scratch);
      invariants<T, false>(plan, scratch.moments, scratch.features);
    }
    for (int k = task.first_network; k < task.last_network; k++) {
      if (is_contracted)
        contract_block(plan, networks.plans[k], elements, n, scratch.contracted, scratch.features);
      energy_of_block<T, false>(plan, networks, k, task, block, n, elements, scratch);
    }
  }
}

// Enough for any of the tasks.
template <class T>
int64_t scratch_bytes(const FeaturePlan<T> &plan, const Networks<T> &networks, int64_t most_places)
{
  int64_t most = 0;
  const Pass passes[] = {Pass::once, Pass::there_and_back};
  for (const Pass pass : passes) {
    Arena plain(nullptr), dual(nullptr);
    Scratch<T, false>(plan, networks, most_places, pass, plain);
    Scratch<T, true>(plan, {nullptr, 0}, most_places, pass, dual);
    if (plain.used > most) most = plain.used;
    if (dual.used > most) most = dual.used;
  }
  return most;
}

template <class T>
constexpr Kernels<T> kernels{most_places<T>, scratch_bytes<T>, forward<T, false>, backward<T, false>,
                             forward<T, true>, backward<T, true>, energy<T, Gradient::each>,
                             energy<T, Gradient::of_sum>, network_values<T>,
                             network_scratch_bytes<T>,
                             network_slopes<T>, network_gradient<T>,
                             contraction_scratch_bytes<T>, contract_values<T>, contract_values_back<T>,
                             contract_slopes<T>, contract_slopes_back<T>, fma_rounds<T>};

}  // namespace MLIAP_SIMD

#define MLIAP_TABLE_NAME(bytes) MLIAP_JOIN(mliap_instruction_set_, bytes)
extern "C" const mliap::InstructionSet MLIAP_TABLE_NAME(MLIAP_SIMD_BYTES) = {
    MLIAP_INSTRUCTION_SET, MLIAP_SIMD::kernels<float>, MLIAP_SIMD::kernels<double>};
