// Products of small matrices, such as the layers of a network: everything fits the caches, so what counts is that the
// sums stay in registers.
#pragma once

#include "simd.h"

namespace MLIAP_SIMD {

// Numbers that fill whole vectors.
template <class T>
constexpr long whole(long n)
{
  return (n + lanes<T> - 1) / lanes<T> * lanes<T>;
}

// A matrix of the caller: element (i, k) is at data[i * row + k * column], so that a transposed one is one as well.
template <class T>
struct Strided {
  const T *data;
  long row, column;
};

// Sums that fit the registers beside one row of b: 16 of them, 32 with vectors of 64 bytes.
constexpr int kTileRows = 6;
constexpr int kTileVectors = MLIAP_SIMD_BYTES == 64 ? 4 : 2;

// c (R, V vectors) += a (R, n) b (n, V vectors).
template <class T, int R, int V>
void add_tile(Strided<T> a, long n, const T *b, long b_row, T *c, long c_row)
{
  Vec<T> sum[R][V];
  MLIAP_UNROLL
  for (int r = 0; r < R; r++) {
    MLIAP_UNROLL
    for (int v = 0; v < V; v++) sum[r][v] = load(c + r * c_row + v * lanes<T>);
  }
  for (long k = 0; k < n; k++) {
    Vec<T> of_b[V];
    MLIAP_UNROLL
    for (int v = 0; v < V; v++) of_b[v] = load(b + k * b_row + v * lanes<T>);
    MLIAP_UNROLL
    for (int r = 0; r < R; r++) {
      const Vec<T> of_a = splat<T>(a.data[r * a.row + k * a.column]);
      MLIAP_UNROLL
      for (int v = 0; v < V; v++) sum[r][v] = sum[r][v] + of_a * of_b[v];
    }
  }
  MLIAP_UNROLL
  for (int r = 0; r < R; r++) {
    MLIAP_UNROLL
    for (int v = 0; v < V; v++) store(c + r * c_row + v * lanes<T>, sum[r][v]);
  }
}

// The same for any number of rows up to R.
template <class T, int R, int V>
void add_rows(int n_rows, Strided<T> a, long n, const T *b, long b_row, T *c, long c_row)
{
  if constexpr (R > 1) {
    if (n_rows < R) return add_rows<T, R - 1, V>(n_rows, a, n, b, b_row, c, c_row);
  }
  add_tile<T, R, V>(a, n, b, b_row, c, c_row);
}

// One panel of at most V vectors.
template <class T, int V>
void add_panel(int n_vectors, long n_rows, Strided<T> a, long n, const T *b, long b_row, T *c, long c_row)
{
  if constexpr (V > 1) {
    if (n_vectors < V) return add_panel<T, V - 1>(n_vectors, n_rows, a, n, b, b_row, c, c_row);
  }
  for (long i = 0; i < n_rows; i += kTileRows) {
    const long left = n_rows - i;
    const Strided<T> rows{a.data + i * a.row, a.row, a.column};
    add_rows<T, kTileRows, V>(left < kTileRows ? int(left) : kTileRows, rows, n, b, b_row, c + i * c_row, c_row);
  }
}

// c (n_rows, n_columns) += a (n_rows, n) b (n, n_columns); rows of b and c hold whole vectors.
template <class T>
void add_product(long n_rows, long n_columns, long n, Strided<T> a, const T *b, T *c)
{
  const long row = whole<T>(n_columns);
  for (long j = 0; j < row; j += kTileVectors * lanes<T>) {
    const long left = (row - j) / lanes<T>;
    add_panel<T, kTileVectors>(left < kTileVectors ? int(left) : kTileVectors, n_rows, a, n, b + j, row, c + j, row);
  }
}

}  // namespace MLIAP_SIMD
