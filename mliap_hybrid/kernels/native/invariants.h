// Rotation invariants of the moments, with as many centres as there are lanes side by side.
#pragma once

#include "dual.h"
#include "plan.h"

namespace MLIAP_SIMD {

using mliap::Coupling;
using mliap::FeaturePlan;
using mliap::Product;
using mliap::Triple;

// One row of memory for each centre -> one vector for each column. Columns are padded to whole vectors.
template <class T, bool DUAL>
void columns_of_rows(const T *rows, long row_size, long plane, int n_columns, typename Numbers<T, DUAL>::type *columns)
{
  constexpr int W = lanes<T>;
  for (int p = 0; p < Numbers<T, DUAL>::planes; p++)
    for (int c = 0; c < n_columns; c += W) {
      Vec<T> square[W];
      MLIAP_UNROLL
      for (int a = 0; a < W; a++) square[a] = load(rows + a * row_size + p * plane + c);
      transpose<T>(square);
      MLIAP_UNROLL
      for (int k = 0; k < W; k++) Numbers<T, DUAL>::set_plane(columns[c + k], p, square[k]);
    }
}

// The way back.
template <class T, bool DUAL>
void rows_of_columns(const typename Numbers<T, DUAL>::type *columns, int n_columns, T *rows, long row_size, long plane)
{
  constexpr int W = lanes<T>;
  for (int p = 0; p < Numbers<T, DUAL>::planes; p++)
    for (int c = 0; c < n_columns; c += W) {
      Vec<T> square[W];
      MLIAP_UNROLL
      for (int k = 0; k < W; k++) square[k] = Numbers<T, DUAL>::plane_of(columns[c + k], p);
      transpose<T>(square);
      MLIAP_UNROLL
      for (int a = 0; a < W; a++) store<T>(rows + a * row_size + p * plane + c, square[a]);
    }
}

// Features of the moments.
template <class T, bool DUAL, class N = typename Numbers<T, DUAL>::type>
void invariants(const FeaturePlan<T> &plan, const N *moments, N *features)
{
  typedef Numbers<T, DUAL> Number;
  for (int f = plan.n_features; f < plan.n_features_padded; f++) features[f] = Number::constant(T(0));
  if (plan.moment_of_feature) {
    for (int f = 0; f < plan.n_features; f++) features[f] = moments[plan.moment_of_feature[f]];
    return;
  }
  for (int f = 0; f < plan.n_products; f++) {
    const Product &product = plan.products[f];
    N sum = moments[product.a];
    if (product.b >= 0) {
      sum = Number::constant(T(0));
      for (int m = 0; m < product.n_components; m++) sum = sum + moments[product.a + m] * moments[product.b + m];
    }
    features[f] = plan.product_scales[f] * sum;
  }
  N *of_triples = features + plan.n_products;
  for (int t = 0; t < plan.n_triples; t++) of_triples[t] = Number::constant(T(0));
  // Triples innermost: their sums do not wait for each other.
  for (int q = 0; q < plan.n_couplings; q++) {
    const Coupling &coupling = plan.couplings[q];
    for (int k = coupling.first_term; k < coupling.last_term; k++) {
      const auto &term = plan.terms[k];
      for (int t = coupling.first_triple; t < coupling.last_triple; t++) {
        const Triple &triple = plan.triples[t];
        const N bc = moments[triple.b + term.b] * moments[triple.c + term.c];
        of_triples[t] = of_triples[t] + (term.value * moments[triple.a + term.a]) * bc;
      }
    }
  }
  for (int t = 0; t < plan.n_triples; t++) of_triples[t] = plan.triple_scales[t] * of_triples[t];
}

// adjoint = dE/dM from weights = dE/dF.
template <class T, bool DUAL, class N = typename Numbers<T, DUAL>::type>
void invariants_adjoint(const FeaturePlan<T> &plan, const N *moments, const N *weights, N *adjoint)
{
  for (int q = 0; q < plan.n_moments_padded; q++) adjoint[q] = Numbers<T, DUAL>::constant(T(0));
  if (plan.moment_of_feature) {
    for (int f = 0; f < plan.n_features; f++) adjoint[plan.moment_of_feature[f]] = weights[f];
    return;
  }
  for (int f = 0; f < plan.n_products; f++) {
    const Product &product = plan.products[f];
    const N weight = plan.product_scales[f] * weights[f];
    if (product.b < 0) {
      adjoint[product.a] = adjoint[product.a] + weight;
      continue;
    }
    for (int m = 0; m < product.n_components; m++) {
      adjoint[product.a + m] = adjoint[product.a + m] + weight * moments[product.b + m];
      adjoint[product.b + m] = adjoint[product.b + m] + weight * moments[product.a + m];
    }
  }
  for (int q = 0; q < plan.n_couplings; q++) {
    const Coupling &coupling = plan.couplings[q];
    for (int k = coupling.first_term; k < coupling.last_term; k++) {
      const auto &term = plan.terms[k];
      for (int t = coupling.first_triple; t < coupling.last_triple; t++) {
        const Triple &triple = plan.triples[t];
        const int qa = triple.a + term.a, qb = triple.b + term.b, qc = triple.c + term.c;
        const N factor = (term.value * plan.triple_scales[t]) * weights[plan.n_products + t];
        const N a = moments[qa], b = moments[qb], c = moments[qc];
        const N fb = factor * b;
        adjoint[qa] = adjoint[qa] + fb * c;
        adjoint[qb] = adjoint[qb] + factor * (a * c);
        adjoint[qc] = adjoint[qc] + fb * a;
      }
    }
  }
}

}  // namespace MLIAP_SIMD
