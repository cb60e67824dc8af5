// The fastest that the processor can do with this instruction set: multiply-adds without a single access to memory.
#pragma once

#include "simd.h"

namespace MLIAP_SIMD {

// Do `n` rounds of independent multiply-adds; returns the number of floating-point operations.
template <class T>
int64_t fma_rounds(int64_t n, T *result)
{
  constexpr int kChains = 10;  // enough to hide the latency of two units, few enough for 16 registers
  Vec<T> x[kChains];
  const Vec<T> a = splat(T(0.999)) + *result, b = splat(T(0.001)) + *result;
  MLIAP_UNROLL
  for (int k = 0; k < kChains; k++) x[k] = splat(T(k));
  for (int64_t i = 0; i < n; i++) {
    MLIAP_UNROLL
    for (int k = 0; k < kChains; k++) x[k] = x[k] * a + b;
  }
  Vec<T> sum = x[0];
  MLIAP_UNROLL
  for (int k = 1; k < kChains; k++) sum = sum + x[k];
  *result = sum[0];
  return n * kChains * lanes<T> * 2;
}

}  // namespace MLIAP_SIMD
