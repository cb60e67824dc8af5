"""Tabulated radial functions in Triton: the cubics of features/radial.py, as coefficients, for a block of pairs.

With the values v and the slopes s times the spacing at the ends of an interval, which is t in [0, 1),

    g(t) = c_0 + c_1 t + c_2 t^2 + c_3 t^3,    c_0 = v_0,              c_1 = s_0,
                                               c_2 = 3 (v_1 - v_0) - 2 s_0 - s_1,   c_3 = 2 (v_0 - v_1) + s_0 + s_1.

The coefficients are worked out in double precision: differences of values that were rounded to single precision would
not be good for a derivative. Those of one interval and order are neighbours in memory, the functions within them.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor


def cubic_table(knots: Tensor, n_orders: int, n_places: int) -> Tensor:
    """Coefficients of the cubics.

    Parameters
    ----------
    knots : Tensor, shape (n_elements, n_intervals + 1, 2, n_orders * n_probes), float64
        Values, and slopes times the spacing, as `plan.radial_table` gives them.
    n_orders : int
    n_places : int
        Places for the probes of an order, at least n_probes; those left are filled with zeros.

    Returns
    -------
    Tensor, shape (n_elements, n_intervals, n_orders, 4, n_places), float64
    """
    (v0, s0), (v1, s1) = knots[:, :-1].unbind(2), knots[:, 1:].unbind(2)  # (n_elements, n_intervals, n_radial)
    cubics = torch.stack([v0, s0, 3.0 * (v1 - v0) - 2.0 * s0 - s1, 2.0 * (v0 - v1) + s0 + s1], dim=2)
    of_orders = cubics.unflatten(3, (n_orders, -1)).transpose(2, 3)  # (n_elements, n_intervals, n_orders, 4, n_probes)
    return torch.nn.functional.pad(of_orders, (0, n_places - of_orders.shape[-1])).contiguous()


@triton.jit
def table_rows(
    distance, species, INVERSE_SPACING: tl.constexpr, N_INTERVALS: tl.constexpr, N_ORDERS: tl.constexpr, P: tl.constexpr
):
    """Where the cubics of the first order of each pair begin in the table, and the place t within the interval."""
    scaled = distance * INVERSE_SPACING
    interval = tl.minimum(scaled.to(tl.int32), N_INTERVALS - 1)
    rows = (species * N_INTERVALS + interval) * (N_ORDERS * 4 * P)
    return rows, scaled - interval.to(scaled.dtype)


@triton.jit
def cubics(table, rows, is_inside, k: tl.constexpr, P: tl.constexpr):
    """Coefficients c_0 to c_3, (B, P) each, of the order at place k; zeros for pairs that are not inside."""
    at = table + rows[:, None] + (4 * P * k + tl.arange(0, P)[None])
    c0 = tl.load(at, mask=is_inside[:, None], other=0.0)
    c1 = tl.load(at + P, mask=is_inside[:, None], other=0.0)
    c2 = tl.load(at + 2 * P, mask=is_inside[:, None], other=0.0)
    c3 = tl.load(at + 3 * P, mask=is_inside[:, None], other=0.0)
    return c0, c1, c2, c3


@triton.jit
def cubic_value(c, t):
    """g."""
    return c[0] + t * (c[1] + t * (c[2] + t * c[3]))


@triton.jit
def cubic_slope(c, t):
    """dg/dt."""
    return c[1] + t * (2.0 * c[2] + t * (3.0 * c[3]))
