"""What predicted charges are compared with in a training: labels of charges, dipole moments and Born charges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from mliap_hybrid.fitting.label_masks import join_labels
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
        tensors = [getattr(self, f.name) for f in fields(self)]
        return sum(tensor.nbytes for tensor in tensors if tensor is not None)


def prepare_charges(batch: Batch) -> ChargeConstants:
    """Labels of one frame.

    Parameters
    ----------
    batch : Batch
        One structure, with its labels.
    """
    return ChargeConstants(
        total_charges=batch.total_charges.float(),
        positions=batch.positions.float(),
        periodic=batch.periodic.any(1),
        charges=_float(batch.charges),
        dipoles=_float(batch.dipoles),
        born_charges=_float(batch.born_charges),
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
        **labels,
    )


def _float(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.float()
