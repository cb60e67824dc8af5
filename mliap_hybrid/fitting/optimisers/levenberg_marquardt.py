"""Levenberg-Marquardt: steps that would be exact, were the errors linear in the weights.

For a loss |r|^2 + d |x|^2 with residuals r (m,) and their Jacobian J (m, n) by the weights x (n,), the step is

    p = -(J^T J + (l + d) 1)^-1 g,      g = J^T r + d x = -J^T J p - (l + d) p,

with the damping l, which makes it short and steep where the linear picture fails. Where there are fewer residuals than
weights, the matrix of the residuals J J^T (m, m) is inverted in its place:

    p = -[g - J^T (J J^T + a 1)^-1 J g] / a,      a = l + d.

The damping follows the ratio of the true gain to the expected one (Madsen, Nielsen and Tingleff, Methods for Non-Linear
Least Squares Problems, 2nd ed. 2004, section 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

MAX_TRIALS = 12
"""Of dampings, in one step."""

FIRST_DAMPING = 1e-2
"""Relative to the mean of the diagonal of J^T J over its rank."""

ResidualsAndJacobians = Iterable[tuple[Tensor, Tensor]]
"""Some of the residuals (m_k,), float32, and their derivatives (m_k, n) by the weights."""


class LinearModel:
    """Residuals that are linear in the weights, and the step to the minimum of their damped squares."""

    def __init__(self, linearised: ResidualsAndJacobians, n_residuals: int, position: Tensor, decay: float):
        """Gather J^T J, or J J^T where this is smaller.

        Parameters
        ----------
        linearised : iterable of (Tensor, Tensor)
            All residuals and derivatives, part by part.
        n_residuals : int
            Their number.
        position : Tensor, shape (n,), float64
            The weights.
        decay : float
            d.
        """
        n = len(position)
        self.decay = decay
        self.by_weights = n_residuals >= n
        self.gradient = decay * position
        device = position.device
        self.jacobian = torch.empty((0, n) if self.by_weights else (n_residuals, n), device=device)
        self.products = torch.zeros((n, n) if self.by_weights else (0, 0), device=device)
        self.squares, first = 0.0, 0
        for residuals, derivatives in linearised:
            self.squares += float(residuals.double().square().sum())
            self.gradient = self.gradient + (residuals @ derivatives).double()
            if self.by_weights:
                self.products.addmm_(derivatives.T, derivatives)
            else:
                self.jacobian[first : first + len(residuals)] = derivatives
                first += len(residuals)
        if not self.by_weights:
            self.products = self.jacobian @ self.jacobian.T
        self.loss = self.squares + decay * float(position.square().sum())

    @property
    def typical_square(self) -> float:
        """Mean of the diagonal of the smaller matrix."""
        return float(self.products.diagonal().mean())

    def step(self, damping: float) -> Tensor:
        """p (n,), float64, for a damping l > 0."""
        shift = damping + self.decay
        matrix = self.products.double()
        matrix.diagonal().add_(shift)
        factor, failed = torch.linalg.cholesky_ex(matrix)
        if failed:  # rounding of J^T J is larger than the damping
            return torch.full_like(self.gradient, math.nan)
        if self.by_weights:
            return -torch.cholesky_solve(self.gradient[:, None], factor)[:, 0]
        inner = torch.cholesky_solve((self.jacobian @ self.gradient.float()).double()[:, None], factor)[:, 0]  # (m,)
        return -(self.gradient - (inner.float() @ self.jacobian).double()) / shift

    def expected_gain(self, step: Tensor, damping: float) -> float:
        """By how much the loss would fall along the step."""
        return float(damping * step.square().sum() - self.gradient @ step)


@dataclass
class Damping:
    """l, and what it is multiplied by after the next step that fails."""

    value: float
    growth: float = 2.0

    def after_gain(self, ratio: float) -> None:
        """The loss fell by `ratio` times what was expected."""
        self.value *= max(1.0 / 3.0, 1.0 - (2.0 * ratio - 1.0) ** 3)
        self.growth = 2.0

    def after_loss(self) -> None:
        """The loss did not fall."""
        self.value *= self.growth
        self.growth *= 2.0


def best_step(
    model: LinearModel, position: Tensor, loss_at: Callable[[Tensor], float], damping: Damping
) -> tuple[Tensor, float] | None:
    """The first step that lowers the loss, with more damping each time; None where none does.

    Parameters
    ----------
    model : LinearModel
    position : Tensor, shape (n,), float64
    loss_at : callable
        Position -> the true loss, decay included; may be infinite or NaN.
    damping : Damping
        Changed for the next step.

    Returns
    -------
    position : Tensor, shape (n,)
    loss : float
    """
    for _ in range(MAX_TRIALS):
        step = model.step(damping.value)
        loss = loss_at(position + step) if bool(torch.isfinite(step).all()) else math.nan
        gain = model.loss - loss
        if gain > 0.0:
            damping.after_gain(gain / model.expected_gain(step, damping.value))
            return position + step, loss
        damping.after_loss()
    return None
