#include "coulomb_kernel.h"

#include <algorithm>
#include <cmath>

using namespace LAMMPS_NS;

static const double SQRT_PI = 1.77245385090551602730;

/* ----------------------------------------------------------------------
   Boys functions F_m(x) = integral_0^1 t^2m exp(-x t^2) dt, m = 0, 1, 2.
   F_0(x) = sqrt(pi/x)/2 erf(sqrt(x)) and dF_m/dx = -F_m+1
------------------------------------------------------------------------- */

static void boys(double x, double *F)
{
  const double gauss = exp(-x);
  if (x < 20.0) {

    // series of positive terms for F_2, then downward recursion

    double term = 1.0 / 5.0, sum = term;
    for (int k = 1; term > 1.0e-17 * sum; k++) {
      term *= 2.0 * x / (2 * k + 5);
      sum += term;
    }
    F[2] = gauss * sum;
    F[1] = (2.0 * x * F[2] + gauss) / 3.0;
    F[0] = 2.0 * x * F[1] + gauss;
  } else {

    // upward recursion loses nothing here

    const double root = sqrt(x);
    F[0] = 0.5 * SQRT_PI * erf(root) / root;
    F[1] = (F[0] - gauss) / (2.0 * x);
    F[2] = (3.0 * F[1] - gauss) / (2.0 * x);
  }
}

/* ----------------------------------------------------------------------
   quintic Hermite interpolation: K, K' and K'' are exact at the nodes.
   erf(a r)/r = 2a/sqrt(pi) F_0(a^2 s), so each d/ds is a factor -a^2
------------------------------------------------------------------------- */

void CoulombKernel::tabulate(double g, double sigma, double rcut)
{
  if (g == g_ewald && sigma == smearing && rcut == cutoff) return;
  g_ewald = g;
  smearing = sigma;
  cutoff = rcut;

  const double b = 1.0 / (sqrt(2.0) * sigma);
  const double a_max = std::max(b, g);

  // bins so narrow that a^2 s changes by 0.1: the sixth order left out is below 1e-11

  nbins = static_cast<int>(std::ceil(10.0 * a_max * a_max * rcut * rcut)) + 1;
  const double width = rcut * rcut / nbins;
  inverse_width = 1.0 / width;

  std::vector<double> nodes(3 * (nbins + 1));    // K, width K', width^2 K''
  for (int n = 0; n <= nbins; n++) {
    double F_b[3], F_g[3];
    boys(b * b * n * width, F_b);
    boys(g * g * n * width, F_g);
    double factor_b = 2.0 * b / SQRT_PI;
    double factor_g = 2.0 * g / SQRT_PI;
    for (int m = 0; m < 3; m++) {
      nodes[3 * n + m] = factor_b * F_b[m] - factor_g * F_g[m];
      factor_b *= -b * b * width;
      factor_g *= -g * g * width;
    }
  }

  coefficients.resize(6 * static_cast<std::size_t>(nbins));
  for (int n = 0; n < nbins; n++) {
    const double *const left = &nodes[3 * n];
    const double *const right = left + 3;
    double *const c = &coefficients[6 * n];
    c[0] = left[0];
    c[1] = left[1];
    c[2] = 0.5 * left[2];
    const double value = right[0] - c[0] - c[1] - c[2];
    const double slope = right[1] - c[1] - 2.0 * c[2];
    const double curvature = right[2] - 2.0 * c[2];
    c[3] = 10.0 * value - 4.0 * slope + 0.5 * curvature;
    c[4] = -15.0 * value + 7.0 * slope - curvature;
    c[5] = 6.0 * value - 3.0 * slope + 0.5 * curvature;
  }
}
