// Real solid harmonics S_nm(r) = r^n Y_nm(r / |r|) of many points at once, and the transpose of their gradient.
//
// Same normalisation and order of components as mliap_hybrid/features/harmonics.py, whose formulas these are.
#pragma once

#include "dual.h"

namespace MLIAP_SIMD {

constexpr double square_root(double x)
{
  double root = x > 1.0 ? x : 1.0;
  for (int k = 0; k < 100; k++) root = 0.5 * (root + x / root);
  return root;
}

constexpr double factorial(int n)
{
  double product = 1.0;
  for (int k = 2; k <= n; k++) product *= k;
  return product;
}

constexpr double kPi = 3.14159265358979323846;

// Factor a of Q_nm = a_nm z Q_(n-1)m - (a_nm / a_(n-1)m) r^2 Q_(n-2)m.
constexpr double recurrence(int n, int m) { return square_root((4.0 * n * n - 1.0) / (n * n - m * m)); }

// Q_mm.
constexpr double diagonal(int m)
{
  double value = square_root(1.0 / (4.0 * kPi));
  for (int k = 1; k <= m; k++) value *= square_root((2.0 * k + 1.0) / (2.0 * k)) * (k == 1 ? square_root(2.0) : 1.0);
  return value;
}

// S_nm over the harmonic (Re or Im of r^n P_nm e^(i m phi) / (n + m)!) that has the simple ladder relations.
constexpr double ladder_scale(int n, int m)
{
  const double scale = square_root((2 * n + 1) / (4.0 * kPi) * factorial(n + m) * factorial(n - m));
  return m > 0 ? square_root(2.0) * scale : scale;
}

// Place of S_nm in an array of all orders.
constexpr int component(int n, int m) { return n * n + n + m; }

template <class T, class N, int MAX, int n, int m>
MLIAP_INLINE void ascend(N z, N r_squared, N cosine, N sine, N before, N last, N *out)
{
  out[component(n, m)] = last * cosine;
  if constexpr (m > 0) out[component(n, -m)] = last * sine;
  if constexpr (n < MAX) {
    constexpr T a = T(recurrence(n + 1, m));
    N higher = a * (z * last);
    if constexpr (n > m) {
      constexpr T b = T(recurrence(n + 1, m) / recurrence(n, m));
      higher = higher - b * (r_squared * before);
    }
    ascend<T, N, MAX, n + 1, m>(z, r_squared, cosine, sine, last, higher, out);
  }
}

template <class T, bool DUAL, int MAX, int m, class N>
MLIAP_INLINE void all_orders_from(N x, N y, N z, N r_squared, N cosine, N sine, N *out)
{
  const N first = Numbers<T, DUAL>::constant(T(diagonal(m)));
  ascend<T, N, MAX, m, m>(z, r_squared, cosine, sine, first, first, out);
  if constexpr (m < MAX)
    all_orders_from<T, DUAL, MAX, m + 1>(x, y, z, r_squared, x * cosine - y * sine, x * sine + y * cosine, out);
}

// S_nm for n = 0 ... MAX at the points (x, y, z): out[component(n, m)].
template <class T, bool DUAL, int MAX, class N>
MLIAP_INLINE void solid_harmonics(N x, N y, N z, N *out)
{
  typedef Numbers<T, DUAL> Number;
  all_orders_from<T, DUAL, MAX, 0>(x, y, z, x * x + y * y + z * z, Number::constant(T(1)), Number::constant(T(0)), out);
}

// gradient += factor dS_nm/dx_c, where S_(n-1)lower is the harmonic that the derivative leads to.
template <class T, int n, int lower, int m, class N>
MLIAP_INLINE void ladder(N &gradient, double sign, const N *harmonics_below, N adjoint)
{
  constexpr int a = lower < 0 ? -lower : lower, b = m < 0 ? -m : m;
  if constexpr (a < n) {
    constexpr double factor = ladder_scale(n, b) / ladder_scale(n - 1, a);
    gradient = gradient + T(sign * factor) * (harmonics_below[lower + n - 1] * adjoint);
  }
}

template <class T, int n, int m, class N>
MLIAP_INLINE void add_gradients_from(const N *harmonics_below, const N *adjoint, N &gx, N &gy, N &gz)
{
  const N plus = adjoint[n + m], minus = adjoint[n - m];
  ladder<T, n, m + 1, m>(gx, -0.5, harmonics_below, plus);
  ladder<T, n, m - 1, m>(gx, 0.5, harmonics_below, plus);
  ladder<T, n, -(m + 1), -m>(gx, -0.5, harmonics_below, minus);
  ladder<T, n, -(m + 1), m>(gy, -0.5, harmonics_below, plus);
  ladder<T, n, m + 1, -m>(gy, 0.5, harmonics_below, minus);
  ladder<T, n, m - 1, -m>(gy, 0.5, harmonics_below, minus);
  if constexpr (m > 1) {
    ladder<T, n, -(m - 1), -m>(gx, 0.5, harmonics_below, minus);
    ladder<T, n, -(m - 1), m>(gy, -0.5, harmonics_below, plus);
  }
  ladder<T, n, m, m>(gz, 1.0, harmonics_below, plus);
  ladder<T, n, -m, -m>(gz, 1.0, harmonics_below, minus);
  if constexpr (m < n) add_gradients_from<T, n, m + 1>(harmonics_below, adjoint, gx, gy, gz);
}

// Transposed gradient of order n: (gx, gy, gz) += sum_m adjoint_m grad S_nm, from the harmonics of order n - 1.
template <class T, int n, class N>
MLIAP_INLINE void add_gradients(const N *harmonics_below, const N *adjoint, N &gx, N &gy, N &gz)
{
  static_assert(n >= 1, "order 0 has no gradient");
  ladder<T, n, 1, 0>(gx, -1.0, harmonics_below, adjoint[n]);
  ladder<T, n, -1, 0>(gy, -1.0, harmonics_below, adjoint[n]);
  ladder<T, n, 0, 0>(gz, 1.0, harmonics_below, adjoint[n]);
  add_gradients_from<T, n, 1>(harmonics_below, adjoint, gx, gy, gz);
}

}  // namespace MLIAP_SIMD
