// Numbers that carry their derivative along one direction: the same source that computes features and gradients gives
// the change of both when the atoms are displaced.
#pragma once

#include "simd.h"

namespace MLIAP_SIMD {

template <class T>
struct Dual {
  Vec<T> value;
  Vec<T> tangent;
};

template <class T>
MLIAP_INLINE Dual<T> operator+(Dual<T> a, Dual<T> b)
{
  return {a.value + b.value, a.tangent + b.tangent};
}
template <class T>
MLIAP_INLINE Dual<T> operator-(Dual<T> a, Dual<T> b)
{
  return {a.value - b.value, a.tangent - b.tangent};
}
template <class T>
MLIAP_INLINE Dual<T> operator*(Dual<T> a, Dual<T> b)
{
  return {a.value * b.value, a.value * b.tangent + a.tangent * b.value};
}
template <class T>
MLIAP_INLINE Dual<T> operator*(T a, Dual<T> b)
{
  return {a * b.value, a * b.tangent};
}
template <class T>
MLIAP_INLINE Dual<T> operator*(Dual<T> a, T b)
{
  return b * a;
}
// What differs between plain vectors and dual ones: how they are made, read and written. A number lies in one plane
// of memory, its tangent `plane` numbers further on.
template <class T, bool DUAL>
struct Numbers;

template <class T>
struct Numbers<T, false> {
  typedef Vec<T> type;
  static constexpr int planes = 1;
  static MLIAP_INLINE type read(const T *p, long) { return load<T>(p); }
  static MLIAP_INLINE void write(T *p, long, type v) { store<T>(p, v); }
  static MLIAP_INLINE type broadcast(const T *p, long) { return splat<T>(*p); }
  static MLIAP_INLINE type constant(T x) { return splat<T>(x); }
  static MLIAP_INLINE Vec<T> plane_of(type v, int) { return v; }
  static MLIAP_INLINE void set_plane(type &v, int, Vec<T> part) { v = part; }
  // A function of the distance whose value and slope are known, where the distance changes at `rate`.
  static MLIAP_INLINE type function(const T *value, const T *, const T *) { return load<T>(value); }
};

template <class T>
struct Numbers<T, true> {
  typedef Dual<T> type;
  static constexpr int planes = 2;
  static MLIAP_INLINE type read(const T *p, long plane) { return {load<T>(p), load<T>(p + plane)}; }
  static MLIAP_INLINE void write(T *p, long plane, type v)
  {
    store<T>(p, v.value);
    store<T>(p + plane, v.tangent);
  }
  static MLIAP_INLINE type broadcast(const T *p, long plane) { return {splat<T>(p[0]), splat<T>(p[plane])}; }
  static MLIAP_INLINE type constant(T x) { return {splat<T>(x), splat<T>(T(0))}; }
  static MLIAP_INLINE Vec<T> plane_of(type v, int plane) { return plane == 0 ? v.value : v.tangent; }
  static MLIAP_INLINE void set_plane(type &v, int plane, Vec<T> part) { (plane == 0 ? v.value : v.tangent) = part; }
  static MLIAP_INLINE type function(const T *value, const T *slope, const T *rate)
  {
    return {load<T>(value), load<T>(slope) * load<T>(rate)};
  }
};

}  // namespace MLIAP_SIMD
