// Memory of a network in training: its weights as the products want them, activations of a block of atoms, gradients.
#pragma once

#include "arena.h"
#include "matrix_product.h"
#include "plan.h"

namespace MLIAP_SIMD {

using mliap::kAtomBlock;
using mliap::NetworkTask;

template <class T>
void fill_rows(T *block, long n_rows, long row_size, const T *row)
{
  for (long i = 0; i < n_rows; i++) __builtin_memcpy(block + i * row_size, row, row_size * sizeof(T));
}

template <class T>
void clear(T *block, long n)
{
  for (long k = 0; k < n; k += lanes<T>) store(block + k, splat<T>(T(0)));
}

// Rows (n_rows, n_columns) of the caller -> rows padded with zeros to whole vectors.
template <class T>
void read_rows(const T *from, long from_row, long n_rows, long n_columns, T *to)
{
  const long to_row = whole<T>(n_columns);
  for (long i = 0; i < n_rows; i++) {
    __builtin_memcpy(to + i * to_row, from + i * from_row, n_columns * sizeof(T));
    for (long k = n_columns; k < to_row; k++) to[i * to_row + k] = T(0);
  }
}

// The way back, without the padding.
template <class T>
void write_rows(const T *from, long n_rows, long n_columns, T *to, long to_row)
{
  for (long i = 0; i < n_rows; i++)
    __builtin_memcpy(to + i * to_row, from + i * whole<T>(n_columns), n_columns * sizeof(T));
}

// Memory of one layer; rows are padded to whole vectors.
template <class T>
struct LayerMemory {
  long n_in, n_out, in_row, out_row;
  T *weights, *transposed, *biases;    // (n_out, in_row), (n_in, out_row), (out_row)
  T *weight_gradient, *bias_gradient;  // (n_out, in_row), (out_row)
  T *z, *u, *g, *a, *h, *v, *q, *r;    // (kAtomBlock, out_row), as in network_training.h
};

template <class T>
struct NetworkMemory {
  int n_layers;  // hidden ones, of SiLU
  long n_features, feature_row;
  LayerMemory<T> layers[mliap::kMaxLayers];
  T *x, *v;                            // (kAtomBlock, feature_row): features, and slopes or the loss by them
  T *output;                           // (row of the last layer): w
  T *output_gradient;                  // the same, dw
  T *linear, *linear_gradient;         // (n_elements, feature_row)
  T *offset_gradient;                  // (n_elements)
  T output_bias, output_bias_gradient;

  NetworkMemory(const NetworkTask<T> &task, Arena &arena)
  {
    n_layers = task.n_layers - 1;
    n_features = task.sizes[0];
    feature_row = whole<T>(n_features);
    for (int l = 0; l < n_layers; l++) {
      LayerMemory<T> &layer = layers[l];
      layer.n_in = task.sizes[l];
      layer.n_out = task.sizes[l + 1];
      layer.in_row = whole<T>(layer.n_in);
      layer.out_row = whole<T>(layer.n_out);
      layer.weights = arena.take<T>(layer.n_out * layer.in_row);
      layer.transposed = arena.take<T>(layer.n_in * layer.out_row);
      layer.weight_gradient = arena.take<T>(layer.n_out * layer.in_row);
      layer.biases = arena.take<T>(layer.out_row);
      layer.bias_gradient = arena.take<T>(layer.out_row);
      T **blocks[] = {&layer.z, &layer.u, &layer.g, &layer.a, &layer.h, &layer.v, &layer.q, &layer.r};
      for (T **block : blocks) *block = arena.take<T>(kAtomBlock * layer.out_row);
    }
    x = arena.take<T>(kAtomBlock * feature_row);
    v = arena.take<T>(kAtomBlock * feature_row);
    const long last_row = whole<T>(task.sizes[n_layers]);
    output = arena.take<T>(last_row);
    output_gradient = arena.take<T>(last_row);
    linear = arena.take<T>(task.n_elements * feature_row);
    linear_gradient = arena.take<T>(task.n_elements * feature_row);
    offset_gradient = arena.take<T>(whole<T>(task.n_elements));
    if (!arena.base) return;
    read_weights(task);
    if (task.gradient) clear_gradient(task);
  }

 private:
  void read_weights(const NetworkTask<T> &task)
  {
    for (int l = 0; l < n_layers; l++) {
      const LayerMemory<T> &layer = layers[l];
      read_rows(task.weights[l], layer.n_in, layer.n_out, layer.n_in, layer.weights);
      read_rows(task.biases[l], 0, 1, layer.n_out, layer.biases);
      for (long o = 0; o < layer.n_out; o += lanes<T>)
        for (long i = 0; i < layer.n_in; i += lanes<T>) transpose_square(layer, o, i);
    }
    read_rows(task.weights[n_layers], 0, 1, task.sizes[n_layers], output);
    output_bias = task.biases[n_layers][0];
    read_rows(task.linear, n_features, task.n_elements, n_features, linear);
  }

  void clear_gradient(const NetworkTask<T> &task)
  {
    for (int l = 0; l < n_layers; l++) {
      clear(layers[l].weight_gradient, layers[l].n_out * layers[l].in_row);
      clear(layers[l].bias_gradient, layers[l].out_row);
    }
    clear(output_gradient, whole<T>(task.sizes[n_layers]));
    clear(linear_gradient, task.n_elements * feature_row);
    clear(offset_gradient, task.n_elements);
    output_bias_gradient = T(0);
  }

  void transpose_square(const LayerMemory<T> &layer, long first_out, long first_in)
  {
    Vec<T> square[lanes<T>];
    for (int k = 0; k < lanes<T>; k++)
      square[k] = first_out + k < layer.n_out ? load(layer.weights + (first_out + k) * layer.in_row + first_in)
                                              : splat<T>(T(0));
    transpose<T>(square);
    for (int k = 0; k < lanes<T> && first_in + k < layer.n_in; k++)
      store(layer.transposed + (first_in + k) * layer.out_row + first_out, square[k]);
  }
};

}  // namespace MLIAP_SIMD
