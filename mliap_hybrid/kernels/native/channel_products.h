// Written by kernels/channel_code.py: do not edit.
//
// Products of two multipoles of one channel, p = (A_1 A_1)_2 and so on, and the way back: what a function of a product
// has for a gradient by the multipoles, g, from that by the product, d. The coefficients are those of
// features/couplings.py. N is a vector of numbers or of dual numbers of type T.
#pragma once

#include "dual.h"

namespace MLIAP_SIMD {

// What the product of components k1 and k2 adds to g; e is the derivative by it.
template <class N> MLIAP_INLINE void channel_product_adjoint(const N *a, int k1, int k2, const N &e, N *g)
{
  g[k1] = g[k1] + e * a[k2];
  if (k1 != k2) g[k2] = g[k2] + e * a[k1];
}

template <class T, class N> MLIAP_INLINE
void channel_product_112(const N *a, N *p)
{
  p[0] = T(0.6324555320336759) * (a[1] * a[3]);
  p[1] = T(0.6324555320336759) * (a[1] * a[2]);
  p[2] = T(-0.18257418583505536) * (a[1] * a[1]) + T(0.3651483716701107) * (a[2] * a[2]) + T(-0.18257418583505536) * (a[3] * a[3]);
  p[3] = T(0.6324555320336759) * (a[2] * a[3]);
  p[4] = T(-0.31622776601683794) * (a[1] * a[1]) + T(0.31622776601683794) * (a[3] * a[3]);
}

template <class T, class N> MLIAP_INLINE
void channel_adjoint_112(const N *a, const N *d, N *g)
{
  channel_product_adjoint<N>(a, 1, 1, T(-0.3651483716701107) * d[2] + T(-0.6324555320336759) * d[4], g);
  channel_product_adjoint<N>(a, 1, 2, T(0.6324555320336759) * d[1], g);
  channel_product_adjoint<N>(a, 1, 3, T(0.6324555320336759) * d[0], g);
  channel_product_adjoint<N>(a, 2, 2, T(0.7302967433402214) * d[2], g);
  channel_product_adjoint<N>(a, 2, 3, T(0.6324555320336759) * d[3], g);
  channel_product_adjoint<N>(a, 3, 3, T(-0.3651483716701107) * d[2] + T(0.6324555320336759) * d[4], g);
}

template <class T, class N> MLIAP_INLINE
void channel_product_123(const N *a, N *p)
{
  p[0] = T(0.2672612419124244) * (a[1] * a[8]) + T(0.2672612419124244) * (a[3] * a[4]);
  p[1] = T(0.21821789023599236) * (a[1] * a[7]) + T(0.21821789023599236) * (a[2] * a[4]) + T(0.21821789023599236) * (a[3] * a[5]);
  p[2] = T(0.23904572186687872) * (a[1] * a[6]) + T(0.06900655593423542) * (a[1] * a[8]) + T(0.2760262237369417) * (a[2] * a[5]) + T(-0.06900655593423542) * (a[3] * a[4]);
  p[3] = T(-0.1690308509457033) * (a[1] * a[5]) + T(0.29277002188455997) * (a[2] * a[6]) + T(-0.1690308509457033) * (a[3] * a[7]);
  p[4] = T(-0.06900655593423542) * (a[1] * a[4]) + T(0.2760262237369417) * (a[2] * a[7]) + T(0.23904572186687872) * (a[3] * a[6]) + T(-0.06900655593423542) * (a[3] * a[8]);
  p[5] = T(-0.21821789023599236) * (a[1] * a[5]) + T(0.21821789023599236) * (a[2] * a[8]) + T(0.21821789023599236) * (a[3] * a[7]);
  p[6] = T(-0.2672612419124244) * (a[1] * a[4]) + T(0.2672612419124244) * (a[3] * a[8]);
}

template <class T, class N> MLIAP_INLINE
void channel_adjoint_123(const N *a, const N *d, N *g)
{
  channel_product_adjoint<N>(a, 1, 4, T(-0.06900655593423542) * d[4] + T(-0.2672612419124244) * d[6], g);
  channel_product_adjoint<N>(a, 1, 5, T(-0.1690308509457033) * d[3] + T(-0.21821789023599236) * d[5], g);
  channel_product_adjoint<N>(a, 1, 6, T(0.23904572186687872) * d[2], g);
  channel_product_adjoint<N>(a, 1, 7, T(0.21821789023599236) * d[1], g);
  channel_product_adjoint<N>(a, 1, 8, T(0.2672612419124244) * d[0] + T(0.06900655593423542) * d[2], g);
  channel_product_adjoint<N>(a, 2, 4, T(0.21821789023599236) * d[1], g);
  channel_product_adjoint<N>(a, 2, 5, T(0.2760262237369417) * d[2], g);
  channel_product_adjoint<N>(a, 2, 6, T(0.29277002188455997) * d[3], g);
  channel_product_adjoint<N>(a, 2, 7, T(0.2760262237369417) * d[4], g);
  channel_product_adjoint<N>(a, 2, 8, T(0.21821789023599236) * d[5], g);
  channel_product_adjoint<N>(a, 3, 4, T(0.2672612419124244) * d[0] + T(-0.06900655593423542) * d[2], g);
  channel_product_adjoint<N>(a, 3, 5, T(0.21821789023599236) * d[1], g);
  channel_product_adjoint<N>(a, 3, 6, T(0.23904572186687872) * d[4], g);
  channel_product_adjoint<N>(a, 3, 7, T(-0.1690308509457033) * d[3] + T(0.21821789023599236) * d[5], g);
  channel_product_adjoint<N>(a, 3, 8, T(-0.06900655593423542) * d[4] + T(0.2672612419124244) * d[6], g);
}

template <class T, class N> MLIAP_INLINE
void channel_product_222(const N *a, N *p)
{
  p[0] = T(-0.47809144373375745) * (a[4] * a[6]) + T(0.4140393356054125) * (a[5] * a[7]);
  p[1] = T(0.4140393356054125) * (a[4] * a[7]) + T(0.23904572186687872) * (a[5] * a[6]) + T(-0.4140393356054125) * (a[5] * a[8]);
  p[2] = T(-0.23904572186687872) * (a[4] * a[4]) + T(0.11952286093343936) * (a[5] * a[5]) + T(0.23904572186687872) * (a[6] * a[6]) + T(0.11952286093343936) * (a[7] * a[7]) + T(-0.23904572186687872) * (a[8] * a[8]);
  p[3] = T(0.4140393356054125) * (a[4] * a[5]) + T(0.23904572186687872) * (a[6] * a[7]) + T(0.4140393356054125) * (a[7] * a[8]);
  p[4] = T(-0.20701966780270625) * (a[5] * a[5]) + T(-0.47809144373375745) * (a[6] * a[8]) + T(0.20701966780270625) * (a[7] * a[7]);
}

template <class T, class N> MLIAP_INLINE
void channel_adjoint_222(const N *a, const N *d, N *g)
{
  channel_product_adjoint<N>(a, 4, 4, T(-0.47809144373375745) * d[2], g);
  channel_product_adjoint<N>(a, 4, 5, T(0.4140393356054125) * d[3], g);
  channel_product_adjoint<N>(a, 4, 6, T(-0.47809144373375745) * d[0], g);
  channel_product_adjoint<N>(a, 4, 7, T(0.4140393356054125) * d[1], g);
  channel_product_adjoint<N>(a, 5, 5, T(0.23904572186687872) * d[2] + T(-0.4140393356054125) * d[4], g);
  channel_product_adjoint<N>(a, 5, 6, T(0.23904572186687872) * d[1], g);
  channel_product_adjoint<N>(a, 5, 7, T(0.4140393356054125) * d[0], g);
  channel_product_adjoint<N>(a, 5, 8, T(-0.4140393356054125) * d[1], g);
  channel_product_adjoint<N>(a, 6, 6, T(0.47809144373375745) * d[2], g);
  channel_product_adjoint<N>(a, 6, 7, T(0.23904572186687872) * d[3], g);
  channel_product_adjoint<N>(a, 6, 8, T(-0.47809144373375745) * d[4], g);
  channel_product_adjoint<N>(a, 7, 7, T(0.23904572186687872) * d[2] + T(0.4140393356054125) * d[4], g);
  channel_product_adjoint<N>(a, 7, 8, T(0.4140393356054125) * d[3], g);
  channel_product_adjoint<N>(a, 8, 8, T(-0.47809144373375745) * d[2], g);
}

template <class T, class N> MLIAP_INLINE
void channel_product_233(const N *a, N *p)
{
  p[0] = T(-0.10910894511799618) * (a[4] * a[13]) + T(0.17251638983558856) * (a[5] * a[14]) + T(-0.2439750182371333) * (a[6] * a[9]) + T(0.17251638983558856) * (a[7] * a[10]) + T(-0.10910894511799618) * (a[8] * a[11]);
  p[1] = T(-0.21821789023599236) * (a[4] * a[12]) + T(0.1336306209562122) * (a[5] * a[13]) + T(-0.17251638983558856) * (a[5] * a[15]) + T(0.17251638983558856) * (a[7] * a[9]) + T(0.1336306209562122) * (a[7] * a[11]);
  p[2] = T(0.1690308509457033) * (a[4] * a[13]) + T(0.10910894511799618) * (a[4] * a[15]) + T(0.06900655593423542) * (a[5] * a[12]) + T(-0.1336306209562122) * (a[5] * a[14]) + T(0.14638501094227999) * (a[6] * a[11]) + T(0.1336306209562122) * (a[7] * a[10]) + T(-0.10910894511799618) * (a[8] * a[9]) + T(-0.1690308509457033) * (a[8] * a[11]);
  p[3] = T(-0.21821789023599236) * (a[4] * a[10]) + T(0.06900655593423542) * (a[5] * a[11]) + T(0.19518001458970666) * (a[6] * a[12]) + T(0.06900655593423542) * (a[7] * a[13]) + T(-0.21821789023599236) * (a[8] * a[14]);
  p[4] = T(-0.10910894511799618) * (a[4] * a[9]) + T(0.1690308509457033) * (a[4] * a[11]) + T(0.1336306209562122) * (a[5] * a[10]) + T(0.14638501094227999) * (a[6] * a[13]) + T(0.06900655593423542) * (a[7] * a[12]) + T(0.1336306209562122) * (a[7] * a[14]) + T(0.1690308509457033) * (a[8] * a[13]) + T(-0.10910894511799618) * (a[8] * a[15]);
  p[5] = T(0.17251638983558856) * (a[5] * a[9]) + T(-0.1336306209562122) * (a[5] * a[11]) + T(0.1336306209562122) * (a[7] * a[13]) + T(0.17251638983558856) * (a[7] * a[15]) + T(-0.21821789023599236) * (a[8] * a[12]);
  p[6] = T(0.10910894511799618) * (a[4] * a[11]) + T(-0.17251638983558856) * (a[5] * a[10]) + T(-0.2439750182371333) * (a[6] * a[15]) + T(0.17251638983558856) * (a[7] * a[14]) + T(-0.10910894511799618) * (a[8] * a[13]);
}

template <class T, class N> MLIAP_INLINE
void channel_adjoint_233(const N *a, const N *d, N *g)
{
  channel_product_adjoint<N>(a, 4, 9, T(-0.10910894511799618) * d[4], g);
  channel_product_adjoint<N>(a, 4, 10, T(-0.21821789023599236) * d[3], g);
  channel_product_adjoint<N>(a, 4, 11, T(0.1690308509457033) * d[4] + T(0.10910894511799618) * d[6], g);
  channel_product_adjoint<N>(a, 4, 12, T(-0.21821789023599236) * d[1], g);
  channel_product_adjoint<N>(a, 4, 13, T(-0.10910894511799618) * d[0] + T(0.1690308509457033) * d[2], g);
  channel_product_adjoint<N>(a, 4, 15, T(0.10910894511799618) * d[2], g);
  channel_product_adjoint<N>(a, 5, 9, T(0.17251638983558856) * d[5], g);
  channel_product_adjoint<N>(a, 5, 10, T(0.1336306209562122) * d[4] + T(-0.17251638983558856) * d[6], g);
  channel_product_adjoint<N>(a, 5, 11, T(0.06900655593423542) * d[3] + T(-0.1336306209562122) * d[5], g);
  channel_product_adjoint<N>(a, 5, 12, T(0.06900655593423542) * d[2], g);
  channel_product_adjoint<N>(a, 5, 13, T(0.1336306209562122) * d[1], g);
  channel_product_adjoint<N>(a, 5, 14, T(0.17251638983558856) * d[0] + T(-0.1336306209562122) * d[2], g);
  channel_product_adjoint<N>(a, 5, 15, T(-0.17251638983558856) * d[1], g);
  channel_product_adjoint<N>(a, 6, 9, T(-0.2439750182371333) * d[0], g);
  channel_product_adjoint<N>(a, 6, 11, T(0.14638501094227999) * d[2], g);
  channel_product_adjoint<N>(a, 6, 12, T(0.19518001458970666) * d[3], g);
  channel_product_adjoint<N>(a, 6, 13, T(0.14638501094227999) * d[4], g);
  channel_product_adjoint<N>(a, 6, 15, T(-0.2439750182371333) * d[6], g);
  channel_product_adjoint<N>(a, 7, 9, T(0.17251638983558856) * d[1], g);
  channel_product_adjoint<N>(a, 7, 10, T(0.17251638983558856) * d[0] + T(0.1336306209562122) * d[2], g);
  channel_product_adjoint<N>(a, 7, 11, T(0.1336306209562122) * d[1], g);
  channel_product_adjoint<N>(a, 7, 12, T(0.06900655593423542) * d[4], g);
  channel_product_adjoint<N>(a, 7, 13, T(0.06900655593423542) * d[3] + T(0.1336306209562122) * d[5], g);
  channel_product_adjoint<N>(a, 7, 14, T(0.1336306209562122) * d[4] + T(0.17251638983558856) * d[6], g);
  channel_product_adjoint<N>(a, 7, 15, T(0.17251638983558856) * d[5], g);
  channel_product_adjoint<N>(a, 8, 9, T(-0.10910894511799618) * d[2], g);
  channel_product_adjoint<N>(a, 8, 11, T(-0.10910894511799618) * d[0] + T(-0.1690308509457033) * d[2], g);
  channel_product_adjoint<N>(a, 8, 12, T(-0.21821789023599236) * d[5], g);
  channel_product_adjoint<N>(a, 8, 13, T(0.1690308509457033) * d[4] + T(-0.10910894511799618) * d[6], g);
  channel_product_adjoint<N>(a, 8, 14, T(-0.21821789023599236) * d[3], g);
  channel_product_adjoint<N>(a, 8, 15, T(-0.10910894511799618) * d[4], g);
}

template <class T, class N> MLIAP_INLINE
void channel_product_132(const N *a, N *p)
{
  p[0] = T(-0.06900655593423542) * (a[1] * a[13]) + T(-0.2672612419124244) * (a[1] * a[15]) + T(0.21821789023599236) * (a[2] * a[10]) + T(0.2672612419124244) * (a[3] * a[9]) + T(-0.06900655593423542) * (a[3] * a[11]);
  p[1] = T(-0.1690308509457033) * (a[1] * a[12]) + T(-0.21821789023599236) * (a[1] * a[14]) + T(0.2760262237369417) * (a[2] * a[11]) + T(0.21821789023599236) * (a[3] * a[10]);
  p[2] = T(0.23904572186687872) * (a[1] * a[11]) + T(0.29277002188455997) * (a[2] * a[12]) + T(0.23904572186687872) * (a[3] * a[13]);
  p[3] = T(0.21821789023599236) * (a[1] * a[10]) + T(0.2760262237369417) * (a[2] * a[13]) + T(-0.1690308509457033) * (a[3] * a[12]) + T(0.21821789023599236) * (a[3] * a[14]);
  p[4] = T(0.2672612419124244) * (a[1] * a[9]) + T(0.06900655593423542) * (a[1] * a[11]) + T(0.21821789023599236) * (a[2] * a[14]) + T(-0.06900655593423542) * (a[3] * a[13]) + T(0.2672612419124244) * (a[3] * a[15]);
}

template <class T, class N> MLIAP_INLINE
void channel_adjoint_132(const N *a, const N *d, N *g)
{
  channel_product_adjoint<N>(a, 1, 9, T(0.2672612419124244) * d[4], g);
  channel_product_adjoint<N>(a, 1, 10, T(0.21821789023599236) * d[3], g);
  channel_product_adjoint<N>(a, 1, 11, T(0.23904572186687872) * d[2] + T(0.06900655593423542) * d[4], g);
  channel_product_adjoint<N>(a, 1, 12, T(-0.1690308509457033) * d[1], g);
  channel_product_adjoint<N>(a, 1, 13, T(-0.06900655593423542) * d[0], g);
  channel_product_adjoint<N>(a, 1, 14, T(-0.21821789023599236) * d[1], g);
  channel_product_adjoint<N>(a, 1, 15, T(-0.2672612419124244) * d[0], g);
  channel_product_adjoint<N>(a, 2, 10, T(0.21821789023599236) * d[0], g);
  channel_product_adjoint<N>(a, 2, 11, T(0.2760262237369417) * d[1], g);
  channel_product_adjoint<N>(a, 2, 12, T(0.29277002188455997) * d[2], g);
  channel_product_adjoint<N>(a, 2, 13, T(0.2760262237369417) * d[3], g);
  channel_product_adjoint<N>(a, 2, 14, T(0.21821789023599236) * d[4], g);
  channel_product_adjoint<N>(a, 3, 9, T(0.2672612419124244) * d[0], g);
  channel_product_adjoint<N>(a, 3, 10, T(0.21821789023599236) * d[1], g);
  channel_product_adjoint<N>(a, 3, 11, T(-0.06900655593423542) * d[0], g);
  channel_product_adjoint<N>(a, 3, 12, T(-0.1690308509457033) * d[3], g);
  channel_product_adjoint<N>(a, 3, 13, T(0.23904572186687872) * d[2] + T(-0.06900655593423542) * d[4], g);
  channel_product_adjoint<N>(a, 3, 14, T(0.21821789023599236) * d[3], g);
  channel_product_adjoint<N>(a, 3, 15, T(0.2672612419124244) * d[4], g);
}

template <class T, class N> MLIAP_INLINE
void channel_product_332(const N *a, N *p)
{
  p[0] = T(-0.21821789023599236) * (a[9] * a[13]) + T(-0.4364357804719847) * (a[10] * a[12]) + T(0.3380617018914066) * (a[11] * a[13]) + T(0.21821789023599236) * (a[11] * a[15]);
  p[1] = T(0.3450327796711771) * (a[9] * a[14]) + T(0.2672612419124244) * (a[10] * a[13]) + T(-0.3450327796711771) * (a[10] * a[15]) + T(0.13801311186847084) * (a[11] * a[12]) + T(-0.2672612419124244) * (a[11] * a[14]);
  p[2] = T(-0.2439750182371333) * (a[9] * a[9]) + T(0.14638501094227999) * (a[11] * a[11]) + T(0.19518001458970666) * (a[12] * a[12]) + T(0.14638501094227999) * (a[13] * a[13]) + T(-0.2439750182371333) * (a[15] * a[15]);
  p[3] = T(0.3450327796711771) * (a[9] * a[10]) + T(0.2672612419124244) * (a[10] * a[11]) + T(0.13801311186847084) * (a[12] * a[13]) + T(0.2672612419124244) * (a[13] * a[14]) + T(0.3450327796711771) * (a[14] * a[15]);
  p[4] = T(-0.21821789023599236) * (a[9] * a[11]) + T(-0.1690308509457033) * (a[11] * a[11]) + T(-0.4364357804719847) * (a[12] * a[14]) + T(0.1690308509457033) * (a[13] * a[13]) + T(-0.21821789023599236) * (a[13] * a[15]);
}

template <class T, class N> MLIAP_INLINE
void channel_adjoint_332(const N *a, const N *d, N *g)
{
  channel_product_adjoint<N>(a, 9, 9, T(-0.4879500364742666) * d[2], g);
  channel_product_adjoint<N>(a, 9, 10, T(0.3450327796711771) * d[3], g);
  channel_product_adjoint<N>(a, 9, 11, T(-0.21821789023599236) * d[4], g);
  channel_product_adjoint<N>(a, 9, 13, T(-0.21821789023599236) * d[0], g);
  channel_product_adjoint<N>(a, 9, 14, T(0.3450327796711771) * d[1], g);
  channel_product_adjoint<N>(a, 10, 11, T(0.2672612419124244) * d[3], g);
  channel_product_adjoint<N>(a, 10, 12, T(-0.4364357804719847) * d[0], g);
  channel_product_adjoint<N>(a, 10, 13, T(0.2672612419124244) * d[1], g);
  channel_product_adjoint<N>(a, 10, 15, T(-0.3450327796711771) * d[1], g);
  channel_product_adjoint<N>(a, 11, 11, T(0.29277002188455997) * d[2] + T(-0.3380617018914066) * d[4], g);
  channel_product_adjoint<N>(a, 11, 12, T(0.13801311186847084) * d[1], g);
  channel_product_adjoint<N>(a, 11, 13, T(0.3380617018914066) * d[0], g);
  channel_product_adjoint<N>(a, 11, 14, T(-0.2672612419124244) * d[1], g);
  channel_product_adjoint<N>(a, 11, 15, T(0.21821789023599236) * d[0], g);
  channel_product_adjoint<N>(a, 12, 12, T(0.3903600291794133) * d[2], g);
  channel_product_adjoint<N>(a, 12, 13, T(0.13801311186847084) * d[3], g);
  channel_product_adjoint<N>(a, 12, 14, T(-0.4364357804719847) * d[4], g);
  channel_product_adjoint<N>(a, 13, 13, T(0.29277002188455997) * d[2] + T(0.3380617018914066) * d[4], g);
  channel_product_adjoint<N>(a, 13, 14, T(0.2672612419124244) * d[3], g);
  channel_product_adjoint<N>(a, 13, 15, T(-0.21821789023599236) * d[4], g);
  channel_product_adjoint<N>(a, 14, 15, T(0.3450327796711771) * d[3], g);
  channel_product_adjoint<N>(a, 15, 15, T(-0.4879500364742666) * d[2], g);
}

template <class T, class N> MLIAP_INLINE
void channel_product_121(const N *a, N *p)
{
  p[0] = T(-0.18257418583505536) * (a[1] * a[6]) + T(-0.31622776601683794) * (a[1] * a[8]) + T(0.31622776601683794) * (a[2] * a[5]) + T(0.31622776601683794) * (a[3] * a[4]);
  p[1] = T(0.31622776601683794) * (a[1] * a[5]) + T(0.3651483716701107) * (a[2] * a[6]) + T(0.31622776601683794) * (a[3] * a[7]);
  p[2] = T(0.31622776601683794) * (a[1] * a[4]) + T(0.31622776601683794) * (a[2] * a[7]) + T(-0.18257418583505536) * (a[3] * a[6]) + T(0.31622776601683794) * (a[3] * a[8]);
}

template <class T, class N> MLIAP_INLINE
void channel_adjoint_121(const N *a, const N *d, N *g)
{
  channel_product_adjoint<N>(a, 1, 4, T(0.31622776601683794) * d[2], g);
  channel_product_adjoint<N>(a, 1, 5, T(0.31622776601683794) * d[1], g);
  channel_product_adjoint<N>(a, 1, 6, T(-0.18257418583505536) * d[0], g);
  channel_product_adjoint<N>(a, 1, 8, T(-0.31622776601683794) * d[0], g);
  channel_product_adjoint<N>(a, 2, 5, T(0.31622776601683794) * d[0], g);
  channel_product_adjoint<N>(a, 2, 6, T(0.3651483716701107) * d[1], g);
  channel_product_adjoint<N>(a, 2, 7, T(0.31622776601683794) * d[2], g);
  channel_product_adjoint<N>(a, 3, 4, T(0.31622776601683794) * d[0], g);
  channel_product_adjoint<N>(a, 3, 6, T(-0.18257418583505536) * d[2], g);
  channel_product_adjoint<N>(a, 3, 7, T(0.31622776601683794) * d[1], g);
  channel_product_adjoint<N>(a, 3, 8, T(0.31622776601683794) * d[2], g);
}

template <class T, class N> MLIAP_INLINE
void channel_product_231(const N *a, N *p)
{
  p[0] = T(-0.06900655593423542) * (a[4] * a[13]) + T(-0.2672612419124244) * (a[4] * a[15]) + T(-0.1690308509457033) * (a[5] * a[12]) + T(-0.21821789023599236) * (a[5] * a[14]) + T(0.23904572186687872) * (a[6] * a[11]) + T(0.21821789023599236) * (a[7] * a[10]) + T(0.2672612419124244) * (a[8] * a[9]) + T(0.06900655593423542) * (a[8] * a[11]);
  p[1] = T(0.21821789023599236) * (a[4] * a[10]) + T(0.2760262237369417) * (a[5] * a[11]) + T(0.29277002188455997) * (a[6] * a[12]) + T(0.2760262237369417) * (a[7] * a[13]) + T(0.21821789023599236) * (a[8] * a[14]);
  p[2] = T(0.2672612419124244) * (a[4] * a[9]) + T(-0.06900655593423542) * (a[4] * a[11]) + T(0.21821789023599236) * (a[5] * a[10]) + T(0.23904572186687872) * (a[6] * a[13]) + T(-0.1690308509457033) * (a[7] * a[12]) + T(0.21821789023599236) * (a[7] * a[14]) + T(-0.06900655593423542) * (a[8] * a[13]) + T(0.2672612419124244) * (a[8] * a[15]);
}

template <class T, class N> MLIAP_INLINE
void channel_adjoint_231(const N *a, const N *d, N *g)
{
  channel_product_adjoint<N>(a, 4, 9, T(0.2672612419124244) * d[2], g);
  channel_product_adjoint<N>(a, 4, 10, T(0.21821789023599236) * d[1], g);
  channel_product_adjoint<N>(a, 4, 11, T(-0.06900655593423542) * d[2], g);
  channel_product_adjoint<N>(a, 4, 13, T(-0.06900655593423542) * d[0], g);
  channel_product_adjoint<N>(a, 4, 15, T(-0.2672612419124244) * d[0], g);
  channel_product_adjoint<N>(a, 5, 10, T(0.21821789023599236) * d[2], g);
  channel_product_adjoint<N>(a, 5, 11, T(0.2760262237369417) * d[1], g);
  channel_product_adjoint<N>(a, 5, 12, T(-0.1690308509457033) * d[0], g);
  channel_product_adjoint<N>(a, 5, 14, T(-0.21821789023599236) * d[0], g);
  channel_product_adjoint<N>(a, 6, 11, T(0.23904572186687872) * d[0], g);
  channel_product_adjoint<N>(a, 6, 12, T(0.29277002188455997) * d[1], g);
  channel_product_adjoint<N>(a, 6, 13, T(0.23904572186687872) * d[2], g);
  channel_product_adjoint<N>(a, 7, 10, T(0.21821789023599236) * d[0], g);
  channel_product_adjoint<N>(a, 7, 12, T(-0.1690308509457033) * d[2], g);
  channel_product_adjoint<N>(a, 7, 13, T(0.2760262237369417) * d[1], g);
  channel_product_adjoint<N>(a, 7, 14, T(0.21821789023599236) * d[2], g);
  channel_product_adjoint<N>(a, 8, 9, T(0.2672612419124244) * d[0], g);
  channel_product_adjoint<N>(a, 8, 11, T(0.06900655593423542) * d[0], g);
  channel_product_adjoint<N>(a, 8, 13, T(-0.06900655593423542) * d[2], g);
  channel_product_adjoint<N>(a, 8, 14, T(0.21821789023599236) * d[1], g);
  channel_product_adjoint<N>(a, 8, 15, T(0.2672612419124244) * d[2], g);
}

}  // namespace MLIAP_SIMD
