// From pair gradients g_p = dE/dr_p to forces and virials, and the way back; the pairs of a training step are too few
// for threads, and too many for a general sum by index.
#include "kernels_api.h"
#include "processor.h"

namespace {

//   f_i = sum over pairs of i of g_p - sum over pairs to i of g_p,      W = -sum_p r_p (x) g_p
template <class T>
void forces_and_virials(const mliap_pairs &pairs, const T *gradients, T *forces, T *virials)
{
  for (int64_t k = 0; k < 3 * pairs.n_atoms; k++) forces[k] = T(0);
  for (int64_t k = 0; k < 9 * pairs.n_frames; k++) virials[k] = T(0);
  for (int64_t p = 0; p < pairs.n_pairs; p++) {
    const int64_t i = pairs.pair_i[p], j = pairs.pair_j[p];
    T *virial = virials + 9 * pairs.frame_of_atom[i];
    for (int b = 0; b < 3; b++) {
      const T g = gradients[3 * p + b];
      forces[3 * i + b] += g;
      forces[3 * j + b] -= g;
      for (int a = 0; a < 3; a++) virial[3 * a + b] -= T(pairs.vectors[3 * p + a]) * g;
    }
  }
}

// Derivatives of a loss by the pair gradients from those by forces and virials.
template <class T>
void of_pairs(const mliap_pairs &pairs, const T *by_forces, const T *by_virials, T *by_gradients)
{
  for (int64_t p = 0; p < pairs.n_pairs; p++) {
    const int64_t i = pairs.pair_i[p], j = pairs.pair_j[p];
    const T *by_virial = by_virials + 9 * pairs.frame_of_atom[i];
    for (int b = 0; b < 3; b++) {
      T sum = by_forces[3 * i + b] - by_forces[3 * j + b];
      for (int a = 0; a < 3; a++) sum -= T(pairs.vectors[3 * p + a]) * by_virial[3 * a + b];
      by_gradients[3 * p + b] = sum;
    }
  }
}

}  // namespace

MLIAP_EXPORT void mliap_pair_sums(int32_t single_precision, const mliap_pairs *pairs, const void *gradients,
                                  void *forces, void *virials)
{
  if (single_precision)
    forces_and_virials(*pairs, static_cast<const float *>(gradients), static_cast<float *>(forces),
                       static_cast<float *>(virials));
  else
    forces_and_virials(*pairs, static_cast<const double *>(gradients), static_cast<double *>(forces),
                       static_cast<double *>(virials));
}

MLIAP_EXPORT void mliap_pair_sums_back(int32_t single_precision, const mliap_pairs *pairs, const void *by_forces,
                                       const void *by_virials, void *by_gradients)
{
  if (single_precision)
    of_pairs(*pairs, static_cast<const float *>(by_forces), static_cast<const float *>(by_virials),
             static_cast<float *>(by_gradients));
  else
    of_pairs(*pairs, static_cast<const double *>(by_forces), static_cast<const double *>(by_virials),
             static_cast<double *>(by_gradients));
}
