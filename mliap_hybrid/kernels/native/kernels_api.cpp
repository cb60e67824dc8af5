// The C interface: picks the instruction set, hands memory to the kernels and shares centres among threads.
#include "kernels_api.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "make_plan.h"

extern "C" {
extern const mliap::InstructionSet mliap_instruction_set_16;
#if defined(__x86_64__)
extern const mliap::InstructionSet mliap_instruction_set_32;
extern const mliap::InstructionSet mliap_instruction_set_64;
#endif
}

#define MLIAP_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

enum Error { kNone = 0, kNoMemory = 1, kNoThread = 2, kNoNetwork = 3, kBadDistance = 4 };

// Those that this processor has, the best one first.
std::vector<const mliap::InstructionSet *> available()
{
  std::vector<const mliap::InstructionSet *> sets;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    sets.push_back(&mliap_instruction_set_64);
  if (has_avx2) sets.push_back(&mliap_instruction_set_32);
#endif
  sets.push_back(&mliap_instruction_set_16);
  return sets;
}

// Scratch memory of a thread, kept from call to call.
class ScratchMemory {
 public:
  char *at_least(int64_t bytes)
  {
    if (bytes > int64_t(size_)) {
      memory_ = std::make_unique<mliap::AlignedArray<char>>(bytes);
      size_ = bytes;
    }
    return memory_->data();
  }

 private:
  std::unique_ptr<mliap::AlignedArray<char>> memory_;
  int64_t size_ = 0;
};

thread_local ScratchMemory scratch_memory;

}  // namespace

struct mliap_features {
  const mliap::InstructionSet *instructions;
  std::unique_ptr<mliap::OwnedPlan<float>> single_precision;
  std::unique_ptr<mliap::OwnedPlan<double>> double_precision;
};

namespace {

int64_t max_neighbours(const mliap::Task &task)
{
  int64_t most = 0;
  for (int64_t i = task.first_centre; i < task.last_centre; i++)
    most = std::max(most, task.offsets[i + 1] - task.offsets[i]);
  return most;
}

enum class Work { forward, vjp, jvp, hvp, each_energy, mean_energy };

template <class T>
void run(const mliap::OwnedPlan<T> &plan, const mliap::Kernels<T> &kernels, Work work, const mliap::Task &task)
{
  const mliap::Networks<T> networks{plan.networks.data(), int(plan.networks.size())};
  char *memory = scratch_memory.at_least(kernels.scratch_bytes(plan.features, networks, max_neighbours(task)));
  switch (work) {
    case Work::forward: return kernels.forward(plan.features, task, memory);
    case Work::vjp: return kernels.vjp(plan.features, task, memory);
    case Work::jvp: return kernels.jvp(plan.features, task, memory);
    case Work::hvp: return kernels.hvp(plan.features, task, memory);
    case Work::each_energy: return kernels.each_energy(plan.features, networks, task, memory);
    case Work::mean_energy: return kernels.mean_energy(plan.features, networks, task, memory);
  }
}

int run(const mliap_features *features, Work work, mliap::Task task)
{
  int is_invalid = 0;
  task.is_invalid = &is_invalid;
  try {
    if (features->single_precision)
      run<float>(*features->single_precision, features->instructions->single_precision, work, task);
    else
      run<double>(*features->double_precision, features->instructions->double_precision, work, task);
    return is_invalid ? kBadDistance : kNone;
  } catch (const std::bad_alloc &) {
    return kNoMemory;
  }
}

// Threads get as many centres each, in whole blocks; the caller's thread takes the first share.
int share(const mliap_features *features, Work work, const mliap_environments *environments, int32_t n_threads,
          mliap::Task task)
{
  constexpr int64_t block = 16, least_blocks = 4;  // fewer are done before a thread has started
  const int64_t n_blocks = (environments->n_centres + block - 1) / block;
  const int64_t n_shares = std::max<int64_t>(1, std::min<int64_t>(n_threads, n_blocks / least_blocks));
  task.n_centres = environments->n_centres;
  task.offsets = environments->offsets;
  task.vectors = environments->vectors;
  task.centre_rows = environments->centre_rows;
  task.neighbour_rows = environments->neighbour_rows;
  const auto bound = [&](int64_t k) { return std::min(environments->n_centres, block * (n_blocks * k / n_shares)); };
  const auto part = [&](int64_t k) {
    mliap::Task share = task;
    share.first_centre = bound(k);
    share.last_centre = bound(k + 1);
    return share;
  };
  std::vector<int> errors(n_shares, kNone);
  std::vector<std::thread> threads;
  try {
    for (int64_t k = 1; k < n_shares; k++)
      threads.emplace_back([&, k] { errors[k] = run(features, work, part(k)); });
  } catch (const std::system_error &) {
    errors[0] = kNoThread;
  }
  const int first = run(features, work, part(0));
  for (std::thread &thread : threads) thread.join();
  for (const int error : errors)
    if (error != kNone) return error;
  return first;
}

}  // namespace

MLIAP_EXPORT const char *mliap_kernels_instruction_set(int32_t place)
{
  const auto sets = available();
  return place >= 0 && place < int32_t(sets.size()) ? sets[place]->name : "";
}

MLIAP_EXPORT const char *mliap_kernels_error(int error)
{
  switch (error) {
    case kNoMemory: return "there is not enough memory";
    case kNoThread: return "the system refused to start a thread";
    case kBadDistance: return "a distance between two atoms is zero or not a number";
    case kNoNetwork: return "these features were made without a network";
    default: return "";
  }
}

MLIAP_EXPORT int64_t mliap_kernels_fma_rounds(const char *instruction_set, int32_t single_precision, int64_t rounds)
{
  for (const mliap::InstructionSet *set : available()) {
    if (std::strcmp(set->name, instruction_set) != 0) continue;
    float single = 0.0f;
    double twofold = 0.0;
    return single_precision ? set->single_precision.fma_rounds(rounds, &single)
                            : set->double_precision.fma_rounds(rounds, &twofold);
  }
  return 0;
}

MLIAP_EXPORT mliap_features *mliap_features_create(const mliap_features_settings *settings,
                                                   const mliap_network_settings *networks, int32_t n_networks,
                                                   const char *instruction_set)
{
  try {
    auto features = std::make_unique<mliap_features>();
    for (const mliap::InstructionSet *set : available())
      if (std::strcmp(set->name, instruction_set) == 0) features->instructions = set;
    if (!features->instructions) return nullptr;
    if (settings->single_precision)
      features->single_precision = std::make_unique<mliap::OwnedPlan<float>>(*settings, networks, n_networks);
    else
      features->double_precision = std::make_unique<mliap::OwnedPlan<double>>(*settings, networks, n_networks);
    return features.release();
  } catch (const std::exception &) {
    return nullptr;
  }
}

MLIAP_EXPORT void mliap_features_destroy(mliap_features *features) { delete features; }

MLIAP_EXPORT int32_t mliap_features_size(const mliap_features *features)
{
  return features->single_precision ? features->single_precision->features.n_features
                                    : features->double_precision->features.n_features;
}

MLIAP_EXPORT int32_t mliap_features_moments(const mliap_features *features)
{
  return features->single_precision ? features->single_precision->features.n_moments
                                    : features->double_precision->features.n_moments;
}

MLIAP_EXPORT int mliap_features_forward(const mliap_features *features, const mliap_environments *environments,
                                        int32_t n_threads, void *values, void *moments)
{
  mliap::Task task{};
  task.values = values;
  task.moments_out = moments;
  return share(features, Work::forward, environments, n_threads, task);
}

MLIAP_EXPORT int mliap_features_vjp(const mliap_features *features, const mliap_environments *environments,
                                    int32_t n_threads, const void *feature_gradient, const void *moments,
                                    double *pair_gradients)
{
  mliap::Task task{};
  task.feature_gradient = feature_gradient;
  task.moments_in = moments;
  task.pair_gradients = pair_gradients;
  return share(features, Work::vjp, environments, n_threads, task);
}

MLIAP_EXPORT int mliap_features_jvp(const mliap_features *features, const mliap_environments *environments,
                                    int32_t n_threads, const double *displacements, void *changes)
{
  mliap::Task task{};
  task.displacements = displacements;
  task.values = changes;
  return share(features, Work::jvp, environments, n_threads, task);
}

MLIAP_EXPORT int mliap_features_hvp(const mliap_features *features, const mliap_environments *environments,
                                    int32_t n_threads, const void *feature_gradient, const double *displacements,
                                    double *changes)
{
  mliap::Task task{};
  task.feature_gradient = feature_gradient;
  task.displacements = displacements;
  task.pair_gradients = changes;
  return share(features, Work::hvp, environments, n_threads, task);
}

static int energies_of(const mliap_features *features, Work work, const mliap_environments *environments,
                       int32_t n_threads, double *energies, double *pair_gradients)
{
  const size_t n_networks = features->single_precision ? features->single_precision->networks.size()
                                                       : features->double_precision->networks.size();
  if (n_networks == 0) return kNoNetwork;
  mliap::Task task{};
  task.energies = energies;
  task.pair_gradients = pair_gradients;
  return share(features, work, environments, n_threads, task);
}

MLIAP_EXPORT int mliap_features_each_energy(const mliap_features *features, const mliap_environments *environments,
                                            int32_t n_threads, double *energies, double *pair_gradients)
{
  return energies_of(features, Work::each_energy, environments, n_threads, energies, pair_gradients);
}

MLIAP_EXPORT int mliap_features_mean_energy(const mliap_features *features, const mliap_environments *environments,
                                            int32_t n_threads, double *energies, double *pair_gradients)
{
  return energies_of(features, Work::mean_energy, environments, n_threads, energies, pair_gradients);
}
