"""Invariants of moments in Triton, and the way back: sparse polynomials, with centres in the lanes.

Products of two moments (features/products.py) and of three (features/triples.py) are sums of few terms

    F_f = sum_t c_t M_q M_q' M_q'',    dE/dM_q = sum_t c_t w_f M_q' M_q'',    dF_f = sum_t c_t dM_q M_q' M_q''

with w = dE/dF, where a product of fewer factors has the number one in place of the others. All are of the form

    out_row = sum_t c_t left_a(t) right_b(t) right_c(t)

and each program does one row for a block of centres; no two write to the same place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import triton
import triton.language as tl
from torch import Tensor

from mliap_hybrid.kernels.triton_launch import FUSE_MULTIPLY_ADDS, on_device_of

ONE = -1
"""Stands for a factor that is the number one."""

CONSTANTS = {"CENTRES": 64, "TERMS": 8, "num_warps": 1, "enable_fp_fusion": FUSE_MULTIPLY_ADDS}
"""Centres of a program, and terms of a row that it has in registers at a time."""

Term = tuple[int, int, int, int]
"""A row, the left factor and the two right ones, all of them numbers of rows."""


@dataclass(frozen=True)
class SparsePolynomials:
    """Polynomials of rows, each of them a sum of terms."""

    starts: Tensor
    """(n_rows + 1,) int32: where the terms of each row begin."""
    factors: Tensor
    """(n_terms, 3) int32: row of `left`, and two of `right`, or ONE in their place."""
    coefficients: Tensor
    """(n_terms,): c."""

    @classmethod
    def of_terms(cls, terms: dict[Term, float], n_rows: int) -> SparsePolynomials:
        """On the processor and in double precision."""
        rows = torch.tensor([row for row, *_ in sorted(terms)], dtype=torch.int64)
        factors = torch.tensor([factors for _, *factors in sorted(terms)], dtype=torch.int32).view(-1, 3)
        coefficients = torch.tensor([terms[term] for term in sorted(terms)], dtype=torch.float64)
        starts = torch.searchsorted(rows, torch.arange(n_rows + 1)).to(torch.int32)
        return cls(starts, factors, coefficients)

    def to(self, device: torch.device, dtype: torch.dtype) -> SparsePolynomials:
        """The same on a device, with coefficients of a precision."""
        moved = replace(self, starts=self.starts.to(device), factors=self.factors.to(device))
        return replace(moved, coefficients=self.coefficients.to(device, dtype))

    def __call__(self, left: Tensor, right: Tensor) -> Tensor:
        """Values of all rows.

        Parameters
        ----------
        left, right : Tensor, shape (n_left, n_centres) and (n_right, n_centres)
            Contiguous, on the device and in the precision of the coefficients.

        Returns
        -------
        Tensor, shape (n_rows, n_centres)
        """
        n_rows, n_centres = len(self.starts) - 1, left.shape[1]
        values = left.new_empty((n_rows, n_centres))
        if values.numel():
            with on_device_of(left):
                polynomials_kernel[(n_rows * triton.cdiv(n_centres, CONSTANTS["CENTRES"]),)](
                    self.starts,
                    self.factors,
                    self.coefficients,
                    left,
                    right,
                    values,
                    n_rows,
                    n_centres,
                    **CONSTANTS,
                )
        return values


def with_derivatives(
    products: Sequence[Sequence[tuple[Sequence[int], float]]], n_moments: int
) -> tuple[SparsePolynomials, SparsePolynomials, SparsePolynomials]:
    """Features as polynomials of moments, and what their derivative does, there and back.

    Parameters
    ----------
    products : sequence of sequences of (factors, coefficient)
        The terms of each feature: one to three moments, and a number.
    n_moments : int

    Returns
    -------
    features : SparsePolynomials
        Left and right are moments.
    adjoint : SparsePolynomials
        dE/dM; left is dE/dF, right are moments.
    change : SparsePolynomials
        dF; left are changes of the moments, right are moments.
    """
    forward: dict[Term, float] = {}
    back: dict[Term, float] = {}
    change: dict[Term, float] = {}
    for f, terms in enumerate(products):
        for factors, coefficient in terms:
            padded = sorted(factors, reverse=True) + [ONE] * (3 - len(factors))  # equal products become one term
            _add(forward, (f, padded[0], padded[1], padded[2]), coefficient)
            for k, q in enumerate(padded[: len(factors)]):
                others = padded[:k] + padded[k + 1 :]
                _add(back, (q, f, others[0], others[1]), coefficient)
                _add(change, (f, q, others[0], others[1]), coefficient)
    n_features = len(products)
    of_rows = (forward, n_features), (back, n_moments), (change, n_features)
    features, adjoint, of_change = (SparsePolynomials.of_terms(*terms) for terms in of_rows)
    return features, adjoint, of_change


def _add(terms: dict[Term, float], term: Term, coefficient: float) -> None:
    terms[term] = terms.get(term, 0.0) + coefficient


@triton.jit
def polynomials_kernel(
    starts,  # (n_rows + 1,) int32
    factors,  # (n_terms, 3) int32
    coefficients,  # (n_terms,)
    left,  # (n_left, n_centres)
    right,  # (n_right, n_centres)
    values,  # (n_rows, n_centres), written
    n_rows,
    n_centres,
    CENTRES: tl.constexpr,
    TERMS: tl.constexpr,
):
    """One row for a block of centres; rows of the same centres come one after the other, as they read the same."""
    row = tl.program_id(0) % n_rows
    i = (tl.program_id(0) // n_rows).to(tl.int64) * CENTRES + tl.arange(0, CENTRES)
    is_centre = (i < n_centres)[None]
    sums = tl.full([TERMS, CENTRES], 0.0, values.dtype.element_ty)
    end = tl.load(starts + row + 1)
    for start in range(tl.load(starts + row), end, TERMS):
        t = start + tl.arange(0, TERMS)
        is_term = t < end
        a = tl.load(factors + 3 * t, mask=is_term, other=0).to(tl.int64)[:, None]
        b = tl.load(factors + 3 * t + 1, mask=is_term, other=-1).to(tl.int64)[:, None]
        c = tl.load(factors + 3 * t + 2, mask=is_term, other=-1).to(tl.int64)[:, None]
        coefficient = tl.load(coefficients + t, mask=is_term, other=0.0)[:, None]
        of_left = tl.load(left + a * n_centres + i[None], mask=is_centre & is_term[:, None], other=0.0)
        first = tl.load(right + b * n_centres + i[None], mask=is_centre & (b >= 0), other=1.0)
        second = tl.load(right + c * n_centres + i[None], mask=is_centre & (c >= 0), other=1.0)
        sums += coefficient * of_left * (first * second)
    tl.store(values + row.to(tl.int64) * n_centres + i, tl.sum(sums, axis=0), mask=i < n_centres)
