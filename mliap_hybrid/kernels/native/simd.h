// Vectors of numbers as wide as the instruction set that this file is compiled for: 16, 32 or 64 bytes.
//
// Everything that is compiled more than once lives in a namespace of its own instruction set and uses no templates of
// the standard library: the linker would keep one copy of such a function, perhaps that of a newer instruction set.
#pragma once

#include <cstdint>

#ifndef MLIAP_SIMD_BYTES
#error "compile with -DMLIAP_SIMD_BYTES=16, 32 or 64 (setup.py does)"
#endif
#define MLIAP_JOIN(a, b) a##b
#define MLIAP_NAME(bytes) MLIAP_JOIN(mliap_simd_, bytes)
#define MLIAP_SIMD MLIAP_NAME(MLIAP_SIMD_BYTES)
#define MLIAP_INLINE inline __attribute__((always_inline))
#define MLIAP_UNROLL _Pragma("GCC unroll 64")

namespace MLIAP_SIMD {

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(MLIAP_SIMD_BYTES)));
};
template <class T>
using Vec = typename VectorOf<T>::type;

// Integers of the same width.
template <class T>
struct IntVectorOf;
template <>
struct IntVectorOf<float> {
  typedef int32_t type __attribute__((vector_size(MLIAP_SIMD_BYTES)));
};
template <>
struct IntVectorOf<double> {
  typedef int64_t type __attribute__((vector_size(MLIAP_SIMD_BYTES)));
};
template <class T>
using IntVec = typename IntVectorOf<T>::type;

// Number of lanes of a vector.
template <class T>
constexpr int lanes = MLIAP_SIMD_BYTES / int(sizeof(T));

template <class T>
MLIAP_INLINE Vec<T> load(const T *p)
{
  Vec<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

template <class T>
MLIAP_INLINE void store(T *p, Vec<T> v)
{
  __builtin_memcpy(p, &v, sizeof v);
}

template <class T>
MLIAP_INLINE Vec<T> splat(T x)
{
  return x - Vec<T>{};  // a broadcast; the subtraction of zero is folded away
}

template <int... I>
struct Indices {};
template <int N, int... I>
struct MakeIndices : MakeIndices<N - 1, N - 1, I...> {};
template <int... I>
struct MakeIndices<0, I...> {
  typedef Indices<I...> type;
};

// Lane i of a 2 x 2 block exchange with blocks of G lanes: even blocks come from a, odd ones from b, each from the even
// (odd) blocks of its source.
template <int G, int W>
constexpr int exchange_index(int i, int odd)
{
  const int block = i / G, source = 2 * (block / 2) + odd;
  return source * G + i % G + (block % 2) * W;
}

template <int G, int ODD, class T, int... I>
MLIAP_INLINE Vec<T> exchange(Vec<T> a, Vec<T> b, Indices<I...>)
{
#ifdef __clang__
  return __builtin_shufflevector(a, b, exchange_index<G, lanes<T>>(I, ODD)...);
#else  // GCC has the other form from version 12 only
  return __builtin_shuffle(a, b, IntVec<T>{exchange_index<G, lanes<T>>(I, ODD)...});
#endif
}

template <int G, int ODD, class T>
MLIAP_INLINE Vec<T> exchange_blocks(Vec<T> a, Vec<T> b)
{
  return exchange<G, ODD, T>(a, b, typename MakeIndices<lanes<T>>::type());
}

// Transpose a square of numbers, one vector a row, in place.
template <class T, int G = 1>
MLIAP_INLINE void transpose(Vec<T> *v)
{
  if constexpr (G < lanes<T>) {
    MLIAP_UNROLL
    for (int i = 0; i < lanes<T>; i++)
      if ((i & G) == 0) {
        const Vec<T> low = exchange_blocks<G, 0, T>(v[i], v[i + G]);
        v[i + G] = exchange_blocks<G, 1, T>(v[i], v[i + G]);
        v[i] = low;
      }
    transpose<T, 2 * G>(v);
  }
}

// Sums over the lanes of as many vectors as there are lanes: lane k of the result is the sum of v[k].
template <class T, int G = 1>
MLIAP_INLINE Vec<T> sum_lanes(Vec<T> *v)
{
  if constexpr (G < lanes<T>) {
    MLIAP_UNROLL
    for (int i = 0; i < lanes<T> / (2 * G); i++)
      v[i] = exchange_blocks<G, 0, T>(v[2 * i], v[2 * i + 1]) + exchange_blocks<G, 1, T>(v[2 * i], v[2 * i + 1]);
    return sum_lanes<T, 2 * G>(v);
  } else {
    return v[0];
  }
}

}  // namespace MLIAP_SIMD
