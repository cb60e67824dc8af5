"""What does not change while the network is trained, computed once for each frame.

The features have no trained parameters and the physics terms are fixed, so a step needs only the whitened features,
the map to pair gradients (feature_derivatives.py), and what is left of the labels for the network to explain.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import torch
from torch import Tensor

from mliap_hybrid.communication import Serial
from mliap_hybrid.fitting.feature_derivatives import FeatureDerivatives
from mliap_hybrid.fitting.label_masks import join_labels
from mliap_hybrid.fitting.prepared_charges import ChargeConstants, join_charges
from mliap_hybrid.model.term import Constants
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.structure import Batch, Geometry

MASKS = {"energies": "has_energy", "forces": "has_forces", "virials": "has_virial"}
"""Label -> what says which frames have it."""


@dataclass(frozen=True)
class TrainingFrames:
    """One or more frames laid end to end, float32 but for the pair vectors.

    Labels are None where no frame has them, or the loss does not use them. Where some frames lack a label, zeros stand
    for it, and `has_energy`, `has_forces` or `has_virial` says which frames have it; these are None otherwise.
    """

    features: Tensor
    """(n_atoms, n_kept): whitened features of each atom."""
    derivatives: FeatureDerivatives
    """How the whitened features of i change with r_p = r_j - r_i."""
    pair_i: Tensor
    """(n_pairs,) int64: centre of each pair; sorted."""
    pair_j: Tensor
    """(n_pairs,) int64: neighbour of each pair."""
    pair_vectors: Tensor
    """(n_pairs, 3) float64, Å: r_p."""
    species: Tensor
    """(n_atoms,) int64: index of each atom's element."""
    numbers: Tensor
    """(n_atoms,) int64: atomic numbers."""
    frame_of_atom: Tensor
    """(n_atoms,) int64."""
    atoms_per_frame: Tensor
    """(n_frames,): number of atoms."""
    energies: Tensor | None
    """(n_frames,), eV: label minus the fixed terms."""
    forces: Tensor | None
    """(n_atoms, 3), eV/Å: label minus the fixed terms."""
    virials: Tensor | None
    """(n_frames, 3, 3), eV: label minus the fixed terms."""
    constants: Mapping[str, Constants] = field(default_factory=dict)
    """Kind of a trained term -> what it keeps of these frames."""
    predicted: ChargeConstants | None = None
    """What predicted charges need, and their labels."""
    has_energy: Tensor | None = None
    """(n_frames,) bool."""
    has_forces: Tensor | None = None
    """(n_frames,) bool."""
    has_virial: Tensor | None = None
    """(n_frames,) bool."""

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.atoms_per_frame.shape[0]

    @property
    def n_bytes(self) -> int:
        """Memory that the tensors take."""
        values = [getattr(self, f.name) for f in fields(self)]
        values += list(self.constants.values())
        return sum(
            value.nbytes if isinstance(value, Tensor) else value.n_bytes
            for value in values
            if value is not None and not isinstance(value, Mapping)
        )

    @cached_property
    def geometry(self) -> Geometry:
        """What terms may look at, in the precision of the features."""
        totals = self.features.new_zeros(self.n_frames) if self.predicted is None else self.predicted.total_charges
        return Geometry(
            centre_numbers=self.numbers,
            neighbour_numbers=self.numbers.index_select(0, self.pair_j),
            pair_i=self.pair_i,
            pair_vectors=self.pair_vectors.to(self.features.dtype),
            pair_j=self.pair_j,
            neighbours=Serial(self.pair_j, self.frame_of_atom, totals),
        )


def prepare_frame(
    batch: Batch,
    remainder: Prediction,
    features: Tensor,
    derivatives: FeatureDerivatives,
    elements: Sequence[int],
    constants: Mapping[str, Constants] | None = None,
    predicted: ChargeConstants | None = None,
    use_forces: bool = True,
    use_virials: bool = True,
) -> TrainingFrames:
    """Gather everything of one frame.

    Parameters
    ----------
    batch : Batch
        One structure.
    remainder : Prediction
        Labels minus the fixed terms; a part without label is ignored.
    features : Tensor, shape (n_atoms, n_kept)
        Whitened.
    derivatives : FeatureDerivatives
        Of the whitened features.
    elements : sequence of int
        Atomic numbers of the model, ascending.
    constants : mapping of str to Constants, optional
        Kind of a trained term -> what it keeps of the frame.
    predicted : ChargeConstants, optional
        Where charges are predicted; already float32.
    use_forces, use_virials : bool
        Whether these labels are trained on, if the frame has them.

    Returns
    -------
    TrainingFrames
    """
    return TrainingFrames(
        features=features.float(),
        derivatives=derivatives,
        pair_i=batch.pair_i,
        pair_j=batch.pair_j,
        pair_vectors=batch.pair_vectors(),
        species=torch.searchsorted(torch.tensor(elements), batch.numbers),
        numbers=batch.numbers,
        frame_of_atom=batch.structure_of_atom,
        atoms_per_frame=batch.atoms_per_structure().float(),
        energies=None if batch.energies is None else remainder.energies.float(),
        forces=remainder.forces.float() if use_forces and batch.forces is not None else None,
        virials=remainder.virials.float() if use_virials and batch.virials is not None else None,
        constants=constants or {},
        predicted=predicted,
    )


def memory_of_frames(
    batches: Sequence[Batch],
    n_kept: int,
    stores_derivatives: bool = True,
    of_terms: int = 0,
) -> int:
    """Bytes that the frames will take, with those of trained terms; stored derivatives are nearly all of it."""
    n_pairs = sum(batch.n_pairs for batch in batches)
    n_atoms = sum(batch.n_atoms for batch in batches)
    of_pairs = 40 * n_pairs + 12 * n_pairs * n_kept * stores_derivatives
    return of_pairs + 4 * n_atoms * (n_kept + 12) + of_terms


def join_frames(frames: Sequence[TrainingFrames]) -> TrainingFrames:
    """Lay prepared frames end to end; at least one. They may have different labels."""
    n_atoms = [frame.features.shape[0] for frame in frames]
    n_frames = [frame.n_frames for frame in frames]
    first_atoms = _before(n_atoms, [len(frame.pair_i) for frame in frames])  # (n_pairs,)
    offsets = {"pair_i": first_atoms, "pair_j": first_atoms, "frame_of_atom": _before(n_frames, n_atoms)}
    joined: dict[str, Tensor | FeatureDerivatives | None] = {
        "derivatives": frames[0].derivatives.followed_by([frame.derivatives for frame in frames[1:]])
    }
    for label, mask in MASKS.items():
        labels, masks = ([getattr(frame, name) for frame in frames] for name in (label, mask))
        n_rows = n_atoms if label == "forces" else n_frames
        joined[label], joined[mask] = join_labels(labels, masks, n_rows, n_frames)
    joined["constants"] = {  # type: ignore[assignment]
        kind: constants.followed_by([frame.constants[kind] for frame in frames[1:]])
        for kind, constants in frames[0].constants.items()
    }
    for name in (f.name for f in fields(TrainingFrames) if f.name not in joined):
        values = [getattr(frame, name) for frame in frames]
        if values[0] is None or name == "predicted":
            joined[name] = None
            continue
        end_to_end = torch.cat(values)
        joined[name] = end_to_end + offsets[name] if name in offsets else end_to_end
    predicted = [frame.predicted for frame in frames if frame.predicted is not None]
    together = TrainingFrames(**joined)  # type: ignore[arg-type]  # every field without default is in `joined`
    return replace(together, predicted=join_charges(predicted)) if predicted else together


def _before(sizes: Sequence[int], repeats: Sequence[int]) -> Tensor:
    """For each part, the sum of the sizes of those before it, so many times."""
    first = torch.tensor([0, *itertools.accumulate(sizes[:-1])])
    return first.repeat_interleave(torch.tensor(repeats))
