"""Covariances of the forces (and energies) of training geometries: the matrix of the GDML equations.

With J = dD/dr, the scaled Jacobian G = sqrt(5/3) / sigma J and d, x, m of model/molecules/kernel.py, molecules i and j
have

    cov(F_i, F_j) = sum_q G_i^T [ m 1 - exp(-x) (d_i - P_q d_j) (d_i - P_q d_j)^T ] P_q G_j
    cov(F_i, E_j) =  1/sqrt(3) sum_q m G_i^T (d_i - P_q d_j)
    cov(E_i, F_j) = -1/sqrt(3) sum_q m (d_i - P_q d_j)^T P_q G_j
    cov(E_i, E_j) = sum_q k

Six directions of the 3N are translations and rotations, in which J is zero. They would give rows of zeros, so each
molecule has its own orthonormal directions V_i of the other 3N - 6, and the equations are those of V_i^T F_i: the same
predictions from a matrix of 60 % of the memory for 9 atoms, 80 % for 20.

Chmiela et al., Nat. Commun. 9, 3887 (2018), equations 4 and 5; energies: Sci. Adv. 9, eadf0873 (2023).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.model.molecules.descriptor import InverseDistances
from mliap_hybrid.model.molecules.kernel import KernelExpansion, scale_of

CHUNK_BYTES = 1 << 22
"""Memory of the blocks that are worked on at a time."""

Track = Callable[[Iterable, str], Iterable]
"""Hands items on and shows how many are done: `Display.track`."""


def untracked(items: Iterable, _: str) -> Iterable:
    """A `Track` that shows nothing."""
    return items


@dataclass(frozen=True)
class TrainingPoints:
    """Training geometries as the kernel sees them."""

    scaled: Tensor
    """(n_train, n_pairs): d."""
    jacobians: Tensor
    """(n_train, n_pairs, n_internal): G V."""
    directions: Tensor
    """(n_train, 3 * n_atoms, n_internal): V, orthonormal columns."""
    permuted_pairs: Tensor
    """(n_permutations, n_pairs) int64: what a permutation does to d."""
    with_energies: bool
    """Whether each molecule has a row for its energy after those for its forces."""

    @property
    def n_train(self) -> int:
        """Number of training geometries."""
        return len(self.scaled)

    @property
    def n_internal(self) -> int:
        """Rows of the forces of one molecule."""
        return self.directions.shape[2]

    @property
    def n_rows(self) -> int:
        """Rows of one molecule."""
        return self.n_internal + self.with_energies

    @property
    def size(self) -> int:
        """Rows of the matrix."""
        return self.n_train * self.n_rows


def training_points(
    positions: Tensor,
    permutations: Tensor,
    sigma: float,
    cell: Tensor | None = None,
    with_energies: bool = False,
) -> TrainingPoints:
    """Descriptors, Jacobians and internal directions.

    Parameters
    ----------
    positions : Tensor, shape (n_train, n_atoms, 3), Å
    permutations : Tensor, shape (n_permutations, n_atoms), int64
    sigma : float, 1/Å
    cell : Tensor, shape (3, 3), Å, optional
    with_energies : bool

    Returns
    -------
    TrainingPoints
    """
    descriptor = InverseDistances(positions.shape[1], cell)
    vectors = descriptor.vectors(positions)  # (n_train, n_pairs, 3)
    values = descriptor.values(vectors)  # (n_train, n_pairs)
    jacobians = descriptor.jacobians(vectors, values)  # (n_train, n_pairs, 3 * n_atoms)
    _, axes = torch.linalg.eigh(jacobians.mT @ jacobians)  # ascending: rigid motions first
    directions = axes[:, :, -descriptor.n_internal :]  # (n_train, 3 * n_atoms, n_internal)
    scale = scale_of(sigma)
    return TrainingPoints(
        scaled=scale * values,
        jacobians=scale / math.sqrt(3.0) * (jacobians @ directions),
        directions=directions.contiguous(),
        permuted_pairs=descriptor.permuted_pairs(permutations),
        with_energies=with_energies,
    )


def assemble(points: TrainingPoints, track: Track = untracked) -> Tensor:
    """The matrix; of its lower triangle only the blocks on the diagonal are filled.

    Returns
    -------
    Tensor, shape (size, size), float64
    """
    matrix = torch.empty(points.size, points.size, dtype=torch.float64)
    n_rows = points.n_rows
    for j in track(range(points.n_train), "columns of the kernel matrix, for frames"):
        block = covariances(points, j, slice(j, None))  # (n_train - j, n_rows, n_rows)
        matrix[j * n_rows : (j + 1) * n_rows, j * n_rows :] = block.permute(2, 0, 1).flatten(1)
    return matrix


def covariances(points: TrainingPoints, j: int, others: slice = slice(None), columns: Tensor | None = None) -> Tensor:
    """Blocks of molecules i with the molecule j.

    Parameters
    ----------
    points : TrainingPoints
    j : int
    others : slice
        The molecules i; all of them by default.
    columns : Tensor, shape (n_columns,), int64, optional
        Which rows of the molecule j, ascending; all of them by default.

    Returns
    -------
    Tensor, shape (n_others, n_rows, n_columns)
        Rows belong to i, columns to j.
    """
    n_internal = points.n_internal
    columns = torch.arange(points.n_rows) if columns is None else columns
    of_forces = columns[columns < n_internal]  # (n_force_columns,)
    permuted_d = points.scaled[j, points.permuted_pairs]  # (n_permutations, n_pairs)
    permuted_g = points.jacobians[j][:, of_forces][points.permuted_pairs]  # (n_permutations, n_pairs, n_force_columns)
    scaled, jacobians = points.scaled[others], points.jacobians[others]
    block = scaled.new_empty(len(scaled), points.n_rows, len(columns))
    step = max(1, CHUNK_BYTES // (8 * max(permuted_g[0].numel(), permuted_d.numel())))
    for start in range(0, len(scaled), step):
        part = slice(start, start + step)
        kernel = _Kernel(scaled[part], permuted_d)
        block[part, :n_internal, : len(of_forces)] = kernel.forces_forces(jacobians[part], permuted_g)
        if points.with_energies:
            block[part, n_internal, : len(of_forces)] = kernel.energies_forces(permuted_g)
            if len(of_forces) < len(columns):
                block[part, :n_internal, -1] = kernel.forces_energies(jacobians[part])
                block[part, n_internal, -1] = kernel.energies_energies()
    return block


class _Kernel:
    """Covariances of a few molecules i with one molecule j."""

    def __init__(self, scaled: Tensor, permuted_d: Tensor):
        self.differences = scaled[:, None] - permuted_d  # (n_others, n_permutations, n_pairs)
        self.x = self.differences.square().sum(2).sqrt()  # (n_others, n_permutations)
        self.decay = torch.exp(-self.x)  # (n_others, n_permutations)
        self.m = (1.0 + self.x) * self.decay  # (n_others, n_permutations)

    def forces_forces(self, jacobians: Tensor, permuted_g: Tensor) -> Tensor:
        """cov(F_i, F_j), (n_others, n_internal, n_columns)."""
        along = self.differences.transpose(0, 1) @ permuted_g  # (n_permutations, n_others, n_columns)
        along = (along * self.decay.T[:, :, None]).transpose(0, 1)  # (n_others, n_permutations, n_columns)
        inner = self.m @ permuted_g.flatten(1)  # (n_others, n_pairs * n_columns)
        inner = inner.view(len(inner), *permuted_g.shape[1:])  # (n_others, n_pairs, n_columns)
        return jacobians.mT @ inner.baddbmm_(self.differences.mT, along, alpha=-1.0)

    def forces_energies(self, jacobians: Tensor) -> Tensor:
        """cov(F_i, E_j), (n_others, n_internal)."""
        return (self._sloped().sum(1)[:, None] @ jacobians)[:, 0]

    def energies_forces(self, permuted_g: Tensor) -> Tensor:
        """cov(E_i, F_j), (n_others, n_columns)."""
        return -(self._sloped().flatten(1) @ permuted_g.flatten(0, 1))

    def energies_energies(self) -> Tensor:
        """cov(E_i, E_j), (n_others,)."""
        return ((1.0 + self.x + self.x.square() / 3.0) * self.decay).sum(1)

    def _sloped(self) -> Tensor:
        """m (d_i - P_q d_j) / sqrt(3), (n_others, n_permutations, n_pairs)."""
        return (self.m / math.sqrt(3.0))[:, :, None] * self.differences


def multiply(points: TrainingPoints, vector: Tensor) -> Tensor:
    """Product of the matrix with a vector, without the matrix: a prediction for all training geometries.

    Parameters
    ----------
    points : TrainingPoints
    vector : Tensor, shape (size,)

    Returns
    -------
    Tensor, shape (size,)
    """
    by_molecule = vector.view(points.n_train, points.n_rows)
    n_internal = points.n_internal
    moved = (points.jacobians @ by_molecule[:, :n_internal, None])[..., 0]  # (n_train, n_pairs) G v
    pairs = points.permuted_pairs  # (n_permutations, n_pairs)
    value_weights = None
    if points.with_energies:
        value_weights = math.sqrt(3.0) * by_molecule[:, -1].repeat_interleave(len(pairs))
    expansion = KernelExpansion(points.scaled[:, pairs].flatten(0, 1), -moved[:, pairs].flatten(0, 1), value_weights)
    values, gradients = expansion(points.scaled)  # (n_train,), (n_train, n_pairs)
    product = torch.empty_like(by_molecule)
    product[:, :n_internal] = -(points.jacobians.mT @ gradients[..., None])[..., 0]
    if points.with_energies:
        product[:, -1] = values / math.sqrt(3.0)
    return product.view(-1)
