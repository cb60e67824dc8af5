// How far an atom is from those that the network was trained on, as the last hidden layer has it
// (model/training_distance.py).
#pragma once

#include "network.h"

namespace MLIAP_SIMD {

// |A_e h + b_e|^2 of each lane, with e the element of its centre and h the outputs of the last hidden layer.
template <class T>
Vec<T> squared_distance(const LayerPlan<T> *of_elements, int n_elements, const int32_t *rows, const Vec<T> *hidden)
{
  constexpr int B = mliap::kNetworkBlock;
  Vec<T> squares = splat<T>(T(0));
  for (int e = 0; e < n_elements; e++) {
    Vec<T> is_of;
    if (!lanes_of_element<T>(rows, e, is_of)) continue;
    const LayerPlan<T> &map = of_elements[e];
    Vec<T> of_element = splat<T>(T(0)), parts[B];
    for (int o = 0; o < map.n_outputs; o += B) {
      linear_map<T>(map.weights + long(o) * map.n_inputs, map.biases + o, map.n_inputs, B, hidden, parts);
      for (int k = 0; k < B; k++) of_element = of_element + parts[k] * parts[k];
    }
    squares = squares + is_of * of_element;
  }
  return squares;
}

}  // namespace MLIAP_SIMD
