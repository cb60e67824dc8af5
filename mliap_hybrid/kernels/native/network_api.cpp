// The C interface of networks whose weights change from call to call: one function each for the way there and back.
#include <cstring>

#include "kernels_api.h"
#include "processor.h"

using mliap::NetworkTask;

namespace {

constexpr int64_t kLeastBlocks = 2;  // fewer atoms are done before a thread has started

template <class T>
NetworkTask<T> task_of(const mliap_network *network)
{
  NetworkTask<T> task{};
  task.n_layers = network->n_layers;
  task.sizes = network->sizes;
  task.weights = reinterpret_cast<const T *const *>(network->weights);
  task.biases = reinterpret_cast<const T *const *>(network->biases);
  task.n_elements = network->n_elements;
  task.linear = static_cast<const T *>(network->linear);
  task.offset = static_cast<const T *>(network->offset);
  task.features = static_cast<const T *>(network->features);
  task.rows = network->rows;
  return task;
}

template <class T>
int slopes(const mliap::Kernels<T> &kernels, const mliap_network *network, int32_t n_threads, void *energies,
           void *slopes, void *state)
{
  for (int64_t i = 0; i < network->n_atoms; i++)
    if (network->rows[i] < 0 || network->rows[i] >= network->n_elements) return mliap::kBadRow;
  NetworkTask<T> task = task_of<T>(network);
  task.energies = static_cast<T *>(energies);
  task.slopes = static_cast<T *>(slopes);
  task.state = static_cast<T *>(state);
  return mliap::share_among_threads(
      network->n_atoms, mliap::kAtomBlock, kLeastBlocks, n_threads, [&](int64_t, int64_t first, int64_t last) {
        NetworkTask<T> part = task;
        part.first_atom = first;
        part.last_atom = last;
        kernels.network_slopes(part, mliap::scratch_memory(kernels.network_scratch_bytes(part)));
        return int(mliap::kNone);
      });
}

int64_t n_parameters(const mliap_network *network)
{
  int64_t n = network->n_elements * (network->sizes[0] + 1);
  for (int l = 0; l < network->n_layers; l++) n += int64_t(network->sizes[l] + 1) * network->sizes[l + 1];
  return n;
}

template <class T>
int gradient(const mliap::Kernels<T> &kernels, const mliap_network *network, int32_t n_threads, const void *state,
             const void *energy_gradient, const void *slope_gradient, void *result, void *feature_gradient)
{
  NetworkTask<T> task = task_of<T>(network);
  task.feature_gradient = static_cast<T *>(feature_gradient);
  task.state = const_cast<T *>(static_cast<const T *>(state));
  task.energy_gradient = static_cast<const T *>(energy_gradient);
  task.slope_gradient = static_cast<const T *>(slope_gradient);
  return mliap::sum_over_shares(network->n_atoms, mliap::kAtomBlock, kLeastBlocks, n_threads, static_cast<T *>(result),
                                n_parameters(network), [&](T *sum, int64_t first, int64_t last) {
                                  NetworkTask<T> part = task;
                                  part.first_atom = first;
                                  part.last_atom = last;
                                  part.gradient = sum;
                                  kernels.network_gradient(
                                      part, mliap::scratch_memory(kernels.network_scratch_bytes(part)));
                                  return int(mliap::kNone);
                                });
}

}  // namespace

MLIAP_EXPORT int mliap_network_slopes(const char *instruction_set, const mliap_network *network, int32_t n_threads,
                                      void *energies, void *slopes_of_energies, void *state)
{
  const mliap::InstructionSet *set = mliap::instruction_set_of(instruction_set);
  if (!set) return mliap::kNoInstructionSet;
  return network->single_precision
             ? slopes(set->single_precision, network, n_threads, energies, slopes_of_energies, state)
             : slopes(set->double_precision, network, n_threads, energies, slopes_of_energies, state);
}

MLIAP_EXPORT int mliap_network_gradient(const char *instruction_set, const mliap_network *network, int32_t n_threads,
                                        const void *state, const void *energy_gradient, const void *slope_gradient,
                                        void *result, void *feature_gradient)
{
  const mliap::InstructionSet *set = mliap::instruction_set_of(instruction_set);
  if (!set) return mliap::kNoInstructionSet;
  const auto run = [&](const auto &kernels) {
    return gradient(kernels, network, n_threads, state, energy_gradient, slope_gradient, result, feature_gradient);
  };
  return network->single_precision ? run(set->single_precision) : run(set->double_precision);
}
