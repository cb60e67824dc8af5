// What the processor offers: instruction sets, threads and their scratch memory. For the C interfaces.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "plan.h"

#define MLIAP_EXPORT extern "C" __attribute__((visibility("default")))

namespace mliap {

enum Error { kNone = 0, kNoMemory = 1, kNoThread = 2, kNoNetwork = 3, kBadDistance = 4, kNoInstructionSet = 5, kBadRow = 6 };

// Those that this processor has and the kernels were compiled for, the best one first.
std::vector<const InstructionSet *> instruction_sets();

// The one of this name; null if the processor lacks it.
const InstructionSet *instruction_set_of(const char *name);

// Scratch memory of this thread, aligned to 64 bytes and kept from call to call.
char *scratch_memory(int64_t bytes);

// Do the work on 0 ... n - 1 in as many shares as there are threads, each of whole blocks and of at least `least_blocks`;
// the caller's thread takes the first one. `work(share, first, last)` returns an Error; so does this.
int share_among_threads(int64_t n, int64_t block, int64_t least_blocks, int32_t n_threads,
                        const std::function<int(int64_t, int64_t, int64_t)> &work);

// How many shares the above makes.
int64_t number_of_shares(int64_t n, int64_t block, int64_t least_blocks, int32_t n_threads);

// The same for work that sums `size` numbers: `work(sum, first, last)` has a sum of its own for each share. They are added
// up in `total` in the order of the shares, so that the result depends on their number alone.
template <class T, class Work>
int sum_over_shares(int64_t n, int64_t block, int64_t least_blocks, int32_t n_threads, T *total, int64_t size, Work work)
{
  std::vector<T> others(size * (number_of_shares(n, block, least_blocks, n_threads) - 1));  // the first is the result
  const int error =
      share_among_threads(n, block, least_blocks, n_threads, [&](int64_t share, int64_t first, int64_t last) {
        return work(share == 0 ? total : others.data() + (share - 1) * size, first, last);
      });
  for (int64_t k = 0; k < int64_t(others.size()); k++) total[k % size] += others[k];
  return error;
}

}  // namespace mliap
