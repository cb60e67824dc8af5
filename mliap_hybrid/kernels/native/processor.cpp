// Picks the instruction set, and shares work among threads.
#include "processor.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <memory>
#include <new>
#include <system_error>
#include <thread>

#include "kernels_api.h"
#include "make_plan.h"
#include "potential_api.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

extern "C" {
extern const mliap::InstructionSet mliap_instruction_set_16;
#if defined(__x86_64__)
extern const mliap::InstructionSet mliap_instruction_set_32;
extern const mliap::InstructionSet mliap_instruction_set_64;
#endif
}

namespace mliap {

namespace {

// Numbers below the smallest normal one are zero as long as this lives, in this thread. Narrow Gaussians have many of them
// far out, and each costs some processors, Intel's among them, a hundred cycles.
class FlushSubnormals {
 public:
#if defined(__x86_64__)
  FlushSubnormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | kFlushToZero | kDenormalsAreZero); }
  ~FlushSubnormals() { _mm_setcsr(before_); }

 private:
  static constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
  const unsigned before_;
#endif
};

}  // namespace

std::vector<const InstructionSet *> instruction_sets()
{
  std::vector<const InstructionSet *> sets;
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

const InstructionSet *instruction_set_of(const char *name)
{
  for (const InstructionSet *set : instruction_sets())
    if (std::strcmp(set->name, name) == 0) return set;
  return nullptr;
}

char *scratch_memory(int64_t bytes)
{
  thread_local std::unique_ptr<AlignedArray<char>> memory;
  thread_local int64_t size = 0;
  if (bytes > size) {
    memory = std::make_unique<AlignedArray<char>>(bytes);
    size = bytes;
  }
  return memory->data();
}

int64_t number_of_shares(int64_t n, int64_t block, int64_t least_blocks, int32_t n_threads)
{
  const int64_t n_blocks = (n + block - 1) / block;
  return std::max<int64_t>(1, std::min<int64_t>(n_threads, n_blocks / least_blocks));
}

int share_among_threads(int64_t n, int64_t block, int64_t least_blocks, int32_t n_threads,
                        const std::function<int(int64_t, int64_t, int64_t)> &work)
{
  const int64_t n_shares = number_of_shares(n, block, least_blocks, n_threads);
  const int64_t n_blocks = (n + block - 1) / block;
  const auto bound = [&](int64_t k) { return std::min(n, block * (n_blocks * k / n_shares)); };
  const auto do_share = [&](int64_t k) {
    const FlushSubnormals flush;
    try {
      return work(k, bound(k), bound(k + 1));
    } catch (const std::bad_alloc &) {
      return int(kNoMemory);
    }
  };
  if (n_shares == 1) return do_share(0);
  std::vector<int> errors(n_shares, kNone);
  std::vector<std::thread> threads;
  try {
    for (int64_t k = 1; k < n_shares; k++) threads.emplace_back([&, k] { errors[k] = do_share(k); });
  } catch (const std::system_error &) {
    errors[0] = kNoThread;
  }
  const int first = do_share(0);
  for (std::thread &thread : threads) thread.join();
  for (const int error : errors)
    if (error != kNone) return error;
  return first;
}

}  // namespace mliap

MLIAP_EXPORT int32_t mliap_kernels_version()
{
  return MLIAP_KERNELS_VERSION;
}

MLIAP_EXPORT int32_t mliap_kernels_struct_size(int32_t place)
{
  constexpr size_t sizes[] = {sizeof(mliap_features_settings), sizeof(mliap_network_settings), sizeof(mliap_environments),
                              sizeof(mliap_network), sizeof(mliap_contraction), sizeof(mliap_pairs),
                              sizeof(mliap_potential_settings), sizeof(mliap_local_atoms), sizeof(mliap_sums)};
  return place >= 0 && place < int32_t(std::size(sizes)) ? int32_t(sizes[place]) : 0;
}

MLIAP_EXPORT const char *mliap_kernels_instruction_set(int32_t place)
{
  const auto sets = mliap::instruction_sets();
  return place >= 0 && place < int32_t(sets.size()) ? sets[place]->name : "";
}

MLIAP_EXPORT const char *mliap_kernels_error(int error)
{
  switch (error) {
    case mliap::kNoMemory: return "there is not enough memory";
    case mliap::kNoThread: return "the system refused to start a thread";
    case mliap::kBadDistance: return "a distance between two atoms is zero or not a number";
    case mliap::kNoNetwork: return "these features were made without a network";
    case mliap::kNoInstructionSet: return "this processor lacks the instruction set";
    case mliap::kBadRow: return "an atom is of none of the network's elements";
    default: return "";
  }
}

MLIAP_EXPORT int64_t mliap_kernels_fma_rounds(const char *instruction_set, int32_t single_precision, int64_t rounds)
{
  const mliap::InstructionSet *set = mliap::instruction_set_of(instruction_set);
  if (!set) return 0;
  float single = 0.0f;
  double twofold = 0.0;
  return single_precision ? set->single_precision.fma_rounds(rounds, &single)
                          : set->double_precision.fma_rounds(rounds, &twofold);
}
