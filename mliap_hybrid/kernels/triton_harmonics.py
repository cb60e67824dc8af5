"""Solid harmonics and the transposed gradient in Triton: features/harmonics.py, for a block of pairs in registers.

Coefficients come from there, when a kernel is compiled. Sets of components are tuples of tensors of one shape, those of
the harmonics in the order in which the recurrences find them, see `place`.
"""

from __future__ import annotations

import triton
import triton.language as tl

from mliap_hybrid.features import harmonics as definition
from mliap_hybrid.kernels.plan import MAX_ORDER

sectoral = triton.constexpr_function(definition.sectoral)

recurrence = triton.constexpr_function(definition.recurrence)

LADDERS = tl.constexpr([definition.gradient_matrix(n).tolist() for n in range(1, MAX_ORDER + 1)])
"""Matrices D_n of the gradient, from n = 1 on; a constant of the kernels, so that what is compiled is kept under it."""


@triton.constexpr_function
def ladder(n, c, lower, m):
    """D_n of the gradient, dS_nm/dx_c = sum_l D_n[c, l, m] S_(n-1)l, with l and m from -n on."""
    return LADDERS.value[n - 1][c][lower + n - 1][m + n]


@triton.constexpr_function
def place(n, m, top):
    """Where S_nm stands in what `solid_harmonics` gives for orders up to `top`."""
    before = sum((top + 1 - k) * (1 if k == 0 else 2) for k in range(abs(m)))  # those of smaller |m|
    return before + (n - abs(m)) * (1 if m == 0 else 2) + (1 if m < 0 else 0)


@triton.jit
def solid_harmonics(x, y, z, TOP: tl.constexpr):
    """S_nm of all orders up to TOP at vectors x, y, z: a tuple of (TOP + 1)^2 tensors of their shape."""
    r_squared = x * x + y * y + z * z
    found = ()
    one = tl.full(x.shape, 1.0, x.dtype)
    cosine = one  # Re and Im of (x + iy)^m
    sine = tl.full(x.shape, 0.0, x.dtype)
    for m in tl.static_range(TOP + 1):
        if m > 0:
            turned = x * cosine - y * sine
            sine = x * sine + y * cosine
            cosine = turned
        before = tl.full(z.shape, 0.0, z.dtype)  # Q_(n-1)m
        last = sectoral(m) * one  # Q_nm
        for n in tl.static_range(m, TOP + 1):
            found = found + (last * cosine,)
            if m > 0:
                found = found + (last * sine,)
            if n < TOP:
                higher = recurrence(n + 1, m) * z * last
                if n > m:
                    higher -= (recurrence(n + 1, m) / recurrence(n, m)) * r_squared * before
                before = last
                last = higher
    return found


@triton.jit
def add_gradient(gradient, weights, harmonics, n: tl.constexpr, TOP: tl.constexpr):
    """Add sum_m w_m dS_nm/dx_c to a gradient of three components, with `weights` w of an order n > 0.

    All are tuples of tensors of one shape; `harmonics` are those of `solid_harmonics`.
    """
    added = ()
    for c in tl.static_range(3):
        total = gradient[c]
        for lower in tl.static_range(1 - n, n):
            of_lower = tl.full(total.shape, 0.0, total.dtype)
            for m in tl.static_range(-n, n + 1):
                if ladder(n, c, lower, m) != 0.0:
                    of_lower += ladder(n, c, lower, m) * weights[m + n]
            total += of_lower * harmonics[place(n - 1, lower, TOP)]
        added = added + (total,)
    return added


@triton.jit
def harmonic_change(displacement, harmonics, n: tl.constexpr, m: tl.constexpr, TOP: tl.constexpr):
    """Change d . grad S_nm of one component of an order n > 0, with d the three components of a displacement."""
    total = tl.full(displacement[0].shape, 0.0, displacement[0].dtype)
    for c in tl.static_range(3):
        for lower in tl.static_range(1 - n, n):
            if ladder(n, c, lower, m) != 0.0:
                total += ladder(n, c, lower, m) * displacement[c] * harmonics[place(n - 1, lower, TOP)]
    return total
