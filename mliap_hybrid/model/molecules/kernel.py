"""Matérn kernel of smoothness 5/2 between descriptors, and expansions in its derivatives.

In the scaled descriptors d = sqrt(5) D / sigma, with x = |d - d'| and m = (1 + x) exp(-x),

    k            = (1 + x + x^2/3) exp(-x)
    dk/dd        = -m (d - d') / 3
    d2k/dd dd'   = [ m 1 - exp(-x) (d - d') (d - d')^T ] / 3

An expansion in centres c_p with weights a_p of derivatives and b_p of values is

    E(d)         = sum_p [ m_p t_p + b_p k_p ],                                t_p = (d - c_p) . a_p
    dE/dd        = sum_p [ m_p a_p - v_p (d - c_p) ],                          v_p = exp(-x_p) t_p + m_p b_p / 3

Sums over centres are products of matrices; x^2 is |d|^2 + |c|^2 - 2 d.c, whose rounding does no harm since neither E
nor dE/dd has a term linear in x. Without `b` the energies come free, and a product with the matrix of second
derivatives is -- up to its sign and the Jacobians -- the gradient of such an expansion.

Chmiela, Sauceda, Müller, Tkatchenko, Nat. Commun. 9, 3887 (2018), equations 3 to 5.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

CHUNK = 1 << 17
"""Pairs of a geometry and a centre that are worked on at a time: 1 MB an array, which stays in the cache."""


def scale_of(sigma: float) -> float:
    """sqrt(5) / sigma in Å, for a length scale `sigma` in 1/Å."""
    return math.sqrt(5.0) / sigma


class KernelExpansion:
    """A function of the scaled descriptor, and its gradient."""

    def __init__(self, centres: Tensor, derivative_weights: Tensor, value_weights: Tensor | None = None):
        """Prepare the sums.

        Parameters
        ----------
        centres : Tensor, shape (n_centres, n_pairs)
            c, scaled.
        derivative_weights : Tensor, shape (n_centres, n_pairs)
            a.
        value_weights : Tensor, shape (n_centres,), optional
            b.
        """
        self.origin = centres.mean(0)  # (n_pairs,) small numbers round less
        self.centres = centres - self.origin  # (n_centres, n_pairs)
        self.weights = derivative_weights  # (n_centres, n_pairs)
        self.value_weights = value_weights
        self._squares = self.centres.square().sum(1)  # (n_centres,)
        self._products = (self.centres * self.weights).sum(1)  # (n_centres,)

    def __call__(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Values and gradients.

        Parameters
        ----------
        points : Tensor, shape (n_points, n_pairs)
            d, scaled.

        Returns
        -------
        values : Tensor, shape (n_points,)
        gradients : Tensor, shape (n_points, n_pairs)
        """
        values, gradients = points.new_empty(len(points)), torch.empty_like(points)
        step = min(max(1, CHUNK // len(self.centres)), max(1, len(points)))
        arrays = points.new_empty(4, step, len(self.centres))  # written again for each chunk
        for start in range(0, len(points), step):
            part = points[start : start + step]
            self._chunk(
                part - self.origin, arrays[:, : len(part)], values[start:][: len(part)], gradients[start:][: len(part)]
            )
        return values, gradients

    def _chunk(self, points: Tensor, arrays: Tensor, values: Tensor, gradients: Tensor) -> None:
        """The sums for a few points (n_points, n_pairs), measured from `origin`."""
        x, decay, t, m = arrays  # (n_points, n_centres) each
        torch.addmm(self._squares, points, self.centres.T, alpha=-2.0, out=x)
        x.add_(points.square().sum(1, keepdim=True)).clamp_(min=0.0).sqrt_()
        torch.exp(torch.neg(x, out=decay), out=decay)
        torch.addmm(self._products, points, self.weights.T, beta=-1.0, out=t)
        torch.addcmul(decay, x, decay, out=m)
        torch.linalg.vecdot(m, t, out=values)
        v = t.mul_(decay)  # (n_points, n_centres)
        if self.value_weights is not None:
            values += torch.addcmul(m, x.square_(), decay, value=1.0 / 3.0, out=decay) @ self.value_weights
            v.addcmul_(m, self.value_weights, value=1.0 / 3.0)
        torch.mm(m, self.weights, out=gradients)
        gradients.addmm_(v, self.centres).addcmul_(v.sum(1, keepdim=True), points, value=-1.0)
