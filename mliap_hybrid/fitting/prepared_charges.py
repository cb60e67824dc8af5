"""What predicted charges need of frames while their network is trained: all of the long-range term but the charges.

Positions stay during a training, so the matrices A, B and V of physics/interaction_matrices.py are constants, and

    E = 1/2 q.A.q,      phi = A.q,      F_i = -q_i sum_j B_ij q_j,      W = 1/2 sum_ij q_i q_j V_ij

are differentiable in the charges by plain matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from mliap_hybrid.fitting.label_masks import join_labels
from mliap_hybrid.physics.ewald_result import GaussianChargeResult
from mliap_hybrid.physics.interaction_matrices import InteractionMatrices, interaction_matrices
from mliap_hybrid.structure import Batch

MASKS = {"charges": "has_charges", "dipoles": "has_dipole", "born_charges": "has_born_charges"}
"""Label -> what says which frames have it."""


@dataclass(frozen=True)
class ChargeConstants:
    """Constants and labels of one or more frames, float32.

    Labels are None where no frame has them. Where some frames lack a label, zeros stand for it, and `has_charges`,
    `has_dipole` or `has_born_charges` says which frames have it; these are None otherwise.
    """

    total_charges: Tensor
    """(n_frames,) e."""
    positions: Tensor
    """(n_atoms, 3), Å."""
    periodic: Tensor
    """(n_frames,) bool: whether periodic in any direction."""
    interactions: tuple[InteractionMatrices, ...]
    """One for each frame."""
    charges: Tensor | None
    """(n_atoms,) e."""
    dipoles: Tensor | None
    """(n_frames, 3) e Å."""
    born_charges: Tensor | None
    """(n_atoms, 3, 3) e."""
    has_charges: Tensor | None = None
    """(n_frames,) bool."""
    has_dipole: Tensor | None = None
    """(n_frames,) bool."""
    has_born_charges: Tensor | None = None
    """(n_frames,) bool."""

    @property
    def n_bytes(self) -> int:
        """Memory that the tensors take."""
        tensors = [getattr(self, f.name) for f in fields(self) if f.name != "interactions"]
        tensors += [getattr(matrices, f.name) for matrices in self.interactions for f in fields(matrices)]
        return sum(tensor.nbytes for tensor in tensors if tensor is not None)

    def long_range(self, charges: Tensor) -> GaussianChargeResult:
        """The long-range term of charges (n_atoms,), e, differentiable in them; virials are zero if not prepared."""
        energies, potentials, forces, virials = [], [], [], []
        sizes = [len(matrices.potential) for matrices in self.interactions]
        for matrices, q in zip(self.interactions, charges.split(sizes), strict=True):
            phi = matrices.potential @ q  # (n,)
            energies.append(0.5 * (q @ phi))
            potentials.append(phi)
            # B is antisymmetric, so the sum over its first index is minus that over its second.
            forces.append(q[:, None] * (q @ matrices.field.flatten(1)).view(-1, 3))  # (n, 3)
            virials.append(_virial(matrices, q))
        return GaussianChargeResult(
            torch.stack(energies), torch.cat(potentials), torch.cat(forces), torch.stack(virials)
        )


def prepare_charges(batch: Batch, smearing: float, with_virial: bool) -> ChargeConstants:
    """Constants of one frame.

    Parameters
    ----------
    batch : Batch
        One structure, with its labels.
    smearing : float, Å
    with_virial : bool
        Whether virials are trained on.

    Returns
    -------
    ChargeConstants
        In float64; `single` makes it small.

    Raises
    ------
    InputError
        If the structure is periodic in one direction.
    """
    return ChargeConstants(
        total_charges=batch.total_charges,
        positions=batch.positions,
        periodic=batch.periodic.any(1),
        interactions=(interaction_matrices(batch, smearing, with_virial),),
        charges=batch.charges,
        dipoles=batch.dipoles,
        born_charges=batch.born_charges,
    )


def single(prepared: ChargeConstants) -> ChargeConstants:
    """The same in float32."""
    return ChargeConstants(
        total_charges=prepared.total_charges.float(),
        positions=prepared.positions.float(),
        periodic=prepared.periodic,
        interactions=tuple(
            InteractionMatrices(matrices.potential.float(), matrices.field.float(), _float(matrices.virial))
            for matrices in prepared.interactions
        ),
        charges=_float(prepared.charges),
        dipoles=_float(prepared.dipoles),
        born_charges=_float(prepared.born_charges),
    )


def join_charges(frames: Sequence[ChargeConstants]) -> ChargeConstants:
    """Lay frames end to end; at least one. They may have different labels."""
    n_frames = [len(frame.total_charges) for frame in frames]
    n_atoms = [len(frame.positions) for frame in frames]
    labels: dict[str, Tensor | None] = {}
    for label, mask in MASKS.items():
        values, masks = ([getattr(frame, name) for frame in frames] for name in (label, mask))
        n_rows = n_frames if label == "dipoles" else n_atoms
        labels[label], labels[mask] = join_labels(values, masks, n_rows, n_frames)
    return ChargeConstants(
        total_charges=torch.cat([frame.total_charges for frame in frames]),
        positions=torch.cat([frame.positions for frame in frames]),
        periodic=torch.cat([frame.periodic for frame in frames]),
        interactions=tuple(matrices for frame in frames for matrices in frame.interactions),
        **labels,
    )


def memory_of_charges(batches: Sequence[Batch], with_virial: bool) -> int:
    """Bytes that the matrices of all frames will take."""
    return sum((4 + 9 * with_virial) * 4 * batch.n_atoms**2 for batch in batches)


def _virial(matrices: InteractionMatrices, charges: Tensor) -> Tensor:
    """W (3, 3), eV."""
    if matrices.virial is None:
        return charges.new_zeros((3, 3))
    return 0.5 * (charges @ (charges @ matrices.virial.flatten(1)).view(-1, 9)).view(3, 3)


def _float(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.float()
