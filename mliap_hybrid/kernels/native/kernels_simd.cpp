// The kernels of one instruction set; compiled once for each, with MLIAP_SIMD_BYTES bytes to a vector.
//
// Centres go in blocks of as many as a vector has lanes. Of each centre the neighbours lie in the lanes; invariants and
// network take the centres of a block side by side.
#include "block_energies.h"
#include "contraction_training.h"
#include "fma_rate.h"
#include "network_training.h"

namespace MLIAP_SIMD {

using mliap::Kernels;

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
