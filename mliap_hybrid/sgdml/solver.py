"""Solve the GDML equations by the way that suits their size and the memory.

Cholesky factorisation (cholesky.py) is exact and holds the whole matrix; conjugate gradients
(conjugate_gradient.py) hold a fifth of it or less. What either needs is known before anything is allocated.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from mliap_hybrid.config.gdml import JITTERS
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.memory import available_memory
from mliap_hybrid.sgdml.cholesky import BLOCK, InPlaceCholesky
from mliap_hybrid.sgdml.conjugate_gradient import conjugate_gradients, n_columns
from mliap_hybrid.sgdml.kernel_matrix import CHUNK_BYTES, Track, TrainingPoints, assemble, untracked

logger = logging.getLogger(__name__)

Method = Literal["auto", "cholesky", "conjugate-gradients"]

LARGEST_CHOLESKY = 22000
"""Rows up to which `auto` factorises: about 1000 molecules of 9 atoms, where both ways take as long."""

SHARE = 0.9
"""Share of the available memory that may be used."""


@dataclass(frozen=True)
class Solution:
    """Coefficients, and how they were found."""

    coefficients: Tensor
    """(size,) alpha."""
    method: Method
    """What `auto` became."""
    jitter: float
    """What was added to the diagonal."""
    n_steps: int | None = None
    """Steps of conjugate gradients."""


def solve(
    points: TrainingPoints,
    right_side: Tensor,
    method: Method = "auto",
    jitters: tuple[float, ...] = JITTERS,
    seed: int = 0,
    track: Track = untracked,
) -> Solution:
    """alpha of (K + jitter 1) alpha = y.

    Parameters
    ----------
    points : TrainingPoints
    right_side : Tensor, shape (size,)
        y.
    method : {"auto", "cholesky", "conjugate-gradients"}
    jitters : tuple of float
        Ascending; conjugate gradients take the first one.
    seed : int
        For the preconditioner.
    track : Track

    Returns
    -------
    Solution

    Raises
    ------
    InputError
        If there is not enough memory, or no solution.
    """
    chosen = choose_method(points, method, available_memory())
    if chosen == "conjugate-gradients":
        coefficients, n_steps = conjugate_gradients(points, right_side, jitters[0], seed, track=track)
        return Solution(coefficients, chosen, jitters[0], n_steps)
    factor = InPlaceCholesky(assemble(points, track))
    for jitter in jitters:
        if factor.factorise(jitter, track):
            return Solution(factor.solve(right_side), chosen, jitter)
        logger.warning(
            "The kernel matrix with %.0e on its diagonal is not positive definite in double precision.", jitter
        )
    raise InputError(
        f"the kernel matrix is singular even with {jitters[-1]:.0e} on its diagonal: some training frames are the "
        "same, or the permutations are no symmetries of the molecule; remove the copies, or use a smaller sigma"
    )


def memory_needed(points: TrainingPoints, method: Method) -> int:
    """Bytes that a method allocates at its peak, beside the `points`."""
    size, number = points.size, 8
    work = 4 * CHUNK_BYTES
    if method == "conjugate-gradients":
        centres = points.n_train * len(points.permuted_pairs) * points.scaled.shape[1]
        return number * (size * n_columns(points) + 4 * n_columns(points) ** 2 + 4 * centres) + work
    block_column = points.n_train * points.n_rows**2
    return number * (size**2 + 2 * size * BLOCK + 2 * block_column) + work


def choose_method(points: TrainingPoints, method: Method, available: int | None) -> Method:
    """What `auto` becomes, after a look at the memory.

    Parameters
    ----------
    points : TrainingPoints
    method : {"auto", "cholesky", "conjugate-gradients"}
    available : int, bytes, or None
        From `available_memory`.

    Raises
    ------
    InputError
        If the memory does not suffice.
    """

    def fits(candidate: Method) -> bool:
        return available is None or memory_needed(points, candidate) <= SHARE * available

    if method == "auto":
        method = "cholesky" if points.size <= LARGEST_CHOLESKY and fits("cholesky") else "conjugate-gradients"
    if not fits(method):
        other = ', or solver "conjugate-gradients"' if method == "cholesky" and fits("conjugate-gradients") else ""
        raise InputError(
            f"training on {points.n_train} molecules by {method} needs {memory_needed(points, method) / 1e9:.1f} GB of "
            f"memory, and {(available or 0) / 1e9:.1f} GB are available (at most {SHARE:.0%} may be used): use fewer "
            f"training frames{other}"
        )
    return method
