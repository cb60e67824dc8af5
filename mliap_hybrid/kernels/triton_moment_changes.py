"""Change of the moments when the pair vectors change, in Triton: the transpose of triton_pair_gradients.py.

    dM_nma = sum_p [ g'_na(r) (r_p . d_p / r) S_nm(r_p) + g_na(r) d_p . grad S_nm(r_p) ]

with d_p the displacement of r_p; programs, blocks and sums are those of triton_moments.py.
"""

from __future__ import annotations

import triton
import triton.language as tl

from mliap_hybrid.kernels.triton_harmonics import harmonic_change, place, solid_harmonics
from mliap_hybrid.kernels.triton_moments import components, load_pairs
from mliap_hybrid.kernels.triton_radial import cubic_slope, cubic_value, cubics, table_rows


@triton.jit
def moment_changes_kernel(
    vectors,  # (n_pairs, 3)
    species,  # (n_pairs,) int32: element of each neighbour
    order,  # (n_pairs,) int64: pairs place after place
    offsets,  # (n_places + 1,) int64: where the pairs of each place begin
    displacements,  # (n_pairs, 3)
    table,  # (n_elements, N_INTERVALS, n_orders, 4, P)
    changes,  # (n_components * n_probes, n_places), written
    n_places,
    n_probes,
    IS_SORTED: tl.constexpr,
    ORDERS: tl.constexpr,
    N_INTERVALS: tl.constexpr,
    CUTOFF: tl.constexpr,
    P: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Changes of one place."""
    dtype: tl.constexpr = table.dtype.element_ty
    N_ORDERS: tl.constexpr = len(ORDERS)
    TOP: tl.constexpr = ORDERS[N_ORDERS - 1]
    i = tl.program_id(0).to(tl.int64)
    sums = ()
    for _ in tl.static_range(components(ORDERS)):
        sums = sums + (tl.full([BLOCK, P], 0.0, dtype),)
    end = tl.load(offsets + i + 1)
    for start in range(tl.load(offsets + i), end, BLOCK):
        is_there, p, x, y, z, e = load_pairs(vectors, species, order, start, end, IS_SORTED, BLOCK, dtype)
        dx = tl.load(displacements + 3 * p, mask=is_there, other=0.0).to(dtype)
        dy = tl.load(displacements + 3 * p + 1, mask=is_there, other=0.0).to(dtype)
        dz = tl.load(displacements + 3 * p + 2, mask=is_there, other=0.0).to(dtype)
        r = tl.sqrt(x * x + y * y + z * z)
        dt = (x * dx + y * dy + z * dz) / r * (N_INTERVALS / CUTOFF)
        rows, t = table_rows(r, e, N_INTERVALS / CUTOFF, N_INTERVALS, N_ORDERS, P)
        harmonics = solid_harmonics(x, y, z, TOP)
        more = ()
        for k in tl.static_range(N_ORDERS):
            cubic = cubics(table, rows, is_there & (r < CUTOFF), k, P)
            g = cubic_value(cubic, t[:, None])
            dg = cubic_slope(cubic, t[:, None]) * dt[:, None]
            for m in tl.static_range(-ORDERS[k], ORDERS[k] + 1):
                total = sums[len(more)] + harmonics[place(ORDERS[k], m, TOP)][:, None] * dg
                if ORDERS[k] > 0:
                    total += harmonic_change((dx, dy, dz), harmonics, ORDERS[k], m, TOP)[:, None] * g
                more = more + (total,)
        sums = more
    probes = tl.arange(0, P).to(tl.int64)
    for q in tl.static_range(components(ORDERS)):
        at = changes + (q * n_probes + probes) * n_places + i
        tl.store(at, tl.sum(sums[q], axis=0), mask=probes < n_probes)
