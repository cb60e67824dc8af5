"""Cholesky factorisation inside the matrix that it factorises.

    (K + jitter 1) = L L^T

The upper triangle holds K and is never written; the columns of L fill the lower triangle block by block from the left:

    L_bb L_bb^T = K_bb - sum_{a<b} L_ba L_ba^T,      L_cb = (K_cb - sum_{a<b} L_ca L_ba^T) L_bb^-T

No second matrix is needed, and when a jitter was too small the next try starts again from the upper triangle.
LAPACK's dpotrf of some builds ends the process for matrices of more than 4 GB; the blocks here are far below.

Golub and Van Loan, Matrix Computations, 4th edition, section 4.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.sgdml.kernel_matrix import Track, untracked

BLOCK = 512
"""Columns of L that are computed at a time."""


class InPlaceCholesky:
    """A positive definite matrix that becomes its own factor."""

    def __init__(self, matrix: Tensor):
        """Keep the diagonal, which L overwrites.

        Parameters
        ----------
        matrix : Tensor, shape (size, size), float64
            Its upper triangle counts; the lower one is overwritten.
        """
        self.matrix = matrix
        self.diagonal = matrix.diagonal().clone()  # (size,)
        self.blocks = [slice(start, min(start + BLOCK, len(matrix))) for start in range(0, len(matrix), BLOCK)]

    def factorise(self, jitter: float, track: Track = untracked) -> bool:
        """Compute L; False where the matrix with this jitter is not positive definite in double precision."""
        what = f"blocks of the Cholesky factor, jitter {jitter:.0e}"
        return all(self._column(block, jitter) for block in track(self.blocks, what))

    def _column(self, block: slice, jitter: float) -> bool:
        matrix, width = self.matrix, block.stop - block.start
        column = matrix[block, block.start :].T.contiguous()  # (size - start, width) of K
        column.diagonal().copy_(self.diagonal[block] + jitter)
        column.addmm_(matrix[block.start :, : block.start], matrix[block, : block.start].T, alpha=-1.0)
        square = column[:width].tril()  # (width, width)
        factor, failed_at = torch.linalg.cholesky_ex(square + square.tril(-1).T)
        if failed_at > 0 or not torch.isfinite(factor.diagonal()).all():
            return False
        below = torch.linalg.solve_triangular(factor.T, column[width:], upper=True, left=False)
        matrix[block.stop :, block] = below
        matrix[block, block] = factor + matrix[block, block].triu(1)
        return True

    def solve(self, right_side: Tensor) -> Tensor:
        """(K + jitter 1)^-1 times a vector (size,), after `factorise`."""
        matrix, solution = self.matrix, right_side.clone()[:, None]  # (size, 1)
        for block in self.blocks:
            solution[block] -= matrix[block, : block.start] @ solution[: block.start]
            solution[block] = torch.linalg.solve_triangular(matrix[block, block].tril(), solution[block], upper=False)
        for block in reversed(self.blocks):
            solution[block] -= matrix[block.stop :, block].T @ solution[block.stop :]
            solution[block] = torch.linalg.solve_triangular(matrix[block, block].tril().T, solution[block], upper=True)
        return solution[:, 0]
