// Contractions whose weights change from call to call: invariants, slopes by the moments, and gradients of a loss by the
// weights. The formulas are at the head of contraction.h.
#pragma once

#include "contraction.h"

namespace MLIAP_SIMD {

// gradient (orders, n_inputs, row) += sum over m of inputs (components, n_inputs) times channels (components, row).
template <class T, int n = 0>
void add_outer_products(const T *inputs, long n_inputs, const T *channels, long row, T *gradient)
{
  constexpr int M = 2 * n + 1;
  const T *x = inputs + n * n * n_inputs, *g = channels + n * n * row;
  T *to = gradient + n * n_inputs * row;
  for (long k = 0; k < row; k += lanes<T>) {
    Vec<T> of_channels[M];
    MLIAP_UNROLL
    for (int m = 0; m < M; m++) of_channels[m] = load(g + m * row + k);
    for (long c = 0; c < n_inputs; c++) {
      Vec<T> sum = load(to + c * row + k);
      MLIAP_UNROLL
      for (int m = 0; m < M; m++) sum = sum + x[m * n_inputs + c] * of_channels[m];
      store(to + c * row + k, sum);
    }
  }
  if constexpr (n + 1 < kOrders) add_outer_products<T, n + 1>(inputs, n_inputs, channels, row, gradient);
}

// Moments as the caller has them: component by component, all inputs of each in a row.
inline MomentPlaces places_of_components(long n_inputs)
{
  static const int32_t the_only_one[] = {0};
  MomentPlaces places{};
  for (int n = 0; n < kOrders; n++) {
    places.start[n] = n * n * n_inputs;
    places.component[n] = n_inputs;
    places.input[n] = 1;
  }
  places.slots = the_only_one;
  places.n_slots = 1;
  places.n_of_slot = n_inputs;
  return places;
}

// result (2n + 1, row) of each order n = channels (2n + 1, channel_row) times W (n_channels, row): dE/dx from dE/dA.
template <class T, int n = 0>
void inputs_of_atom(const Contraction<T> &c, int64_t e, const T *channels, T *result)
{
  constexpr int M = 2 * n + 1;
  const long row = c.input_row;
  const T *weights = c.transposed + (e * kOrders + n) * c.n_channels * row, *g = channels + n * n * c.channel_row;
  for (long i = 0; i < row; i += lanes<T>) {
    Vec<T> sum[M];
    MLIAP_UNROLL
    for (int m = 0; m < M; m++) sum[m] = splat<T>(T(0));
    for (long k = 0; k < c.n_channels; k++) {
      const Vec<T> w = load(weights + k * row + i);
      MLIAP_UNROLL
      for (int m = 0; m < M; m++) sum[m] = sum[m] + g[m * c.channel_row + k] * w;
    }
    MLIAP_UNROLL
    for (int m = 0; m < M; m++) store(result + (n * n + m) * row + i, sum[m]);
  }
  if constexpr (n + 1 < kOrders) inputs_of_atom<T, n + 1>(c, e, channels, result);
}

// Scratch memory of one atom, and the weights in the order of use.
template <class T>
struct ContractionMemory {
  Contraction<T> contraction;
  MomentPlaces places;
  long n_invariants, channel_row, input_row;
  T *a, *tangents, *g, *change;     // (kChannelComponents, channel_row)
  T *b, *w;                         // (n_invariants, channel_row)
  T *x;                             // (kChannelComponents, input_row)
  T *mixing, *transposed, *own;     // as in Contraction
  T *mixing_gradient, *own_gradient;

  ContractionMemory(const ContractionTask<T> &task, Arena &arena)
  {
    const Contraction<T> &c = task.contraction;
    n_invariants = channel_invariants_size(c.body_order);
    places = places_of_components(c.n_inputs);
    channel_row = whole<T>(c.n_channels);
    input_row = whole<T>(c.n_inputs);
    T **rows[] = {&a, &tangents, &g, &change};
    for (T **block : rows) *block = arena.take<T>(kChannelComponents * channel_row);
    b = arena.take<T>(n_invariants * channel_row);
    w = arena.take<T>(n_invariants * channel_row);
    x = arena.take<T>(kChannelComponents * input_row);
    const long n_matrices = c.n_elements * kOrders;
    mixing = arena.take<T>(n_matrices * c.n_inputs * channel_row);
    transposed = arena.take<T>(n_matrices * c.n_channels * input_row);
    own = arena.take<T>(c.n_elements * channel_row);
    mixing_gradient = arena.take<T>(n_matrices * c.n_inputs * channel_row);
    own_gradient = arena.take<T>(c.n_elements * channel_row);
    if (!arena.base) return;
    contraction = c;
    contraction.channel_row = int(channel_row);
    contraction.input_row = int(input_row);
    contraction.mixing = mixing;
    contraction.transposed = transposed;
    contraction.own = own;
    read_rows(c.transposed, c.n_inputs, n_matrices * c.n_channels, c.n_inputs, transposed);
    read_rows(c.own, c.n_channels, c.n_elements, c.n_channels, own);
    clear(mixing, n_matrices * c.n_inputs * channel_row);
    for (long q = 0; q < n_matrices; q++)
      for (long k = 0; k < c.n_channels; k++)
        for (long i = 0; i < c.n_inputs; i++)
          mixing[(q * c.n_inputs + i) * channel_row + k] = c.transposed[(q * c.n_channels + k) * c.n_inputs + i];
    clear(mixing_gradient, n_matrices * c.n_inputs * channel_row);
    clear(own_gradient, c.n_elements * channel_row);
  }

  // The derivative by W of what changes by `by_channels` with A, which are W inputs.
  void add_mixing_gradient(int64_t e, const T *inputs, const T *by_channels)
  {
    add_outer_products<T>(inputs, contraction.n_inputs, by_channels, channel_row,
                          mixing_gradient + e * kOrders * contraction.n_inputs * channel_row);
  }

  void add_own_gradient(int64_t e, const T *by_channels)
  {
    T *gradient = own_gradient + e * channel_row;
    for (long k = 0; k < channel_row; k += lanes<T>) store(gradient + k, load(gradient + k) + load(by_channels + k));
  }

  void write_invariants(T *out) const { write_rows(b, n_invariants, contraction.n_channels, out, contraction.n_channels); }

  // The gradients as the caller wants them: shaped like the weights, then like own.
  void write_gradient(T *out) const
  {
    const Contraction<T> &c = contraction;
    for (long q = 0; q < long(c.n_elements) * kOrders; q++)
      for (long k = 0; k < c.n_channels; k++)
        for (long i = 0; i < c.n_inputs; i++)
          out[(q * c.n_channels + k) * c.n_inputs + i] = mixing_gradient[(q * c.n_inputs + i) * channel_row + k];
    write_rows(own_gradient, c.n_elements, c.n_channels, out + c.n_elements * kOrders * c.n_channels * c.n_inputs,
               c.n_channels);
  }
};

template <class T>
int64_t contraction_scratch_bytes(const ContractionTask<T> &task)
{
  Arena arena(nullptr);
  ContractionMemory<T> memory(task, arena);
  return arena.used;
}

// Rows of an atom in the arrays of the caller.
template <class T>
struct AtomRows {
  int64_t e;
  const T *x;
  int64_t inputs, invariants;  // places of the first number of an atom's moments and invariants

  AtomRows(const ContractionTask<T> &task, int64_t i)
  {
    const Contraction<T> &c = task.contraction;
    e = task.rows[i];
    inputs = i * kChannelComponents * c.n_inputs;
    invariants = i * channel_invariants_size(c.body_order) * c.n_channels;
    x = task.moments + inputs;
  }
};

// Do something for one atom after the other, given the constant of the body order. Its channels are in memory.a then, and
// what is given by its invariants in memory.w.
template <class T, class Work>
void each_atom(const ContractionTask<T> &task, char *scratch, Work work)
{
  Arena arena(scratch);
  ContractionMemory<T> memory(task, arena);
  const Contraction<T> &c = memory.contraction;
  by_body_order(c.body_order, [&](auto body) {
    for (int64_t i = task.first_atom; i < task.last_atom; i++) {
      const AtomRows<T> atom(task, i);
      channels_of_atom(c, atom.e, memory.places, atom.x, true, memory.a);
      if (task.by_invariants)
        read_rows(task.by_invariants + atom.invariants, c.n_channels, memory.n_invariants, c.n_channels, memory.w);
      work(memory, atom, body);
    }
  });
  if (task.gradient) memory.write_gradient(task.gradient);
}

// B of the atoms of a task.
template <class T>
void contract_values(const ContractionTask<T> &task, char *scratch)
{
  each_atom(task, scratch, [&](ContractionMemory<T> &memory, const AtomRows<T> &atom, auto body) {
    invariants_of_atom<T, body.value, false>(memory.channel_row, memory.a, nullptr, memory.b);
    memory.write_invariants(task.invariants + atom.invariants);
  });
}

// What a loss that depends on B has for a gradient by the weights.
template <class T>
void contract_values_back(const ContractionTask<T> &task, char *scratch)
{
  each_atom(task, scratch, [](ContractionMemory<T> &memory, const AtomRows<T> &atom, auto body) {
    adjoint_of_atom<T, body.value, false>(memory.channel_row, memory.a, nullptr, memory.w, memory.g, nullptr);
    memory.add_mixing_gradient(atom.e, atom.x, memory.g);
    memory.add_own_gradient(atom.e, memory.g);
  });
}

// dE/dx from dE/dB.
template <class T>
void contract_slopes(const ContractionTask<T> &task, char *scratch)
{
  each_atom(task, scratch, [&](ContractionMemory<T> &memory, const AtomRows<T> &atom, auto body) {
    const long n_inputs = memory.contraction.n_inputs;
    adjoint_of_atom<T, body.value, false>(memory.channel_row, memory.a, nullptr, memory.w, memory.g, nullptr);
    inputs_of_atom(memory.contraction, atom.e, memory.g, memory.x);
    write_rows(memory.x, kChannelComponents, n_inputs, task.slopes + atom.inputs, n_inputs);
  });
}

// What a loss that depends on dE/dx has for a gradient by dE/dB and by the weights.
template <class T>
void contract_slopes_back(const ContractionTask<T> &task, char *scratch)
{
  each_atom(task, scratch, [&](ContractionMemory<T> &memory, const AtomRows<T> &atom, auto body) {
    const T *v = task.by_slopes + atom.inputs;
    channels_of_atom(memory.contraction, atom.e, memory.places, v, false, memory.tangents);
    invariants_of_atom<T, body.value, true>(memory.channel_row, memory.a, memory.tangents, memory.b);
    memory.write_invariants(task.invariants + atom.invariants);
    adjoint_of_atom<T, body.value, true>(memory.channel_row, memory.a, memory.tangents, memory.w, memory.g,
                                         memory.change);
    memory.add_mixing_gradient(atom.e, atom.x, memory.change);
    memory.add_mixing_gradient(atom.e, v, memory.g);
    memory.add_own_gradient(atom.e, memory.change);
  });
}

}  // namespace MLIAP_SIMD
