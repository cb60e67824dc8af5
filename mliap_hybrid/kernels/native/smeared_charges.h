// What fixed smeared charges have more than the point charges that LAMMPS' styles add (physics/coulomb.py), energies of
// charges with themselves apart:
//
//   E = -1/2 k_e q_i q_j erfc(b r) / r,   b = 1 / (sqrt(2) smearing)
//
// erfc is read from a table of quintic polynomials that meet its value and two derivatives at the knots, to 1e-15.
#pragma once

#include <array>
#include <cmath>

#include "pair_term.h"

namespace mliap {

class SmearedCharges : public PairTerm {
 public:
  // products: (n_elements, n_elements), k_e q_i q_j.
  SmearedCharges(int64_t n_elements, const double *products, double smearing, double cutoff)
      : n_elements_(n_elements), cutoff_(cutoff), products_(products, products + n_elements * n_elements)
  {
    const double b = 1.0 / (std::sqrt(2.0) * smearing);
    n_intervals_ = int64_t(std::ceil(b * cutoff / kSpacing)) + 1;
    const double h = cutoff / double(n_intervals_ - 1);  // the last knot lies behind the cutoff
    inverse_spacing_ = 1.0 / h;
    coefficients_.resize(6 * n_intervals_);
    for (int64_t k = 0; k < n_intervals_; k++) {
      const std::array<double, 3> left = knot(b, h, double(k) * h), right = knot(b, h, double(k + 1) * h);
      const double rise = right[0] - left[0] - left[1] - 0.5 * left[2], slope = right[1] - left[1] - left[2];
      const double curvature = right[2] - left[2];
      double *const c = &coefficients_[6 * k];
      c[0] = left[0];
      c[1] = left[1];
      c[2] = 0.5 * left[2];
      c[3] = 10.0 * rise - 4.0 * slope + 0.5 * curvature;
      c[4] = -15.0 * rise + 7.0 * slope - curvature;
      c[5] = 6.0 * rise - 3.0 * slope + 0.5 * curvature;
    }
  }

  void add_to(BlockOfAtoms &block) const override
  {
    add_pairs(block, n_elements_, cutoff_, [&](int64_t pair, double r) { return of_pair(pair, r); });
  }

  PairEnergy of_pair(int64_t pair, double r) const
  {
    const double place = r * inverse_spacing_;
    const int64_t k = int64_t(place);
    const double t = place - double(k);
    const double *const c = &coefficients_[6 * k];
    const double value = c[0] + t * (c[1] + t * (c[2] + t * (c[3] + t * (c[4] + t * c[5]))));
    const double slope =
        inverse_spacing_ * (c[1] + t * (2.0 * c[2] + t * (3.0 * c[3] + t * (4.0 * c[4] + t * 5.0 * c[5]))));
    const double half = -0.5 * products_[pair] / r;
    return {half * value, half * (slope - value / r)};
  }

 private:
  static constexpr double kSpacing = 0.01;  // of the knots, in units of 1 / b

  // erfc(b r), and its derivatives times h and h^2.
  static std::array<double, 3> knot(double b, double h, double r)
  {
    const double gaussian = -2.0 / std::sqrt(M_PI) * b * std::exp(-b * b * r * r);
    return {std::erfc(b * r), h * gaussian, -2.0 * b * b * r * h * h * gaussian};
  }

  int64_t n_elements_, n_intervals_;
  double cutoff_, inverse_spacing_;
  std::vector<double> products_;
  std::vector<double> coefficients_;  // (n_intervals, 6): of the powers of the place in the interval
};

}  // namespace mliap
