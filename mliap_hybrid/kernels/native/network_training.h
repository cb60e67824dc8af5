// Energies of atoms and their slopes by the features, of a network whose weights change from call to call; and what
// both change with the weights. The formulas, with layers l = 0 ... L - 1 of SiLU, s, and one linear map to the energy:
//
//   there      a_-1 = x,      z_l = W_l a_l-1 + b_l,      a_l = s(z_l),      E = w . a_L-1 + b
//              u_L-1 = w,     g_l = u_l s'(z_l),          u_l-1 = W_l^T g_l,      dE/dx = u_-1
//   back       with the derivatives of a loss by E, e, and by dE/dx, v_-1:
//              h_l = W_l v_l-1,       v_l = h_l s'(z_l),       dW_l += g_l v_l-1^T
//              r_L-1 = e w,           q_l = r_l s'(z_l) + h_l u_l s''(z_l),      r_l-1 = W_l^T q_l
//              dW_l += q_l a_l-1^T,   db_l += q_l,             dw += v_L-1 + e a_L-1,      db += e
//              r_-1, the derivative by x, where it is asked for
//
// Each element has a linear term of its own, which adds to E and dE/dx.
#pragma once

#include "network.h"
#include "network_memory.h"

namespace MLIAP_SIMD {

// SiLU of a vector and its first two derivatives.
template <class T>
struct Silu {
  Vec<T> value, slope, bend;
};

template <class T>
MLIAP_INLINE Silu<T> silu(Vec<T> z)
{
  const Vec<T> sigmoid = T(1) / (T(1) + exponential(-z));
  const Vec<T> rest = T(1) - sigmoid;
  return {z * sigmoid, sigmoid * (T(1) + z * rest), sigmoid * rest * (T(2) + z * (rest - sigmoid))};
}

template <class T>
T dot(const T *a, const T *b, long n_padded)
{
  Vec<T> sum = splat<T>(T(0));
  for (long k = 0; k < n_padded; k += lanes<T>) sum = sum + load(a + k) * load(b + k);
  T total = T(0);
  for (int k = 0; k < lanes<T>; k++) total += sum[k];
  return total;
}

// row += factor * other
template <class T>
void add_row(T *row, T factor, const T *other, long n_padded)
{
  for (long k = 0; k < n_padded; k += lanes<T>) store(row + k, load(row + k) + factor * load(other + k));
}

// Numbers of an atom that the way back needs: z and u of each layer.
template <class T>
long state_size(const NetworkTask<T> &task)
{
  long size = 0;
  for (int l = 1; l < task.n_layers; l++) size += 2 * task.sizes[l];
  return size;
}

template <class T>
long row_of_last(const NetworkMemory<T> &memory)
{
  return memory.n_layers == 0 ? memory.feature_row : memory.layers[memory.n_layers - 1].out_row;
}

// Energies, slopes and state of atoms first ... first + n - 1.
template <class T>
void slopes_of_block(const NetworkTask<T> &task, NetworkMemory<T> &memory, int64_t first, long n)
{
  const long n_features = memory.n_features, feature_row = memory.feature_row;
  read_rows(task.features + first * n_features, n_features, n, n_features, memory.x);
  const T *in = memory.x;
  for (int l = 0; l < memory.n_layers; l++) {
    const LayerMemory<T> &layer = memory.layers[l];
    fill_rows(layer.z, n, layer.out_row, layer.biases);
    add_product<T>(n, layer.n_out, layer.n_in, {in, layer.in_row, 1}, layer.transposed, layer.z);
    for (long k = 0; k < n * layer.out_row; k += lanes<T>) {
      const Silu<T> s = silu<T>(load(layer.z + k));
      store(layer.a + k, s.value);
      store(layer.g + k, s.slope);
    }
    in = layer.a;
  }
  const long last_row = row_of_last(memory);
  for (long i = 0; i < n; i++) {
    const T *linear = memory.linear + task.rows[first + i] * feature_row;
    task.energies[first + i] = dot(in + i * last_row, memory.output, last_row) + memory.output_bias +
        dot(memory.x + i * feature_row, linear, feature_row) + task.offset[task.rows[first + i]];
    __builtin_memcpy(memory.v + i * feature_row, linear, feature_row * sizeof(T));
    if (memory.n_layers == 0) add_row(memory.v + i * feature_row, T(1), memory.output, feature_row);
  }
  for (int l = memory.n_layers - 1; l >= 0; l--) {
    const LayerMemory<T> &layer = memory.layers[l];
    if (l == memory.n_layers - 1) fill_rows(layer.u, n, layer.out_row, memory.output);
    for (long k = 0; k < n * layer.out_row; k += lanes<T>) store(layer.g + k, load(layer.u + k) * load(layer.g + k));
    T *u = l == 0 ? memory.v : memory.layers[l - 1].u;  // v has the linear terms already
    if (l > 0) clear(u, n * layer.in_row);
    add_product<T>(n, layer.n_in, layer.n_out, {layer.g, layer.out_row, 1}, layer.weights, u);
  }
  write_rows(memory.v, n, n_features, task.slopes + first * n_features, n_features);
  if (!task.state) return;
  const long size = state_size(task);
  T *state = task.state + first * size;
  for (int l = 0; l < memory.n_layers; l++) {
    const LayerMemory<T> &layer = memory.layers[l];
    write_rows(layer.z, n, layer.n_out, state, size);
    write_rows(layer.u, n, layer.n_out, state + layer.n_out, size);
    state += 2 * layer.n_out;
  }
}

// What atoms first ... first + n - 1 add to the gradient of the loss.
template <class T>
void gradient_of_block(const NetworkTask<T> &task, NetworkMemory<T> &memory, int64_t first, long n)
{
  const long n_features = memory.n_features, feature_row = memory.feature_row, size = state_size(task);
  read_rows(task.features + first * n_features, n_features, n, n_features, memory.x);
  read_rows(task.slope_gradient + first * n_features, n_features, n, n_features, memory.v);
  const T *state = task.state + first * size;
  const T *v = memory.v, *a = memory.x;
  for (int l = 0; l < memory.n_layers; l++) {
    const LayerMemory<T> &layer = memory.layers[l];
    const long n_block = n * layer.out_row;
    read_rows(state, size, n, layer.n_out, layer.z);
    read_rows(state + layer.n_out, size, n, layer.n_out, layer.u);
    state += 2 * layer.n_out;
    clear(layer.h, n_block);
    add_product<T>(n, layer.n_out, layer.n_in, {v, layer.in_row, 1}, layer.transposed, layer.h);
    for (long k = 0; k < n_block; k += lanes<T>) {
      const Silu<T> s = silu<T>(load(layer.z + k));
      const Vec<T> u = load(layer.u + k), h = load(layer.h + k);
      store(layer.a + k, s.value);
      store(layer.g + k, u * s.slope);
      store(layer.v + k, h * s.slope);
      store(layer.q + k, h * u * s.bend);
      store(layer.z + k, s.slope);  // for the way back
    }
    add_product<T>(layer.n_out, layer.n_in, n, {layer.g, 1, layer.out_row}, v, layer.weight_gradient);
    v = layer.v;
    a = layer.a;
  }
  const long last_row = row_of_last(memory);
  for (long i = 0; i < n; i++) {
    const T e = task.energy_gradient[first + i];
    const int64_t row = task.rows[first + i];
    add_row(memory.output_gradient, T(1), v + i * last_row, last_row);
    add_row(memory.output_gradient, e, a + i * last_row, last_row);
    memory.output_bias_gradient += e;
    add_row(memory.linear_gradient + row * feature_row, T(1), memory.v + i * feature_row, feature_row);
    add_row(memory.linear_gradient + row * feature_row, e, memory.x + i * feature_row, feature_row);
    memory.offset_gradient[row] += e;
  }
  for (int l = memory.n_layers - 1; l >= 0; l--) {
    const LayerMemory<T> &layer = memory.layers[l];
    if (l == memory.n_layers - 1)
      for (long i = 0; i < n; i++) {
        clear(layer.r + i * layer.out_row, layer.out_row);
        add_row(layer.r + i * layer.out_row, task.energy_gradient[first + i], memory.output, layer.out_row);
      }
    for (long k = 0; k < n * layer.out_row; k += lanes<T>)
      store(layer.q + k, load(layer.q + k) + load(layer.r + k) * load(layer.z + k));
    for (long i = 0; i < n; i++) add_row(layer.bias_gradient, T(1), layer.q + i * layer.out_row, layer.out_row);
    const T *in = l == 0 ? memory.x : memory.layers[l - 1].a;
    add_product<T>(layer.n_out, layer.n_in, n, {layer.q, 1, layer.out_row}, in, layer.weight_gradient);
    if (l == 0 && !task.feature_gradient) break;
    T *r = l == 0 ? memory.x : memory.layers[l - 1].r;  // of the features nothing more is asked
    clear(r, n * layer.in_row);
    add_product<T>(n, layer.n_in, layer.n_out, {layer.q, layer.out_row, 1}, layer.weights, r);
  }
  if (!task.feature_gradient) return;
  if (memory.n_layers == 0) clear(memory.x, n * feature_row);
  for (long i = 0; i < n; i++) {
    const T e = task.energy_gradient[first + i];
    T *r = memory.x + i * feature_row;
    add_row(r, e, memory.linear + task.rows[first + i] * feature_row, feature_row);
    if (memory.n_layers == 0) add_row(r, e, memory.output, feature_row);
  }
  write_rows(memory.x, n, n_features, task.feature_gradient + first * n_features, n_features);
}

// The gradients as the caller wants them: weights and biases of one layer after the other, linear terms, offsets.
template <class T>
void write_gradient(const NetworkTask<T> &task, const NetworkMemory<T> &memory, T *out)
{
  for (int l = 0; l < memory.n_layers; l++) {
    const LayerMemory<T> &layer = memory.layers[l];
    write_rows(layer.weight_gradient, layer.n_out, layer.n_in, out, layer.n_in);
    out += layer.n_out * layer.n_in;
    __builtin_memcpy(out, layer.bias_gradient, layer.n_out * sizeof(T));
    out += layer.n_out;
  }
  const long n_last = task.sizes[memory.n_layers];
  __builtin_memcpy(out, memory.output_gradient, n_last * sizeof(T));
  out += n_last;
  *out++ = memory.output_bias_gradient;
  write_rows(memory.linear_gradient, task.n_elements, memory.n_features, out, memory.n_features);
  out += task.n_elements * memory.n_features;
  __builtin_memcpy(out, memory.offset_gradient, task.n_elements * sizeof(T));
}

template <class T>
int64_t network_scratch_bytes(const NetworkTask<T> &task)
{
  Arena arena(nullptr);
  NetworkMemory<T> memory(task, arena);
  return arena.used;
}

// Do something with one block of a task's atoms after the other.
template <class T, class Work>
void each_block(const NetworkTask<T> &task, NetworkMemory<T> &memory, Work work)
{
  for (int64_t first = task.first_atom; first < task.last_atom; first += kAtomBlock) {
    const int64_t left = task.last_atom - first;
    work(task, memory, first, left < kAtomBlock ? long(left) : kAtomBlock);
  }
}

// Energies and slopes of the atoms of a task.
template <class T>
void network_slopes(const NetworkTask<T> &task, char *scratch)
{
  Arena arena(scratch);
  NetworkMemory<T> memory(task, arena);
  each_block(task, memory, slopes_of_block<T>);
}

// What they add to the gradient of a loss.
template <class T>
void network_gradient(const NetworkTask<T> &task, char *scratch)
{
  Arena arena(scratch);
  NetworkMemory<T> memory(task, arena);
  each_block(task, memory, gradient_of_block<T>);
  write_gradient(task, memory, task.gradient);
}

}  // namespace MLIAP_SIMD
