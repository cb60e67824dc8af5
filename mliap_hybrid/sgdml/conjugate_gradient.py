"""Conjugate gradients for the GDML equations, preconditioned by a Nyström approximation of the matrix.

    (K + jitter 1) alpha = y,      P = B B^T + mu 1,      B = K_:S chol(K_SS)^-T

S is a random fifth of the columns, mu a tenth of what the mean diagonal element of K lacks in B B^T: of the order of
the eigenvalues that B leaves out. P^-1 costs two products with B (Woodbury). K itself is never held, since its product
with a vector is a prediction of forces (`gdml_kernel_matrix.multiply`). The number of steps is some hundreds.

Díaz, Epperly, Frangella, Tropp, Webber, arXiv 2304.12465 (2023); Chmiela et al., Sci. Adv. 9, eadf0873 (2023).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.sgdml.kernel_matrix import Track, TrainingPoints, covariances, multiply, untracked

SHARE, MOST_COLUMNS = 0.2, 8000
"""Share of the columns that the preconditioner knows, and their largest number."""

ROWS = 4096
"""Rows of B that are computed at a time."""

TOLERANCE = 1e-4
"""Largest norm of the residual, over that of the right side; errors of forces have converged to three digits then."""

MAX_STEPS = 5000
"""Steps after which the equations are taken for too ill-conditioned."""

DAMPING = 0.1
"""mu over the mean diagonal element that the approximation lacks."""

ROUNDING = (1e-12, 1e-10, 1e-8, 1e-6)
"""Added to the diagonal of K_SS, relative to its mean, the first that suffices: K_SS is nearly singular."""


def n_columns(points: TrainingPoints) -> int:
    """Number of columns that the preconditioner takes."""
    return max(1, min(round(SHARE * points.size), MOST_COLUMNS))


class NystromPreconditioner:
    """P^-1 as an operator."""

    def __init__(self, points: TrainingPoints, jitter: float, random: torch.Generator, track: Track = untracked):
        """Compute B and the Cholesky factor of mu 1 + B^T B.

        Parameters
        ----------
        points : TrainingPoints
        jitter : float
        random : torch.Generator
            Draws the columns.
        track : Track
        """
        chosen = torch.randperm(points.size, generator=random)[: n_columns(points)].sort().values  # (n_chosen,)
        columns = torch.empty(points.size, len(chosen), dtype=torch.float64)  # (size, n_chosen)
        diagonal = torch.empty(points.size, dtype=torch.float64)  # (size,)
        for j in track(range(points.n_train), "preconditioner"):
            rows = slice(j * points.n_rows, (j + 1) * points.n_rows)
            diagonal[rows] = covariances(points, j, slice(j, j + 1))[0].diagonal()
            mine = (chosen >= rows.start) & (chosen < rows.stop)  # (n_chosen,)
            if mine.any():
                columns[:, mine] = covariances(points, j, columns=chosen[mine] - rows.start).flatten(0, 1)
        factor = _factor(columns[chosen])  # (n_chosen, n_chosen)
        for part in columns.split(ROWS):
            part.copy_(torch.linalg.solve_triangular(factor.T, part, upper=True, left=False))
        self.factor = columns  # (size, n_chosen) B
        missing = (diagonal - self.factor.square().sum(1)).clamp(min=0.0).mean()
        self.mu = max(DAMPING * float(missing), jitter)
        inner = self.factor.T @ self.factor  # (n_chosen, n_chosen)
        inner.diagonal().add_(self.mu)
        self._inner = torch.linalg.cholesky(inner)

    def __call__(self, vector: Tensor) -> Tensor:
        """P^-1 times a vector (size,)."""
        known = torch.cholesky_solve((self.factor.T @ vector)[:, None], self._inner)  # (n_chosen, 1)
        return (vector - (self.factor @ known)[:, 0]) / self.mu


def _factor(square: Tensor) -> Tensor:
    """Cholesky factor of K_SS (n_chosen, n_chosen), regularised as much as it needs."""
    square = (square + square.T) / 2.0
    diagonal = square.diagonal().clone()  # (n_chosen,)
    for relative in ROUNDING:
        square.diagonal().copy_(diagonal + relative * diagonal.mean())
        factor, failed_at = torch.linalg.cholesky_ex(square)
        if failed_at == 0:
            return factor
    raise InputError(
        "the kernel matrix of some training frames is singular: some frames are the same, or their positions are not "
        "finite; remove them"
    )


def conjugate_gradients(
    points: TrainingPoints,
    right_side: Tensor,
    jitter: float,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    track: Track = untracked,
) -> tuple[Tensor, int]:
    """Solve the equations.

    Parameters
    ----------
    points : TrainingPoints
    right_side : Tensor, shape (size,)
    jitter : float
    seed : int
        Draws the columns of the preconditioner.
    tolerance : float
        Norm of the residual over that of the right side.
    track : Track

    Returns
    -------
    solution : Tensor, shape (size,)
    n_steps : int

    Raises
    ------
    InputError
        If there is no convergence.
    """
    precondition = NystromPreconditioner(points, jitter, torch.Generator().manual_seed(seed), track)
    solution, residual = torch.zeros_like(right_side), right_side.clone()  # (size,) each
    direction = precondition(residual)  # (size,)
    overlap, progress = residual @ direction, _Progress(tolerance)
    for _ in track(progress, "steps of conjugate gradients"):
        moved = multiply(points, direction) + jitter * direction  # (size,)
        length = overlap / (direction @ moved)
        solution += length * direction
        residual -= length * moved
        preconditioned = precondition(residual)  # (size,)
        previous, overlap = overlap, residual @ preconditioned
        direction = preconditioned + (overlap / previous) * direction
        progress.residual = float(residual.norm() / right_side.norm())
    if not progress.has_converged:
        raise InputError(
            f"conjugate gradients did not converge: residual {progress.residual:.1e} after {MAX_STEPS} steps, expected "
            f"{tolerance:.0e}; use a smaller sigma or a larger jitter, or remove frames that are nearly the same"
        )
    return solution, progress.n_steps


class _Progress:
    """Counts steps until the residual is small enough."""

    def __init__(self, tolerance: float):
        self.tolerance = tolerance
        self.residual = 1.0
        self.n_steps = 0

    @property
    def has_converged(self) -> bool:
        return self.residual < self.tolerance

    def __iter__(self) -> Iterator[int]:
        while self.n_steps < MAX_STEPS and not self.has_converged:
            self.n_steps += 1
            yield self.n_steps
