"""The sum over wave vectors with its adjoint, for structures stacked on one axis.

The phase of atom i and k = 2 pi n inv(cell)^T is a product of three one-dimensional ones, exp(2 pi i n.s_i), with
fractional coordinates s. Wave vectors are taken column by column: c stands for (n1, n2), and along a column
m = |n3|, both signs together, so that everything expensive is a real matrix product of two tables:

    P_ci = exp(2 pi i (n1 s_i1 + n2 s_i2)),    Z_mi = cos, sin(2 pi m s_i3)
    sums:     C + iD = sum_i P_ci q_i Z_mi,  S(c, +-m) = C +- iD
    adjoint:  phi_i = 2 Re sum_k w_k S(k) conj(phase) = 2 Re sum_c conj(P_ci) T_ci,
              T_ci = sum_m [ (G+ + G-) cos - i (G+ - G-) sin ](2 pi m s_i3),  G+- = w S(c, +-m)

About 12 operations for each atom and wave vector give energy, potential, forces and virial; a phase in three
dimensions is never formed.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mliap_hybrid.physics.ewald_result import GaussianChargeResult
from mliap_hybrid.physics.wave_vectors import (
    TOLERANCE,
    background_weight,
    coulomb_weights,
    largest_indices,
    longest_wave_vector,
    wave_vector_columns,
)

CHUNK_ELEMENTS = 128_000
"""Number of (atom, column) phases held at a time, small enough to stay in the cache."""


def lattice_sum(
    positions: Tensor,
    charges: Tensor,
    cells: Tensor,
    smearing: float,
    tolerance: float = TOLERANCE,
    reduce: Callable[[Tensor], Tensor] = lambda of_own_atoms: of_own_atoms,
) -> GaussianChargeResult:
    """Energy, potentials, forces and virials of stacked periodic structures, the neutralising background included.

    Parameters
    ----------
    positions : Tensor, shape (n_structures, n_atoms, 3), Å
        Where structures differ in size, the smaller ones are filled up with atoms of charge zero.
    charges : Tensor, shape (n_structures, n_atoms), e
    cells : Tensor, shape (n_structures, 3, 3), Å
        Lattice vectors as rows.
    smearing : float, Å
    tolerance : float
        Wave vectors with exp(-sigma^2 k^2 / 2) below it are left out.
    reduce : callable
        Sum of a tensor over all processors that hold atoms of the structures. Each calls it equally often.

    Returns
    -------
    GaussianChargeResult
        Energies and virials of the structures; of the atoms given, potentials of shape (n_structures, n_atoms) and
        forces of shape (n_structures, n_atoms, 3).
    """
    longest = longest_wave_vector(smearing, tolerance)  # 1/Å
    largest = largest_indices(cells, longest).amax(0).tolist()  # 3 integers
    longest_last = sorted(range(3), key=lambda axis: largest[axis])
    cells, (n1_max, n2_max, n3_max) = cells[:, longest_last], (largest[axis] for axis in longest_last)
    inverse = torch.linalg.inv(cells)  # (b, 3, 3)
    reciprocal = 2.0 * math.pi * inverse.transpose(1, 2)  # (b, 3, 3): rows
    volumes = (torch.linalg.cross(cells[:, 0], cells[:, 1]) * cells[:, 2]).sum(1).abs()  # (b,)

    fractional = (positions @ inverse).transpose(1, 2)  # (b, 3, n)
    fractional = fractional - fractional.round()  # exact phases also far from the origin
    x = _cos_sin(fractional[:, 0], 0, n1_max)  # (b, n1, 2, n)
    y = _cos_sin(fractional[:, 1], -n2_max, n2_max)  # (b, n2, 2, n)
    z = _cos_sin(fractional[:, 2], 0, n3_max)  # (b, n3, 2, n)
    charged_z = charges[:, None, None] * z  # (b, n3, 2, n)

    columns, extents = wave_vector_columns(reciprocal, longest, n1_max, n2_max)  # (n_columns, 2), (n_columns,)
    energies = torch.zeros_like(volumes)  # (b,)
    potentials = torch.zeros_like(charges)  # (b, n)
    potential_gradients = torch.zeros_like(fractional)  # (b, 3, n): dphi/d(2 pi s)
    moments = torch.zeros_like(cells)  # (b, 3, 3): sum over k of (sigma^2 + 2 / k^2) * energy * n n^T
    n_atoms = int(reduce(torch.tensor([float(charges.shape[1])])))  # of all processors: so all have the same chunks
    chunk = max(1, CHUNK_ELEMENTS // (len(cells) * max(n_atoms, 4 * n3_max)))  # columns
    for start in range(0, len(columns), chunk):
        n12 = columns[start : start + chunk]  # (c, 2)
        n_m = int(extents[start : start + chunk].max()) + 1
        m = torch.arange(n_m, dtype=cells.dtype, device=cells.device)  # (m,)
        plane = _product(x[:, n12[:, 0]], y[:, n12[:, 1] + n2_max])  # (b, c, 2, n)
        rows, rows_z = plane.flatten(1, 2), z[:, :n_m].flatten(1, 2)  # (b, 2c, n), (b, 2m, n)

        sums = reduce(rows @ charged_z[:, :n_m].flatten(1, 2).transpose(1, 2))  # (b, 2c, 2m)
        c_re, c_im, d_re, d_im = _unpack(sums, n_m)  # (b, c, m) each
        s_re, s_im = torch.stack([c_re - d_im, c_re + d_im]), torch.stack([c_im + d_re, c_im - d_re])  # (2, b, c, m)
        k_squared, counted = _squared_lengths(n12, m, reciprocal, longest)  # (2, b, c, m) each
        weights = counted * coulomb_weights(k_squared, volumes[:, None, None], smearing)  # (2, b, c, m)
        energies_k = weights * (s_re.square() + s_im.square())  # (2, b, c, m)
        energies += energies_k.sum((0, 2, 3))
        moments += _index_moments(n12.to(m.dtype), m, (smearing**2 + 2.0 / k_squared) * energies_k)

        g_re, g_im = weights * s_re, weights * s_im  # (2, b, c, m) each
        u_re, u_im, v_re, v_im = g_re.sum(0), g_im.sum(0), g_re[0] - g_re[1], g_im[0] - g_im[1]  # (b, c, m) each
        # u cos(m t) - i v sin(m t), and its derivative by t = 2 pi s_3
        adjoint = _pack(cos=(u_re, u_im), sin=(v_im, -v_re))  # (b, 2c, 2m)
        adjoint_derivative = _pack(cos=(m * v_im, -m * v_re), sin=(-m * u_re, -m * u_im))  # (b, 2c, 2m)
        field = adjoint @ rows_z  # (b, 2c, n): T
        potentials += 2.0 * (rows * field).sum(1)
        field_re, field_im = field.unflatten(1, (-1, 2)).unbind(2)  # (b, c, n) each
        turned = plane[:, :, 0] * field_im - plane[:, :, 1] * field_re  # (b, c, n): Im conj(P) T
        potential_gradients[:, :2] += 2.0 * n12.T.to(m.dtype) @ turned
        potential_gradients[:, 2] += 2.0 * (rows * (adjoint_derivative @ rows_z)).sum(1)

    forces = -charges[..., None] * (potential_gradients.transpose(1, 2) @ reciprocal)  # (b, n, 3)
    total = reduce(charges.sum(1))  # (b,)
    background = background_weight(volumes, smearing) * total  # (b,): half of dE/dq
    energies = energies + background * total
    identity = torch.eye(3, dtype=cells.dtype, device=cells.device)
    return GaussianChargeResult(
        energies=energies,
        potentials=potentials + 2.0 * background[:, None],
        forces=forces,
        virials=energies[:, None, None] * identity - reciprocal.transpose(1, 2) @ moments @ reciprocal,
    )


def _cos_sin(fractional: Tensor, lowest: int, highest: int) -> Tensor:
    """cos and sin(2 pi n s) for n from lowest to highest: (b, n_powers, 2, n_atoms)."""
    n = torch.arange(lowest, highest + 1, dtype=fractional.dtype, device=fractional.device)
    angles = 2.0 * math.pi * n[:, None] * fractional[:, None]  # (b, n_powers, n_atoms)
    return torch.stack([torch.cos(angles), torch.sin(angles)], dim=2)


def _product(x: Tensor, y: Tensor) -> Tensor:
    """Complex product, real and imaginary parts on the third axis: (b, c, 2, n)."""
    (x_re, x_im), (y_re, y_im) = x.unbind(2), y.unbind(2)  # (b, c, n) each
    return torch.stack([x_re * y_re - x_im * y_im, x_re * y_im + x_im * y_re], dim=2)


def _unpack(sums: Tensor, n_m: int) -> tuple[Tensor, ...]:
    """(b, 2c, 2m) -> C (cos sums) and D (sin sums): re C, im C, re D, im D of (b, c, m) each."""
    return sums.view(sums.shape[0], -1, 2, n_m, 2).permute(4, 2, 0, 1, 3).flatten(0, 1).unbind(0)


def _pack(cos: tuple[Tensor, Tensor], sin: tuple[Tensor, Tensor]) -> Tensor:
    """Factors (re, im) of cos and of sin, (b, c, m) each -> (b, 2c, 2m), to be multiplied with rows of cos and sin."""
    parts = torch.stack([torch.stack(cos, dim=2), torch.stack(sin, dim=2)], dim=4)  # (b, c, 2, m, 2)
    return parts.flatten(3).flatten(1, 2)


def _squared_lengths(n12: Tensor, m: Tensor, reciprocal: Tensor, longest: float) -> tuple[Tensor, Tensor]:
    """k^2 of k(c, +-m), and which of them count; 1 stands where one does not: (2, b, c, m) each."""
    in_plane = n12.to(m.dtype) @ reciprocal[:, :2]  # (b, c, 3)
    along = (in_plane * reciprocal[:, None, 2]).sum(2)  # (b, c)
    cross = 2.0 * along[..., None] * m  # (b, c, m)
    even = in_plane.square().sum(2)[..., None] + reciprocal[:, 2].square().sum(1)[:, None, None] * m.square()
    k_squared = torch.stack([even + cross, even - cross])  # (2, b, c, m)
    counted = k_squared < longest**2
    origin = (n12 == 0).all(1)  # (c,)
    counted[1, :, :, 0] = False  # m = 0 has one sign
    counted[0, :, origin, 0] = False  # k = 0
    counted[1, :, origin] = False  # of this column only +m: -m is its other half
    return torch.where(counted, k_squared, 1.0), counted


def _index_moments(n12: Tensor, m: Tensor, values: Tensor) -> Tensor:
    """Sum over k of value * n n^T from values (2, b, c, m): (b, 3, 3)."""
    both = values.sum(0)  # (b, c, m)
    moments = values.new_zeros(both.shape[0], 3, 3)
    moments[:, :2, :2] = n12.T @ (both.sum(2)[..., None] * n12)
    moments[:, 2, 2] = (both @ m.square()).sum(1)
    moments[:, :2, 2] = ((values[0] - values[1]) @ m) @ n12
    moments[:, 2, :2] = moments[:, :2, 2]
    return moments
