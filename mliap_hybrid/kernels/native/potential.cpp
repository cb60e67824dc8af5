// A whole model on the arrays of LAMMPS: networks and pair terms of one block of atoms after the other.
#include <memory>

#include "damped_dispersion.h"
#include "features_handle.h"
#include "force_sums.h"
#include "processor.h"
#include "screened_repulsion.h"
#include "smeared_charges.h"
#include "turns.h"

using mliap::BlockOfAtoms;

struct mliap_potential {
  const mliap_features *features;
  int n_networks, n_energy_networks;
  double cutoff;
  std::vector<double> baseline;  // (n_elements), eV
  std::vector<std::unique_ptr<mliap::PairTerm>> pair_terms;

  explicit mliap_potential(const mliap_potential_settings &settings)
      : features(settings.features), n_energy_networks(settings.n_energy_networks), cutoff(settings.cutoff),
        baseline(settings.baseline, settings.baseline + settings.n_elements)
  {
    const auto number_of = [](const auto &plan) { return int(plan.networks.size()); };
    n_networks = features->single_precision ? number_of(*features->single_precision)
                                            : number_of(*features->double_precision);
    const int64_t n = settings.n_elements;
    if (settings.repulsion) add<mliap::ScreenedRepulsion>(n, settings.repulsion, settings.screening);
    if (settings.charge_products)
      add<mliap::SmearedCharges>(n, settings.charge_products, settings.smearing, settings.cutoff);
    if (settings.dispersion)
      add<mliap::DampedDispersion>(n, settings.dispersion, settings.damping, settings.switch_width, settings.cutoff);
  }

  int n_charge_networks() const { return n_networks - n_energy_networks; }

 private:
  template <class Term, class... Arguments>
  void add(Arguments... arguments)
  {
    pair_terms.push_back(std::make_unique<Term>(arguments...));
  }
};

namespace {

static_assert(MLIAP_BAD_DISTANCE == mliap::kBadDistance && MLIAP_SMALLEST_DISTANCE == mliap::kSmallestDistance,
              "what the interface says of distances is not what the kernels do");

// Fewer blocks are done before a thread has started.
constexpr int64_t kLeastBlocks = 4;

// Kept from call to call.
thread_local BlockOfAtoms block_of_thread;

// Call work(block) -> Error for all blocks of the centres first ... last - 1, with their pairs; until the first error.
template <class Work>
int for_blocks(const mliap_potential &potential, const mliap_local_atoms &atoms, int64_t first, int64_t last, Work work)
{
  BlockOfAtoms &block = block_of_thread;
  for (int64_t start = first; start < last; start += mliap::kCentreBlock) {
    const int64_t end = std::min(last, start + mliap::kCentreBlock);
    if (!block.fill(atoms, potential.cutoff, start, end)) return mliap::kBadRow;
    const int error = work(block, start);
    if (error != mliap::kNone) return error;
  }
  return mliap::kNone;
}

// Weights of the networks' gradients: those of a mean, times the slopes (n_centres) for charge networks.
void place_weights(const mliap_potential &potential, const double *slopes, BlockOfAtoms &block)
{
  mliap::make_room(block.weights, potential.n_networks * block.n_centres);
  const double of_energy = 1.0 / potential.n_energy_networks, of_charge = 1.0 / potential.n_charge_networks();
  for (int k = 0; k < potential.n_networks; k++)
    for (int64_t a = 0; a < block.n_centres; a++)
      block.weights[k * block.n_centres + a] =
          k < potential.n_energy_networks ? of_energy : of_charge * slopes[a];
}

// Mean of what n networks say of centre a.
double mean_value(const BlockOfAtoms &block, int n, int64_t a)
{
  double sum = 0.0;
  for (int k = 0; k < n; k++) sum += block.network_values[k * block.n_centres + a];
  return sum / n;
}

// Energies of the centres and gradients of the pairs by the networks; squares of distances (n_centres) if asked for.
int evaluate_networks(const mliap_potential &potential, const double *slopes, double *distances, BlockOfAtoms &block)
{
  mliap::make_room(block.network_values, potential.n_networks * block.n_centres);
  mliap::make_room(block.gradients, 3 * block.n_pairs());
  mliap::make_room(block.energies, block.n_centres);
  mliap::Task task = block.task();
  task.last_network = potential.n_networks;
  task.energies = block.network_values.data();
  task.pair_gradients = block.gradients.data();
  task.distances = distances;
  if (slopes) {
    place_weights(potential, slopes, block);
    task.weights = block.weights.data();
  }
  const int error = mliap::run_task(potential.features, mliap::Work::weighted_energy, task);
  for (int64_t a = 0; a < block.n_centres; a++)
    block.energies[a] =
        potential.baseline[block.centre_rows[a]] + mean_value(block, potential.n_energy_networks, a);
  return error;
}

// All that the centres first ... last - 1 have, left in the block.
int evaluate_block(const mliap_potential &potential, const mliap_local_atoms &atoms, const double *slopes,
                   double *distances, int64_t first, int64_t last, BlockOfAtoms &block)
{
  try {
    if (!block.fill(atoms, potential.cutoff, first, last)) return mliap::kBadRow;
    const int error = evaluate_networks(potential, slopes ? slopes + first : nullptr,
                                        distances ? distances + first : nullptr, block);
    if (error != mliap::kNone) return error;
    for (const auto &term : potential.pair_terms) term->add_to(block);
    return mliap::kNone;
  } catch (const std::bad_alloc &) {
    return mliap::kNoMemory;
  }
}

// Gradients of the pairs by each network, left in the block.
int evaluate_members(const mliap_potential &potential, const mliap_local_atoms &atoms, int64_t first, int64_t last,
                     BlockOfAtoms &block)
{
  try {
    if (!block.fill(atoms, potential.cutoff, first, last)) return mliap::kBadRow;
    mliap::make_room(block.network_values, potential.n_networks * block.n_centres);
    mliap::make_room(block.gradients, 3 * potential.n_networks * block.n_pairs());
    mliap::Task task = block.task();
    task.last_network = potential.n_networks;
    task.energies = block.network_values.data();
    task.pair_gradients = block.gradients.data();
    return mliap::run_task(potential.features, mliap::Work::each_energy, task);
  } catch (const std::bad_alloc &) {
    return mliap::kNoMemory;
  }
}

// dE/dr_p acts on the centre, and its opposite on the neighbour: forces (n_atoms, n_members, 3) by each of the first networks.
void add_member_forces(const BlockOfAtoms &block, int n_members, double *forces)
{
  for (int m = 0; m < n_members; m++)
    for (int64_t a = 0; a < block.n_centres; a++) {
      double *of_centre = forces + 3 * (int64_t(block.atoms[a]) * n_members + m);
      for (int64_t p = block.offsets[a]; p < block.offsets[a + 1]; p++) {
        const double *gradient = block.gradients.data() + 3 * (m * block.n_pairs() + p);
        double *of_neighbour = forces + 3 * (int64_t(block.neighbours[p]) * n_members + m);
        for (int k = 0; k < 3; k++) {
          of_centre[k] += gradient[k];
          of_neighbour[k] -= gradient[k];
        }
      }
    }
}

// Evaluate blocks of centres in threads, and add them up one after the other: evaluate(block, first, last), add(block).
template <class Evaluate, class Add>
int in_turns(const mliap_local_atoms &atoms, int32_t n_threads, Evaluate evaluate, Add add)
{
  const int64_t n = atoms.n_centres;
  mliap::Turns turns;
  const auto work = [&](int64_t, int64_t, int64_t) {
    for (int64_t k = turns.take(); k * mliap::kCentreBlock < n; k = turns.take()) {
      BlockOfAtoms &block = block_of_thread;
      const int64_t first = k * mliap::kCentreBlock, last = std::min(n, first + mliap::kCentreBlock);
      const int error = evaluate(block, first, last);
      if (!turns.wait_for(k)) break;  // the thread that has failed tells why
      if (error == mliap::kNone) add(block);
      turns.finish(error != mliap::kNone);
      if (error != mliap::kNone) return error;
    }
    return int(mliap::kNone);
  };
  const int64_t n_used = mliap::number_of_shares(n, mliap::kCentreBlock, kLeastBlocks, n_threads);
  return mliap::share_among_threads(n_used, 1, 1, int32_t(n_used), work);
}

}  // namespace

MLIAP_EXPORT mliap_potential *mliap_potential_create(const mliap_potential_settings *settings)
{
  try {
    auto potential = std::make_unique<mliap_potential>(*settings);
    const int n = settings->n_energy_networks;
    return n > 0 && n <= potential->n_networks ? potential.release() : nullptr;
  } catch (const std::exception &) {
    return nullptr;
  }
}

MLIAP_EXPORT void mliap_potential_destroy(mliap_potential *potential) { delete potential; }

MLIAP_EXPORT int mliap_potential_charges(const mliap_potential *potential, const mliap_local_atoms *atoms,
                                         int32_t n_threads, double *values)
{
  const int n_networks = potential->n_charge_networks();
  if (n_networks == 0) return mliap::kNoNetwork;
  const auto work = [&](int64_t, int64_t first, int64_t last) {
    return for_blocks(*potential, *atoms, first, last, [&](BlockOfAtoms &block, int64_t start) {
      mliap::make_room(block.network_values, n_networks * block.n_centres);
      mliap::Task task = block.task();
      task.first_network = potential->n_energy_networks;
      task.last_network = potential->n_networks;
      task.energies = block.network_values.data();
      const int error = mliap::run_task(potential->features, mliap::Work::network_values, task);
      for (int64_t a = 0; a < block.n_centres; a++) values[start + a] = mean_value(block, n_networks, a);
      return error;
    });
  };
  return mliap::share_among_threads(atoms->n_centres, mliap::kCentreBlock, kLeastBlocks, n_threads, work);
}

MLIAP_EXPORT int mliap_potential_evaluate(const mliap_potential *potential, const mliap_local_atoms *atoms,
                                          int32_t n_threads, const double *slopes, mliap_sums *sums)
{
  const bool is_complete = potential->n_charge_networks() == 0 || atoms->n_centres == 0 || slopes;
  if (!is_complete) return mliap::kNoNetwork;
  const auto evaluate = [&](BlockOfAtoms &block, int64_t first, int64_t last) {
    return evaluate_block(*potential, *atoms, slopes, sums->distances, first, last, block);
  };
  return in_turns(*atoms, n_threads, evaluate, [&](const BlockOfAtoms &block) { mliap::add_block(block, *sums); });
}

MLIAP_EXPORT int mliap_potential_members(const mliap_potential *potential, const mliap_local_atoms *atoms,
                                         int32_t n_threads, double *forces)
{
  const auto evaluate = [&](BlockOfAtoms &block, int64_t first, int64_t last) {
    return evaluate_members(*potential, *atoms, first, last, block);
  };
  return in_turns(*atoms, n_threads, evaluate, [&](const BlockOfAtoms &block) {
    add_member_forces(block, potential->n_energy_networks, forces);
  });
}
