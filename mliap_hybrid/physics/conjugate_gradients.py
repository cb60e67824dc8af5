"""Conjugate gradients for several symmetric systems side by side, one for each structure.

With a diagonal preconditioner M (Hestenes and Stiefel, J. Res. Natl. Bur. Stand. 49, 409 (1952)); systems that are done
wait for the others. Atoms may be divided between processors: sums over structures are all that these have to agree on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mliap_hybrid.errors import InputError

MOST_ROUNDS = 200
"""Polarisable atoms need about ten for eight digits."""


def conjugate_gradients(
    apply: Callable[[Tensor], Tensor],
    right: Tensor,
    preconditioner: Tensor,
    sums: Callable[[Tensor], Tensor],
    to_atoms: Callable[[Tensor], Tensor],
    tolerance: float,
) -> Tensor:
    """x with A x = b, for positive definite A. Carries no graph. Collective where the callables are.

    Parameters
    ----------
    apply : callable
        x (n_atoms, 3) -> A x.
    right : Tensor, shape (n_atoms, 3)
        b.
    preconditioner : Tensor, shape (n_atoms,)
        M, positive; x starts as M b.
    sums : callable
        Values of atoms (n_atoms,) -> sums over structures (n_structures,).
    to_atoms : callable
        Values of structures (n_structures,) -> those of their atoms (n_atoms,).
    tolerance : float
        Of (r.M.r / b.M.b)^(1/2), with what is left r = b - A x, in each structure.

    Returns
    -------
    Tensor, shape (n_atoms, 3)

    Raises
    ------
    InputError
        If A is found not to be positive definite, or x is not found in `MOST_ROUNDS`.
    """

    def products(a: Tensor, b: Tensor) -> Tensor:  # (n_atoms, 3) each -> (n_structures,)
        return sums((a * b).sum(1))

    with torch.no_grad():
        scale = preconditioner[:, None]  # (n_atoms, 1)
        x = scale * right
        left = right - apply(x)
        direction = scale * left
        size, enough = products(left, direction), tolerance**2 * products(right, x)  # (n_structures,) each
        for _ in range(MOST_ROUNDS):
            unfinished = size > enough
            if not unfinished.any():
                return x
            applied = apply(direction)
            curvature = products(direction, applied)  # (n_structures,)
            if (curvature[unfinished] <= 0.0).any():
                raise InputError(
                    "induced dipoles have no stable solution: atoms polarise each other without end (polarisation "
                    "catastrophe). Expected smaller polarisabilities, or dipoles.damping gaussian, with which this "
                    "cannot happen"
                )
            step = to_atoms(torch.where(unfinished, size / curvature, 0.0))[:, None]  # (n_atoms, 1)
            x, left = x + step * direction, left - step * applied
            before, size = size, products(left, scale * left)
            direction = scale * left + to_atoms(torch.where(unfinished, size / before, 0.0))[:, None] * direction
        worst = float((size / enough.clamp(min=1e-300)).max().sqrt()) * tolerance
        raise InputError(
            f"induced dipoles were not found within {MOST_ROUNDS} rounds: expected a relative error of {tolerance:g}, "
            f"found {worst:g}; expected smaller polarisabilities, or a larger dipoles.tolerance"
        )


def with_response(solution: Tensor, left: Tensor, solve: Callable[[Tensor], Tensor]) -> Tensor:
    """A solution of A x = b that knows how it changes with all that b - A x is made of.

    dx = A^-1 (db - dA x): one more system for each derivative that is taken, and no way back through the rounds.

    Parameters
    ----------
    solution : Tensor, shape (n_atoms, 3)
        x, without a graph.
    left : Tensor, shape (n_atoms, 3)
        b - A x at this fixed x: nearly zero, with the graph of A and b.
    solve : callable
        Any b (n_atoms, 3) -> A^-1 b, without a graph.
    """
    return solution + _Response.apply(left, solve)


class _Response(torch.autograd.Function):
    """Zeros, whose derivative is A^-1."""

    @staticmethod
    def forward(context: Any, left: Tensor, solve: Callable[[Tensor], Tensor]) -> Tensor:
        context.solve = solve
        return torch.zeros_like(left)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradients: Tensor) -> tuple[Tensor, None]:
        return context.solve(gradients), None
