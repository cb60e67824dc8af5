// Energy of atoms from their features, and its gradient: a SiLU network with as many atoms side by side as there are
// lanes, plus a linear term for each element.
#pragma once

#include "arena.h"
#include "plan.h"
#include "simd.h"

namespace MLIAP_SIMD {

using mliap::LayerPlan;
using mliap::NetworkPlan;
using mliap::Networks;

// exp(x) to rounding: 2^n exp(f) with |f| <= ln(2) / 2 and a Taylor polynomial.
MLIAP_INLINE Vec<float> exponential(Vec<float> x)
{
  const Vec<float> high = splat(87.0f), low = splat(-87.0f);
  x = x > high ? high : x;
  x = x < low ? low : x;
  const Vec<float> magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to whole numbers
  const Vec<float> n = (x * 1.44269504f + magic) - magic;
  const Vec<float> f = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  Vec<float> p = splat(1.0f / 5040.0f);
  p = p * f + 1.0f / 720.0f;
  p = p * f + 1.0f / 120.0f;
  p = p * f + 1.0f / 24.0f;
  p = p * f + 1.0f / 6.0f;
  p = p * f + 0.5f;
  p = p * f + 1.0f;
  p = p * f + 1.0f;
  return p * (Vec<float>)((__builtin_convertvector(n, IntVec<float>) + 127) << 23);
}

MLIAP_INLINE Vec<double> exponential(Vec<double> x)
{
  const Vec<double> high = splat(700.0), low = splat(-700.0);
  x = x > high ? high : x;
  x = x < low ? low : x;
  const Vec<double> magic = splat(6755399441055744.0);  // 1.5 * 2^52
  const Vec<double> shifted = x * 1.4426950408889634 + magic;
  const Vec<double> n = shifted - magic;
  const Vec<double> f = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
  double coefficient = 1.0 / 6227020800.0;  // 1 / 13!
  Vec<double> p = splat(coefficient);
  MLIAP_UNROLL
  for (int k = 13; k >= 1; k--) {
    coefficient *= k;
    p = p * f + coefficient;
  }
  // The low bits of `shifted` hold the whole number n.
  const IntVec<double> exponent = (IntVec<double>)shifted - (IntVec<double>)magic;
  return p * (Vec<double>)((exponent + 1023) << 52);
}

// out = W in (+ biases) for all lanes; weights in blocks of outputs, inputs within a block, outputs innermost.
template <class T>
void linear_map(const T *weights, const T *biases, int n_inputs, int n_outputs, const Vec<T> *in, Vec<T> *out)
{
  constexpr int B = mliap::kNetworkBlock;
  for (int o = 0; o < n_outputs; o += B, weights += n_inputs * B) {
    Vec<T> sum[B];
    MLIAP_UNROLL
    for (int k = 0; k < B; k++) sum[k] = splat<T>(biases ? biases[o + k] : T(0));
    for (int i = 0; i < n_inputs; i++) {
      const Vec<T> x = in[i];
      MLIAP_UNROLL
      for (int k = 0; k < B; k++) sum[k] = sum[k] + weights[i * B + k] * x;
    }
    MLIAP_UNROLL
    for (int k = 0; k < B; k++) out[o + k] = sum[k];
  }
}

// 1 in the lanes whose centre is of element e and 0 in the others -> is_of; whether there is such a lane.
template <class T>
MLIAP_INLINE bool lanes_of_element(const int32_t *rows, int e, Vec<T> &is_of)
{
  is_of = splat<T>(T(0));
  bool present = false;
  for (int a = 0; a < lanes<T>; a++)
    if (rows[a] == e) {
      is_of[a] = T(1);
      present = true;
    }
  return present;
}

// Activations of all hidden layers and their slopes; large enough for any of the networks.
template <class T>
struct NetworkState {
  Vec<T> *linear;  // gradient of the linear terms
  Vec<T> *values[mliap::kMaxLayers];
  Vec<T> *slopes[mliap::kMaxLayers];
};

template <class T>
NetworkState<T> make_network_state(const Networks<T> &networks, int n_inputs_padded, Arena &arena)
{
  NetworkState<T> state{};
  state.linear = arena.take<Vec<T>>(n_inputs_padded);
  for (int l = 0; l + 1 < mliap::kMaxLayers; l++) {
    int widest = 0;
    for (int k = 0; k < networks.n; k++) {
      const NetworkPlan<T> &plan = networks.plans[k];
      if (l + 1 < plan.n_layers && plan.layers[l].n_outputs > widest) widest = plan.layers[l].n_outputs;
    }
    state.values[l] = arena.take<Vec<T>>(widest);
    state.slopes[l] = arena.take<Vec<T>>(widest);
  }
  return state;
}

// Energies of the lanes' atoms from features (n_inputs); dE/dF -> gradient (n_inputs), which is scratch where it is not
// asked for.
template <class T, bool GRADIENT = true>
Vec<T> network_energy(const NetworkPlan<T> &plan, const int32_t *rows, int n_elements, const Vec<T> *features,
                      NetworkState<T> &state, Vec<T> *gradient)
{
  const int n_features = plan.n_inputs;
  Vec<T> *shifted = gradient;  // until the way back
  for (int f = 0; f < n_features; f++) shifted[f] = features[f] - plan.shift[f];
  // Weights of the inputs that fill a block up are zero, which only a number stands.
  for (int f = n_features; f < plan.layers[0].n_inputs; f++) shifted[f] = splat<T>(T(0));
  const Vec<T> *in = shifted;
  const int last = plan.n_layers - 1;
  for (int l = 0; l < last; l++) {
    const LayerPlan<T> &layer = plan.layers[l];
    linear_map<T>(layer.weights, layer.biases, layer.n_inputs, layer.n_outputs, in, state.values[l]);
    for (int k = 0; k < layer.n_outputs; k++) {
      const Vec<T> x = state.values[l][k];
      const Vec<T> sigmoid = T(1) / (T(1) + exponential(-x));
      state.values[l][k] = x * sigmoid;
      state.slopes[l][k] = sigmoid * (T(1) + x * (T(1) - sigmoid));
    }
    in = state.values[l];
  }
  const LayerPlan<T> &output = plan.layers[last];
  Vec<T> energy = splat<T>(output.biases[0]);
  for (int k = 0; k < output.n_inputs; k++) energy = energy + output.transposed[k] * in[k];

  // Linear terms: each element's weights for the lanes that are of it.
  Vec<T> *linear = state.linear;
  for (int f = 0; f < n_features; f++) linear[f] = splat<T>(T(0));
  for (int e = 0; e < n_elements; e++) {
    Vec<T> is_of;
    if (!lanes_of_element<T>(rows, e, is_of)) continue;
    const T *weights = plan.linear + e * n_features;
    for (int f = 0; f < n_features; f++) linear[f] = linear[f] + weights[f] * is_of;
  }
  for (int f = 0; f < n_features; f++) energy = energy + linear[f] * shifted[f];
  if constexpr (!GRADIENT) return energy;

  if (last == 0) {
    for (int f = 0; f < n_features; f++) gradient[f] = linear[f] + output.transposed[f];
    return energy;
  }
  for (int k = 0; k < output.n_inputs; k++) state.slopes[last - 1][k] = output.transposed[k] * state.slopes[last - 1][k];
  for (int l = last - 1; l > 0; l--) {
    const LayerPlan<T> &layer = plan.layers[l];
    Vec<T> *back = state.values[l - 1];  // its values are not needed any more
    linear_map<T>(layer.transposed, nullptr, layer.n_outputs, layer.n_inputs, state.slopes[l], back);
    for (int k = 0; k < layer.n_inputs; k++) state.slopes[l - 1][k] = back[k] * state.slopes[l - 1][k];
  }
  const LayerPlan<T> &first = plan.layers[0];
  linear_map<T>(first.transposed, nullptr, first.n_outputs, first.n_inputs, state.slopes[0], gradient);
  for (int f = 0; f < n_features; f++) gradient[f] = gradient[f] + linear[f];
  return energy;
}

}  // namespace MLIAP_SIMD
