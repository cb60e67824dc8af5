// Scratch memory of the kernels.
#pragma once

#include "simd.h"

namespace MLIAP_SIMD {

// Hands out aligned pieces of scratch memory; counts them where there is none.
struct Arena {
  char *base;
  int64_t used = 0;

  explicit Arena(char *memory) : base(memory) {}
  template <class T>
  T *take(int64_t n)
  {
    T *piece = base ? reinterpret_cast<T *>(base + used) : nullptr;
    used += (n * int64_t(sizeof(T)) + 63) / 64 * 64;
    return piece;
  }
};

}  // namespace MLIAP_SIMD
