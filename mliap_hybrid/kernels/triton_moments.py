"""Moments of the neighbours in Triton, one program for each place: a centre, or a centre and an element of neighbours.

    M_nma = own_na + sum_p g_na(r_p) S_nm(r_p)

A program goes over its pairs in blocks, pairs along one axis and probes a along the other; the sums stay in registers,
one for each pair of the block, and are added up over the block at the end, as a tree.
"""

from __future__ import annotations

import triton
import triton.language as tl

from mliap_hybrid.kernels.triton_harmonics import place, solid_harmonics
from mliap_hybrid.kernels.triton_radial import cubic_value, cubics, table_rows


@triton.constexpr_function
def components(orders):
    """Number of components of all orders."""
    return sum(2 * n + 1 for n in orders)


@triton.constexpr_function
def zonal(orders, k):
    """Place of the component m = 0 of the order at place k among those of all orders."""
    return sum(2 * n + 1 for n in orders[:k]) + orders[k]


@triton.jit
def load_pairs(vectors, species, order, start, end, IS_SORTED: tl.constexpr, BLOCK: tl.constexpr, dtype: tl.constexpr):
    """A block of pairs: whether each is there, its number in the geometry, its vector and its neighbour's element."""
    k = start + tl.arange(0, BLOCK)
    is_there = k < end
    p = k if IS_SORTED else tl.load(order + k, mask=is_there, other=0)
    x = tl.load(vectors + 3 * p, mask=is_there, other=1.0).to(dtype)
    y = tl.load(vectors + 3 * p + 1, mask=is_there, other=0.0).to(dtype)
    z = tl.load(vectors + 3 * p + 2, mask=is_there, other=0.0).to(dtype)
    e = tl.load(species + p, mask=is_there, other=0)
    return is_there, p, x, y, z, e


@triton.jit
def moments_kernel(
    vectors,  # (n_pairs, 3)
    species,  # (n_pairs,) int32: element of each neighbour
    order,  # (n_pairs,) int64: pairs place after place
    offsets,  # (n_places + 1,) int64: where the pairs of each place begin
    own_species,  # (n_places,) int32: element of each centre
    own,  # (n_elements, P): what the centre adds to order 0
    table,  # (n_elements, N_INTERVALS, n_orders, 4, P)
    moments,  # (n_components * n_probes, n_places), written
    n_places,
    n_probes,
    IS_SORTED: tl.constexpr,
    ORDERS: tl.constexpr,
    N_INTERVALS: tl.constexpr,
    CUTOFF: tl.constexpr,
    P: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Moments of one place."""
    dtype: tl.constexpr = table.dtype.element_ty
    N_ORDERS: tl.constexpr = len(ORDERS)
    TOP: tl.constexpr = ORDERS[N_ORDERS - 1]
    i = tl.program_id(0).to(tl.int64)
    sums = ()
    for _ in tl.static_range(components(ORDERS)):
        sums = sums + (tl.full([BLOCK, P], 0.0, dtype),)
    end = tl.load(offsets + i + 1)
    for start in range(tl.load(offsets + i), end, BLOCK):
        is_there, _p, x, y, z, e = load_pairs(vectors, species, order, start, end, IS_SORTED, BLOCK, dtype)
        r = tl.sqrt(x * x + y * y + z * z)
        rows, t = table_rows(r, e, N_INTERVALS / CUTOFF, N_INTERVALS, N_ORDERS, P)
        harmonics = solid_harmonics(x, y, z, TOP)
        more = ()
        for k in tl.static_range(N_ORDERS):
            g = cubic_value(cubics(table, rows, is_there & (r < CUTOFF), k, P), t[:, None])
            for m in tl.static_range(-ORDERS[k], ORDERS[k] + 1):
                more = more + (sums[len(more)] + harmonics[place(ORDERS[k], m, TOP)][:, None] * g,)
        sums = more
    probes = tl.arange(0, P).to(tl.int64)
    for q in tl.static_range(components(ORDERS)):
        total = tl.sum(sums[q], axis=0)
        if ORDERS[0] == 0 and q == 0:
            total += tl.load(own + tl.load(own_species + i) * P + probes)
        tl.store(moments + (q * n_probes + probes) * n_places + i, total, mask=probes < n_probes)
