// Energies of blocks of centres by networks on invariants or on learned contractions, and their pair gradients.
#pragma once

#include "blocks.h"
#include "training_distance.h"

namespace MLIAP_SIMD {

// One gradient for each network, or that of their weighted sum.
enum class Gradient { each, of_sum };

// Energies of the centres of a block by network k, from its inputs in scratch.features; dE/d(input) -> scratch.slopes. The
// first network tells the distances, too.
template <class T, bool GRADIENT = true>
void energy_of_block(const FeaturePlan<T> &plan, const Networks<T> &networks, int k, const Task &task, int64_t block,
                     int n, const int32_t *elements, Scratch<T, false> &scratch)
{
  const NetworkPlan<T> &network = networks.plans[k];
  const Vec<T> of_lanes = network_energy<T, GRADIENT>(network, elements, plan.n_elements, scratch.features,
                                                      scratch.network, scratch.slopes);
  double *energies = task.energies + (k - task.first_network) * task.n_centres + block;
  for (int a = 0; a < n; a++) energies[a] = double(of_lanes[a]) + network.offset[elements[a]];
  if (k > 0 || !task.distances || !network.distance) return;
  const Vec<T> *hidden = scratch.network.values[network.n_layers - 2];  // which the way back leaves as it is
  const Vec<T> squares = squared_distance<T>(network.distance, plan.n_elements, elements, hidden);
  for (int a = 0; a < n; a++) task.distances[block + a] = double(squares[a]);
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

// Whether the networks are on learned contractions; all are, or none.
template <class T> bool is_contracted(const Networks<T> &networks)
{
  return networks.plans[0].contraction.body_order > 0;
}

// Table rows of the lanes' centres, -1 for lanes without one.
template <class T>
void elements_of_block(const Task &task, int64_t block, int n, int32_t *elements)
{
  for (int a = 0; a < lanes<T>; a++) elements[a] = a < n ? task.centre_rows[block + a] : -1;
}

// Call work(block, n, elements, scratch) for all blocks of the task, whose moments are in the scratch.
template <class T, class WorkOfBlock>
void for_blocks(const FeaturePlan<T> &plan, const Networks<T> &networks, const Task &task, Pass pass, char *memory,
                WorkOfBlock work)
{
  Arena arena(memory);
  Scratch<T, false> scratch(plan, networks, task.most_places, pass, arena);
  for (int64_t block = task.first_centre; block < task.last_centre; block += lanes<T>) {
    const int n = block_size<T>(task, block);
    int32_t elements[lanes<T>];
    elements_of_block<T>(task, block, n, elements);
    if (is_contracted(networks))
      rows_of_block<T, false>(plan, task, block, n, scratch);
    else
      moments_of_block<T, false>(plan, task, block, n, scratch);
    work(block, n, elements, scratch);
  }
}

// Energies of all networks and their pair gradients.
template <class T, Gradient GRADIENT>
void energy(const FeaturePlan<T> &plan, const Networks<T> &networks, const Task &task, char *memory)
{
  for_blocks(plan, networks, task, Pass::there_and_back, memory,
             [&](int64_t block, int n, const int32_t *elements, Scratch<T, false> &scratch) {
               if (is_contracted(networks))
                 energies_of_contractions<T, GRADIENT>(plan, networks, task, block, n, elements, scratch);
               else
                 energies_of_features<T, GRADIENT>(plan, networks, task, block, n, elements, scratch);
               gradients_of_block<T, false>(plan, task, block, n, GRADIENT == Gradient::each ? networks.n : 1, scratch);
             });
}

// Energies of some of the networks alone.
template <class T>
void network_values(const FeaturePlan<T> &plan, const Networks<T> &networks, const Task &task, char *memory)
{
  for_blocks(plan, networks, task, Pass::once, memory,
             [&](int64_t block, int n, const int32_t *elements, Scratch<T, false> &scratch) {
               if (is_contracted(networks))
                 read_moments(plan, scratch.rows, n, scratch.contracted);
               else
                 invariants<T, false>(plan, scratch.moments, scratch.features);
               for (int k = task.first_network; k < task.last_network; k++) {
                 if (is_contracted(networks))
                   contract_block(plan, networks.plans[k], elements, n, scratch.contracted, scratch.features);
                 energy_of_block<T, false>(plan, networks, k, task, block, n, elements, scratch);
               }
             });
}

}  // namespace MLIAP_SIMD
