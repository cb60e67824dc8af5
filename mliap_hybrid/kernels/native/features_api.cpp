// The C interface of the features: hands memory to the kernels and shares centres among threads.
#include <new>

#include "features_handle.h"
#include "kernels_api.h"
#include "processor.h"

using mliap::Work;

namespace {

template <class T>
void run(const mliap::OwnedPlan<T> &plan, const mliap::Kernels<T> &kernels, Work work, const mliap::Task &asked)
{
  mliap::Task task = asked;
  task.most_places = kernels.most_places(plan.features, task);
  const mliap::Networks<T> networks{plan.networks.data(), int(plan.networks.size())};
  char *memory = mliap::scratch_memory(kernels.scratch_bytes(plan.features, networks, task.most_places));
  switch (work) {
    case Work::forward: return kernels.forward(plan.features, task, memory);
    case Work::vjp: return kernels.vjp(plan.features, task, memory);
    case Work::jvp: return kernels.jvp(plan.features, task, memory);
    case Work::hvp: return kernels.hvp(plan.features, task, memory);
    case Work::each_energy: return kernels.each_energy(plan.features, networks, task, memory);
    case Work::weighted_energy: return kernels.weighted_energy(plan.features, networks, task, memory);
    case Work::network_values: return kernels.network_values(plan.features, networks, task, memory);
  }
}

}  // namespace

int mliap::run_task(const mliap_features *features, Work work, Task task)
{
  int is_invalid = 0;
  task.is_invalid = &is_invalid;
  if (features->single_precision)
    run<float>(*features->single_precision, features->instructions->single_precision, work, task);
  else
    run<double>(*features->double_precision, features->instructions->double_precision, work, task);
  return is_invalid ? kBadDistance : kNone;
}

namespace {

int share(const mliap_features *features, Work work, const mliap_environments *environments, int32_t n_threads,
          mliap::Task task)
{
  constexpr int64_t block = 16, least_blocks = 4;  // fewer are done before a thread has started
  task.n_centres = environments->n_centres;
  task.offsets = environments->offsets;
  task.vectors = environments->vectors;
  task.centre_rows = environments->centre_rows;
  task.neighbour_rows = environments->neighbour_rows;
  return mliap::share_among_threads(environments->n_centres, block, least_blocks, n_threads,
                                    [&](int64_t, int64_t first, int64_t last) {
                                      mliap::Task part = task;
                                      part.first_centre = first;
                                      part.last_centre = last;
                                      return mliap::run_task(features, work, part);
                                    });
}

}  // namespace

MLIAP_EXPORT mliap_features *mliap_features_create(const mliap_features_settings *settings,
                                                   const mliap_network_settings *networks, int32_t n_networks,
                                                   const char *instruction_set)
{
  try {
    auto features = std::make_unique<mliap_features>();
    features->instructions = mliap::instruction_set_of(instruction_set);
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
  if (n_networks == 0) return mliap::kNoNetwork;
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
  return energies_of(features, Work::weighted_energy, environments, n_threads, energies, pair_gradients);
}
