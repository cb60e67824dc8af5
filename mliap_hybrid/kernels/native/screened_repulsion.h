// Screened nuclear repulsion that fades out before a bond, as model/terms/repulsion.py defines it:
//
//   E = 1/2 (k_e Z_i Z_j / r) phi(r / a) envelope(r / reach),   phi(x) = sum_t A_t exp(-d_t x)
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include "pair_term.h"

namespace mliap {

class ScreenedRepulsion : public PairTerm {
 public:
  // constants: (n_elements, n_elements, 3), k_e Z_i Z_j, a and reach; screening: (4, 2), A_t and d_t.
  ScreenedRepulsion(int64_t n_elements, const double *constants, const double *screening)
      : n_elements_(n_elements), constants_(constants, constants + 3 * n_elements * n_elements)
  {
    std::copy_n(screening, screening_.size(), screening_.begin());
    for (std::size_t k = 2; k < constants_.size(); k += 3) largest_reach_ = std::max(largest_reach_, constants_[k]);
  }

  void add_to(BlockOfAtoms &block) const override
  {
    add_pairs(block, n_elements_, largest_reach_, [&](int64_t pair, double r) { return of_pair(pair, r); });
  }

  PairEnergy of_pair(int64_t pair, double r) const
  {
    const double product = constants_[3 * pair], length = constants_[3 * pair + 1], reach = constants_[3 * pair + 2];
    if (!(r < reach)) return {0.0, 0.0};
    double phi = 0.0, phi_slope = 0.0;
    for (std::size_t t = 0; t < screening_.size(); t += 2) {
      const double of_term = screening_[t] * std::exp(-screening_[t + 1] * r / length);
      phi += of_term;
      phi_slope -= screening_[t + 1] / length * of_term;
    }
    // With two continuous derivatives at the reach: Gasteiger, Groß, Günnemann, arXiv 2003.03123, eq. 8 with p = 6.
    const double x = r / reach, x5 = x * x * x * x * x;
    const double envelope = 1.0 - x5 * x * (28.0 - 48.0 * x + 21.0 * x * x);
    const double envelope_slope = -168.0 * x5 * (1.0 - x) * (1.0 - x) / reach;
    const double half = 0.5 * product / r;
    return {half * phi * envelope, half * ((phi_slope - phi / r) * envelope + phi * envelope_slope)};
  }

 private:
  int64_t n_elements_;
  std::vector<double> constants_;
  std::array<double, 8> screening_;
  double largest_reach_ = 0.0;
};

}  // namespace mliap
