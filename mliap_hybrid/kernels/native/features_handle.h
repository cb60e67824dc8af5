// What a handle of the C interface holds, and how a thread does a task with it.
#pragma once

#include <memory>

#include "make_plan.h"
#include "plan.h"

struct mliap_features {
  const mliap::InstructionSet *instructions;
  std::unique_ptr<mliap::OwnedPlan<float>> single_precision;
  std::unique_ptr<mliap::OwnedPlan<double>> double_precision;
};

namespace mliap {

enum class Work { forward, vjp, jvp, hvp, each_energy, weighted_energy, network_values };

// Do a task in this thread; returns an Error.
int run_task(const mliap_features *features, Work work, Task task);

}  // namespace mliap
