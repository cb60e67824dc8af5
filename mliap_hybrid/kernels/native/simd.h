// Vectors of numbers as wide as the instruction set that this file is compiled for: 16, 32 or 64 bytes.
//
// Everything that is compiled more than once lives in a namespace of its own instruction set and uses no templates of
// the standard library: the linker would keep one copy of such a function, perhaps that of a newer instruction set.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#ifndef MLIAP_SIMD_BYTES
#error "compile with -DMLIAP_SIMD_BYTES=16, 32 or 64 (setup.py does)"
#endif
#define MLIAP_JOIN(a, b) a##b
#define MLIAP_NAME(bytes) MLIAP_JOIN(mliap_simd_, bytes)
#define MLIAP_SIMD MLIAP_NAME(MLIAP_SIMD_BYTES)
#define MLIAP_INLINE inline __attribute__((always_inline))
#define MLIAP_UNROLL _Pragma("GCC unroll 64")
// Lanes of two vectors of T, those of the second one counted on.
#ifdef __clang__
#define MLIAP_SHUFFLE(T, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else  // GCC has the other form from version 12 only
#define MLIAP_SHUFFLE(T, a, b, ...) __builtin_shuffle(a, b, IntVec<T>{__VA_ARGS__})
#endif

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
  return MLIAP_SHUFFLE(T, a, b, exchange_index<G, lanes<T>>(I, ODD)...);
}

template <int G, int ODD, class T>
MLIAP_INLINE Vec<T> exchange_blocks(Vec<T> a, Vec<T> b)
{
  return exchange<G, ODD, T>(a, b, typename MakeIndices<lanes<T>>::type());
}

// Numbers of the lower (ODD 0) or upper halves of each 16 bytes of a and b in turns.
template <int W>
constexpr int interleave_index(int i, int odd)
{
  return i / 4 * 4 + 2 * odd + i % 4 / 2 + i % 2 * W;
}

template <int ODD, int... I>
MLIAP_INLINE Vec<float> interleave(Vec<float> a, Vec<float> b, Indices<I...>)
{
  return MLIAP_SHUFFLE(float, a, b, interleave_index<lanes<float>>(I, ODD)...);
}

// Rows i and i + G of four -> both interleaved.
template <int G>
MLIAP_INLINE void interleave_rows(Vec<float> *v)
{
  typedef typename MakeIndices<lanes<float>>::type All;
  MLIAP_UNROLL
  for (int i = 0; i < 4; i++)
    if ((i & G) == 0) {
      const Vec<float> low = interleave<0>(v[i], v[i + G], All());
      v[i + G] = interleave<1>(v[i], v[i + G], All());
      v[i] = low;
    }
}

// Transpose SIZE vectors in place, one a row: each of their squares of SIZE x SIZE numbers.
template <class T, int SIZE = lanes<T>, int G = 1>
MLIAP_INLINE void transpose(Vec<T> *v)
{
  if constexpr (G < SIZE) {
    MLIAP_UNROLL
    for (int i = 0; i < SIZE; i++)
      if ((i & G) == 0) {
        const Vec<T> low = exchange_blocks<G, 0, T>(v[i], v[i + G]);
        v[i + G] = exchange_blocks<G, 1, T>(v[i], v[i + G]);
        v[i] = low;
      }
    transpose<T, SIZE, 2 * G>(v);
  }
}

// Rows and columns of the squares that `transpose_squares` turns, and numbers of a block below.
template <class T>
constexpr int square_size = lanes<T> < 4 ? lanes<T> : 4;

template <class T>
MLIAP_INLINE void transpose_squares(Vec<T> *v)
{
  if constexpr (sizeof(T) == 4) {  // instructions that need no indices in registers
    interleave_rows<2>(v);
    interleave_rows<1>(v);
  } else {
    transpose<T, square_size<T>>(v);
  }
}

// Blocks of four numbers: from p + places[0], p + places[4], ... to a vector, and from a vector to p, p + stride, ...
// By hand: compilers go through memory.
#if MLIAP_SIMD_BYTES == 64
MLIAP_INLINE Vec<float> load_blocks(const float *p, const int32_t *places)
{
  __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(p + places[0]));
  v = _mm512_maskz_insertf32x4(0xffff, v, _mm_loadu_ps(p + places[4]), 1);
  v = _mm512_maskz_insertf32x4(0xffff, v, _mm_loadu_ps(p + places[8]), 2);
  return (Vec<float>)_mm512_maskz_insertf32x4(0xffff, v, _mm_loadu_ps(p + places[12]), 3);
}

MLIAP_INLINE Vec<double> load_blocks(const double *p, const int32_t *places)
{
  const __m512d low = _mm512_castpd256_pd512(_mm256_loadu_pd(p + places[0]));
  return (Vec<double>)_mm512_maskz_insertf64x4(0xff, low, _mm256_loadu_pd(p + places[4]), 1);
}

MLIAP_INLINE void store_blocks(float *p, long stride, Vec<float> v)
{
  _mm_storeu_ps(p, _mm512_maskz_extractf32x4_ps(0xf, (__m512)v, 0));
  _mm_storeu_ps(p + stride, _mm512_maskz_extractf32x4_ps(0xf, (__m512)v, 1));
  _mm_storeu_ps(p + 2 * stride, _mm512_maskz_extractf32x4_ps(0xf, (__m512)v, 2));
  _mm_storeu_ps(p + 3 * stride, _mm512_maskz_extractf32x4_ps(0xf, (__m512)v, 3));
}

MLIAP_INLINE void store_blocks(double *p, long stride, Vec<double> v)
{
  _mm256_storeu_pd(p, _mm512_maskz_extractf64x4_pd(0xf, (__m512d)v, 0));
  _mm256_storeu_pd(p + stride, _mm512_maskz_extractf64x4_pd(0xf, (__m512d)v, 1));
}
#elif MLIAP_SIMD_BYTES == 32
MLIAP_INLINE Vec<float> load_blocks(const float *p, const int32_t *places)
{
  const __m256 low = _mm256_castps128_ps256(_mm_loadu_ps(p + places[0]));
  return (Vec<float>)_mm256_insertf128_ps(low, _mm_loadu_ps(p + places[4]), 1);
}

MLIAP_INLINE void store_blocks(float *p, long stride, Vec<float> v)
{
  _mm_storeu_ps(p, _mm256_castps256_ps128((__m256)v));
  _mm_storeu_ps(p + stride, _mm256_extractf128_ps((__m256)v, 1));
}
#endif

// Lanes 0, 4, ..., each four times.
template <class T, int... I>
MLIAP_INLINE Vec<T> spread(Vec<T> v, Indices<I...>)
{
  return MLIAP_SHUFFLE(T, v, v, (I / 4 * 4)...);
}

// p[0], p[4], ..., each four times; a whole vector is read.
template <class T>
MLIAP_INLINE Vec<T> spread_blocks(const T *p)
{
  return spread<T>(load(p), typename MakeIndices<lanes<T>>::type());
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
