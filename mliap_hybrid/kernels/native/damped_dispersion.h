// Damped dispersion with constant coefficients, as model/terms/dispersion.py defines it:
//
//   E = -1/2 s(r) [ f_6(b r) C6_ij / r^6 + f_8(b r) C8_ij / r^8 ],   f_n(x) = 1 - exp(-x) sum_{k <= n} x^k / k!
#pragma once

#include <algorithm>
#include <cmath>

#include "pair_term.h"

namespace mliap {

class DampedDispersion : public PairTerm {
 public:
  // coefficients: (n_elements, n_elements, 2), C6 and C8.
  DampedDispersion(int64_t n_elements, const double *coefficients, double damping, double switch_width, double cutoff)
      : n_elements_(n_elements), damping_(damping), switch_width_(switch_width), cutoff_(cutoff),
        coefficients_(coefficients, coefficients + 2 * n_elements * n_elements)
  {
  }

  void add_to(BlockOfAtoms &block) const override
  {
    add_pairs(block, n_elements_, cutoff_, [&](int64_t pair, double r) { return of_pair(pair, r); });
  }

  PairEnergy of_pair(int64_t pair, double r) const
  {
    const double x = damping_ * r, decay = std::exp(-x);
    double polynomial = 1.0;
    for (int k = 6; k > 0; k--) polynomial = 1.0 + polynomial * x / k;
    const double x6 = x * x * x * x * x * x / 720.0, x7 = x6 * x / 7.0, x8 = x7 * x / 8.0;
    const double f6 = 1.0 - decay * polynomial, f8 = f6 - decay * (x7 + x8);
    const double inverse = 1.0 / r, inverse_2 = inverse * inverse, inverse_6 = inverse_2 * inverse_2 * inverse_2;
    const double c6 = coefficients_[2 * pair] * inverse_6;
    const double c8 = coefficients_[2 * pair + 1] * inverse_6 * inverse_2;
    const double value = c6 * f6 + c8 * f8;
    const double slope = c6 * (damping_ * decay * x6 - 6.0 * f6 * inverse) +
        c8 * (damping_ * decay * x8 - 8.0 * f8 * inverse);
    const double t = std::min(1.0, std::max(0.0, (r - (cutoff_ - switch_width_)) / switch_width_));
    const double s = 1.0 - t * t * t * (10.0 - t * (15.0 - 6.0 * t));
    const double s_slope = -30.0 * t * t * (1.0 - t) * (1.0 - t) / switch_width_;
    return {-0.5 * s * value, -0.5 * (s * slope + s_slope * value)};
  }

 private:
  int64_t n_elements_;
  double damping_, switch_width_, cutoff_;
  std::vector<double> coefficients_;
};

}  // namespace mliap
