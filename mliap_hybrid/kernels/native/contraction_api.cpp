// The C interface of learned contractions whose weights change from call to call.
#include "kernels_api.h"
#include "processor.h"

using mliap::ContractionTask;

namespace {

constexpr int64_t kBlock = 8, kLeastBlocks = 4;  // fewer atoms are done before a thread has started

// What is asked, in the arrays of the caller.
struct Arrays {
  const void *by_invariants = nullptr, *by_slopes = nullptr;
  void *invariants = nullptr, *slopes = nullptr, *gradient = nullptr;
};

template <class T>
ContractionTask<T> task_of(const mliap_contraction *contraction, const Arrays &arrays)
{
  ContractionTask<T> task{};
  task.contraction.body_order = contraction->body_order;
  task.contraction.n_channels = contraction->n_channels;
  task.contraction.n_inputs = contraction->n_inputs;
  task.contraction.n_elements = contraction->n_elements;
  task.contraction.transposed = static_cast<const T *>(contraction->weights);
  task.contraction.own = static_cast<const T *>(contraction->own);
  task.moments = static_cast<const T *>(contraction->moments);
  task.rows = contraction->rows;
  task.by_invariants = static_cast<const T *>(arrays.by_invariants);
  task.by_slopes = static_cast<const T *>(arrays.by_slopes);
  task.invariants = static_cast<T *>(arrays.invariants);
  task.slopes = static_cast<T *>(arrays.slopes);
  task.gradient = static_cast<T *>(arrays.gradient);
  return task;
}

template <class T>
int share(const mliap::Kernels<T> &kernels, void (*work)(const ContractionTask<T> &, char *),
          const mliap_contraction *contraction, int32_t n_threads, const Arrays &arrays)
{
  const ContractionTask<T> task = task_of<T>(contraction, arrays);
  const int64_t n_atoms = contraction->n_atoms, n_elements = contraction->n_elements;
  for (int64_t i = 0; i < n_atoms; i++)
    if (contraction->rows[i] < 0 || contraction->rows[i] >= n_elements) return mliap::kBadRow;
  const int64_t size =
      task.gradient ? n_elements * contraction->n_channels * (4 * int64_t(contraction->n_inputs) + 1) : 0;
  return mliap::sum_over_shares(n_atoms, kBlock, kLeastBlocks, n_threads, task.gradient, size,
                                [&](T *sum, int64_t first, int64_t last) {
                                  ContractionTask<T> part = task;
                                  part.first_atom = first;
                                  part.last_atom = last;
                                  part.gradient = size ? sum : nullptr;
                                  work(part, mliap::scratch_memory(kernels.contraction_scratch_bytes(part)));
                                  return int(mliap::kNone);
                                });
}

// Do one of the kernels in the precision of the contraction.
template <class Choose>
int run(const char *instruction_set, const mliap_contraction *contraction, int32_t n_threads, const Arrays &arrays,
        Choose choose)
{
  const mliap::InstructionSet *set = mliap::instruction_set_of(instruction_set);
  if (!set) return mliap::kNoInstructionSet;
  const auto in = [&](const auto &kernels) {
    return share(kernels, choose(kernels), contraction, n_threads, arrays);
  };
  return contraction->single_precision ? in(set->single_precision) : in(set->double_precision);
}

}  // namespace

MLIAP_EXPORT int mliap_contract_values(const char *instruction_set, const mliap_contraction *contraction,
                                       int32_t n_threads, void *invariants)
{
  Arrays arrays;
  arrays.invariants = invariants;
  return run(instruction_set, contraction, n_threads, arrays, [](const auto &kernels) { return kernels.contract_values; });
}

MLIAP_EXPORT int mliap_contract_values_back(const char *instruction_set, const mliap_contraction *contraction,
                                            int32_t n_threads, const void *by_invariants, void *gradient)
{
  Arrays arrays;
  arrays.by_invariants = by_invariants;
  arrays.gradient = gradient;
  return run(instruction_set, contraction, n_threads, arrays,
             [](const auto &kernels) { return kernels.contract_values_back; });
}

MLIAP_EXPORT int mliap_contract_slopes(const char *instruction_set, const mliap_contraction *contraction,
                                       int32_t n_threads, const void *by_invariants, void *slopes)
{
  Arrays arrays;
  arrays.by_invariants = by_invariants;
  arrays.slopes = slopes;
  return run(instruction_set, contraction, n_threads, arrays, [](const auto &kernels) { return kernels.contract_slopes; });
}

MLIAP_EXPORT int mliap_contract_slopes_back(const char *instruction_set, const mliap_contraction *contraction,
                                            int32_t n_threads, const void *by_invariants, const void *by_slopes,
                                            void *by_by_invariants, void *gradient)
{
  Arrays arrays;
  arrays.by_invariants = by_invariants;
  arrays.by_slopes = by_slopes;
  arrays.invariants = by_by_invariants;
  arrays.gradient = gradient;
  return run(instruction_set, contraction, n_threads, arrays,
             [](const auto &kernels) { return kernels.contract_slopes_back; });
}
