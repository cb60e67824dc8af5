#include "close_neighbours.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace mliap {

namespace {

// Those behind the first `done` ones, one after the other.
int64_t close_one_by_one(const double *positions, const int32_t *list, int64_t done, int64_t n, int32_t mask,
                         const double *centre, double squared_cutoff, int32_t *close)
{
  int64_t n_close = 0;
  for (int64_t k = done; k < n; k++) {  // written at once and kept by counting: no branch to guess wrong
    const int32_t j = list[k] & mask;
    const double *const x = positions + 3 * int64_t(j);
    const double dx = x[0] - centre[0], dy = x[1] - centre[1], dz = x[2] - centre[2];
    close[n_close] = j;
    n_close += !(dx * dx + dy * dy + dz * dz >= squared_cutoff);
  }
  return n_close;
}

#if defined(__x86_64__)

// Eight at a time. Indices of numbers are 32 bits wide: an entry of a list has 29 bits for the atom, and 3 x 2^29 < 2^31.
__attribute__((target("avx512f,avx512vl"))) int64_t close_by_eights(const double *positions, const int32_t *list,
                                                                    int64_t n, int32_t mask, const double *centre,
                                                                    double squared_cutoff, int32_t *close)
{
  const __m512d cx = _mm512_set1_pd(centre[0]), cy = _mm512_set1_pd(centre[1]), cz = _mm512_set1_pd(centre[2]);
  const __m512d limit = _mm512_set1_pd(squared_cutoff), zero = _mm512_setzero_pd();
  const __m256i masks = _mm256_set1_epi32(mask);
  int64_t n_close = 0, k = 0;
  for (; k + 8 <= n; k += 8) {
    const __m256i j = _mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(list + k)), masks);
    const __m256i place = _mm256_add_epi32(_mm256_add_epi32(j, j), j);
    const __m512d dx = _mm512_sub_pd(_mm512_mask_i32gather_pd(zero, 0xff, place, positions, 8), cx);
    const __m512d dy = _mm512_sub_pd(_mm512_mask_i32gather_pd(zero, 0xff, place, positions + 1, 8), cy);
    const __m512d dz = _mm512_sub_pd(_mm512_mask_i32gather_pd(zero, 0xff, place, positions + 2, 8), cz);
    const __m512d squared = _mm512_fmadd_pd(dz, dz, _mm512_fmadd_pd(dy, dy, _mm512_mul_pd(dx, dx)));
    const __mmask8 near = _mm512_cmp_pd_mask(squared, limit, _CMP_NGE_UQ);
    // The whole vector is written: compressing into memory is slow on some processors.
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(close + n_close), _mm256_maskz_compress_epi32(near, j));
    n_close += __builtin_popcount(near);
  }
  return n_close + close_one_by_one(positions, list, k, n, mask, centre, squared_cutoff, close + n_close);
}

bool has_eights()
{
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
}

#endif

}  // namespace

int64_t close_neighbours(const double *positions, const int32_t *list, int64_t n, int32_t mask, const double *centre,
                         double cutoff, int32_t *close)
{
  const double squared_cutoff = cutoff * cutoff;
#if defined(__x86_64__)
  static const bool by_eights = has_eights();
  if (by_eights) return close_by_eights(positions, list, n, mask, centre, squared_cutoff, close);
#endif
  return close_one_by_one(positions, list, 0, n, mask, centre, squared_cutoff, close);
}

}  // namespace mliap
