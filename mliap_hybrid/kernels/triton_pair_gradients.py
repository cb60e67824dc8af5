"""From derivatives by the moments to those by the pair vectors, in Triton: one program for each place.

    dE/dr_p = (r_p / r) sum_na g'_na(r) sum_m A_nma S_nm(r_p) + sum_nm (sum_a A_nma g_na(r)) grad S_nm(r_p)

with A_nma = dE/dM_nma of the pair's place (triton_moments.py) and g' of the same cubics as g. Radial functions and
harmonics are computed again, so that nothing of the size of pairs times functions is kept. Each gradient is written
once.
"""

from __future__ import annotations

import triton
import triton.language as tl

from mliap_hybrid.kernels.triton_harmonics import add_gradient, place, solid_harmonics
from mliap_hybrid.kernels.triton_moments import components, load_pairs, zonal
from mliap_hybrid.kernels.triton_radial import cubic_slope, cubic_value, cubics, table_rows


@triton.jit
def pair_gradients_kernel(
    vectors,  # (n_pairs, 3)
    species,  # (n_pairs,) int32: element of each neighbour
    order,  # (n_pairs,) int64: pairs place after place
    offsets,  # (n_places + 1,) int64: where the pairs of each place begin
    adjoint,  # (n_components * n_probes, n_places): dE/dM
    table,  # (n_elements, N_INTERVALS, n_orders, 4, P)
    gradients,  # (n_pairs, 3) float64, written
    n_places,
    n_probes,
    IS_SORTED: tl.constexpr,
    ORDERS: tl.constexpr,
    N_INTERVALS: tl.constexpr,
    CUTOFF: tl.constexpr,
    P: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Gradients by all pairs of one place."""
    dtype: tl.constexpr = table.dtype.element_ty
    N_ORDERS: tl.constexpr = len(ORDERS)
    TOP: tl.constexpr = ORDERS[N_ORDERS - 1]
    i = tl.program_id(0).to(tl.int64)
    probes = tl.arange(0, P).to(tl.int64)
    by_moments = ()
    for q in tl.static_range(components(ORDERS)):
        of_probes = tl.load(adjoint + (q * n_probes + probes) * n_places + i, mask=probes < n_probes, other=0.0)
        by_moments = by_moments + (of_probes[None],)
    end = tl.load(offsets + i + 1)
    for start in range(tl.load(offsets + i), end, BLOCK):
        is_there, p, x, y, z, e = load_pairs(vectors, species, order, start, end, IS_SORTED, BLOCK, dtype)
        r = tl.sqrt(x * x + y * y + z * z)
        rows, t = table_rows(r, e, N_INTERVALS / CUTOFF, N_INTERVALS, N_ORDERS, P)
        harmonics = solid_harmonics(x, y, z, TOP)
        zero = tl.full([BLOCK], 0.0, dtype)
        gradient = (zero, zero, zero)
        along = tl.full([BLOCK, P], 0.0, dtype)  # by the distance, for each probe
        for k in tl.static_range(N_ORDERS):
            cubic = cubics(table, rows, is_there & (r < CUTOFF), k, P)
            g = cubic_value(cubic, t[:, None])
            of_order = tl.full([BLOCK, P], 0.0, dtype)
            by_harmonics = ()
            for m in tl.static_range(-ORDERS[k], ORDERS[k] + 1):
                of_component = by_moments[zonal(ORDERS, k) + m]
                of_order += of_component * harmonics[place(ORDERS[k], m, TOP)][:, None]
                by_harmonics = by_harmonics + (tl.sum(of_component * g, axis=1),)
            along += of_order * cubic_slope(cubic, t[:, None])
            if ORDERS[k] > 0:
                gradient = add_gradient(gradient, by_harmonics, harmonics, ORDERS[k], TOP)
        radial = tl.sum(along, axis=1) * (N_INTERVALS / CUTOFF) / r
        tl.store(gradients + 3 * p, (gradient[0] + radial * x).to(tl.float64), mask=is_there)
        tl.store(gradients + 3 * p + 1, (gradient[1] + radial * y).to(tl.float64), mask=is_there)
        tl.store(gradients + 3 * p + 2, (gradient[2] + radial * z).to(tl.float64), mask=is_there)
