"""The long-range energy as a torch function, differentiable once in charges, positions and cells.

Potential, forces and virial come with the energy (ewald.py), so that the backward pass is a product, not another sum.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.structure import Batch


def long_range_energies(
    batch: Batch, charges: Tensor, smearing: float, positions: Tensor | None = None, cells: Tensor | None = None
) -> Tensor:
    """Energy of Gaussian charges in each structure, with gradients.

    Second derivatives are refused; where forces are fitted while charges change, see interaction_matrices.py.

    Parameters
    ----------
    batch : Batch
    charges : Tensor, shape (n_atoms,), e
    smearing : float, Å
        Width sigma of the Gaussians.
    positions : Tensor, shape (n_atoms, 3), Å, optional
        In place of the batch's own, which carry no gradient.
    cells : Tensor, shape (n_structures, 3, 3), Å, optional
        Likewise; the gradient is that at fixed Cartesian positions.

    Returns
    -------
    Tensor, shape (n_structures,), eV

    Raises
    ------
    InputError
        If a structure is periodic in one direction.
    RuntimeError
        On the backward pass, if it is asked for a graph of its own.
    """
    positions = batch.positions if positions is None else positions
    cells = batch.cells if cells is None else cells
    energies: Tensor = _LongRange.apply(positions, cells, charges.to(positions.dtype), batch, smearing)
    return energies


class _LongRange(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, positions: Tensor, cells: Tensor, charges: Tensor, batch: Batch, smearing: float) -> Tensor:
        batch = replace(batch, positions=positions.detach(), cells=cells.detach())
        result = gaussian_charge_energy(batch, charges.detach(), smearing)
        ctx.batch = batch
        ctx.save_for_backward(result.potentials, result.forces, result.virials)
        return result.energies

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """`upstream` (n_structures,): derivative of the loss by each energy."""
        if torch.is_grad_enabled():  # create_graph=True: what is returned here would pass for a constant
            raise RuntimeError(
                "the long-range energy is differentiable once; use interaction_matrices for a loss on its forces"
            )
        batch: Batch = ctx.batch
        potentials, forces, virials = ctx.saved_tensors
        per_atom = upstream[batch.structure_of_atom]  # (n_atoms,)
        cells = None
        if ctx.needs_input_grad[1]:
            # Strain moves atoms and cell: dE/d(strain)_ab = sum_i dE/dr_ia r_ib + sum_m dE/dh_ma h_mb = -W_ab.
            arms = batch.sum_over_structures(forces[:, :, None] * batch.positions[:, None, :])  # (n_structures, 3, 3)
            lattice = torch.where(batch.periodic[:, :, None], batch.cells, 0.0)  # (n_structures, 3, 3): h
            of_cell = (arms - virials) @ torch.linalg.pinv(lattice)  # (n_structures, 3, 3): transpose of dE/dh
            cells = upstream[:, None, None] * of_cell.transpose(1, 2)
        return -per_atom[:, None] * forces, cells, per_atom * potentials, None, None
