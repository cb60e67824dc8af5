"""What does not change while the network is trained, computed once for each frame.

The features have no trained parameters and the physics terms are fixed, so a step needs only the whitened features,
the map to pair gradients (feature_derivatives.py), and what is left of the labels for the network to explain.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.communication import Serial
from mliap_hybrid.devices import on_device
from mliap_hybrid.fitting.feature_derivatives import FeatureDerivatives
from mliap_hybrid.fitting.frame_labels import Label, join_labels
from mliap_hybrid.model.term import Constants
from mliap_hybrid.species import species_by_number
from mliap_hybrid.structure import Batch, Geometry
from mliap_hybrid.uniform_field import UniformField


@dataclass(frozen=True)
class Places:
    """Atoms and boxes of frames, laid end to end when somebody asks: few steps do."""

    elements: Tensor
    """(n_elements,) int64: atomic numbers of the model."""
    parts: tuple[tuple[Tensor, Tensor], ...]
    """Of each frame: positions (n_atoms, 3), Å, and whether it is periodic in any direction (1,)."""
    electric_fields: tuple[Tensor | None, ...] = ()
    """Of each frame: (1, 3), V/Å; None where it is in none, and nothing where no frame is in one."""

    @property
    def n_bytes(self) -> int:
        """Memory that the tensors take."""
        return sum(tensor.nbytes for part in self.parts for tensor in part)

    def followed_by(self, others: Sequence[Places]) -> Places:
        """Those of these frames and others, laid end to end."""
        each = [self, *others]
        fields: tuple[Tensor | None, ...] = ()
        if any(places.electric_fields for places in each):
            fields = tuple(f for places in each for f in places.electric_fields or (None,) * len(places.parts))
        return Places(self.elements, tuple(part for places in each for part in places.parts), fields)

    def field(self, communication: Serial) -> UniformField | None:
        """What acts on the atoms from outside; None where there is nothing."""
        if not self.electric_fields:
            return None
        none = self.positions.new_zeros(1, 3)
        fields = torch.cat([none if field is None else field for field in self.electric_fields])  # (n_frames, 3)
        return UniformField(communication.to_centres(fields), self.positions, communication.sum)

    @cached_property
    def positions(self) -> Tensor:
        """(n_atoms, 3), Å."""
        return torch.cat([positions for positions, _ in self.parts])

    @cached_property
    def periodic(self) -> Tensor:
        """(n_frames,) bool: whether periodic in any direction."""
        return torch.cat([periodic for _, periodic in self.parts])


@dataclass(frozen=True)
class TrainingFrames:
    """One or more frames laid end to end, float32 but for the pair vectors."""

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
    frame_of_atom: Tensor
    """(n_atoms,) int64."""
    atoms_per_frame: Tensor
    """(n_frames,): number of atoms."""
    places: Places
    """Where the atoms are."""
    total_charges: Tensor
    """(n_frames,), e."""
    is_between_molecules: Tensor
    """(n_pairs,) bool: whether the atoms of each pair are in different molecules."""
    wall_energies: Tensor
    """(n_frames,), eV: the energy labels as the files say them, by which `loss.wall` weighs frames; zero without."""
    labels: Mapping[str, Label]
    """Quantity -> labels of the frames that have it; of sums of terms, minus the fixed terms."""
    constants: Mapping[str, Constants] = field(default_factory=dict)
    """Kind of a trained term -> what it keeps of these frames."""

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.atoms_per_frame.shape[0]

    @property
    def n_bytes(self) -> int:
        """Memory that the tensors take."""
        values = [getattr(self, f.name) for f in fields(self)]
        values += [*self.labels.values(), *self.constants.values()]
        return sum(
            value.nbytes if isinstance(value, Tensor) else value.n_bytes
            for value in values
            if not isinstance(value, Mapping)
        )

    def without_labels(self, *names: str) -> TrainingFrames:
        """The same frames without the labels of these quantities."""
        return replace(self, labels={name: label for name, label in self.labels.items() if name not in names})

    def to(self, device: torch.device) -> TrainingFrames:
        """The same on a device; these themselves if they are there."""
        return self if self.features.device == device else on_device(self, device)

    @property
    def geometry(self) -> Geometry:
        """What terms may look at, in the precision of the features; not kept, since it would double the memory."""
        return FrameGeometry(self)


class FrameGeometry(Geometry):
    """The geometry of training frames: most steps look at little of it, and the rest is made when asked for."""

    def __init__(self, frames: TrainingFrames):
        communication = Serial(frames.pair_j, frames.frame_of_atom, frames.total_charges)
        known = {"pair_i": frames.pair_i, "pair_j": frames.pair_j, "neighbours": communication}
        # The geometry holds no way back to the frames, which hold it: nothing would free a circle of them in time.
        self._species: Tensor
        self._elements: Tensor
        self._vectors: Tensor
        self._dtype: torch.dtype
        known |= {"is_between_molecules": frames.is_between_molecules, "field": frames.places.field(communication)}
        sources = {"_species": frames.species, "_elements": frames.places.elements, "_vectors": frames.pair_vectors}
        self.__dict__.update(known | sources | {"_dtype": frames.features.dtype})

    @cached_property
    def centre_numbers(self) -> Tensor:
        """As in `Geometry`."""
        return self._elements.index_select(0, self._species)

    @cached_property
    def neighbour_numbers(self) -> Tensor:
        """As in `Geometry`."""
        assert self.pair_j is not None
        return self.centre_numbers.index_select(0, self.pair_j)

    @cached_property
    def pair_vectors(self) -> Tensor:
        """As in `Geometry`."""
        return self._vectors.to(self._dtype)

    @property
    def n_centres(self) -> int:
        """As in `Geometry`."""
        return len(self._species)


def prepare_frame(
    batch: Batch,
    labels: Mapping[str, Label],
    features: Tensor,
    derivatives: FeatureDerivatives,
    elements: Sequence[int],
    constants: Mapping[str, Constants] | None = None,
) -> TrainingFrames:
    """Gather everything of one frame.

    Parameters
    ----------
    batch : Batch
        One structure.
    labels : mapping of str to Label
        What is trained on, as `TrainingFrames` has it.
    features : Tensor, shape (n_atoms, n_kept)
        Whitened.
    derivatives : FeatureDerivatives
        Of the whitened features.
    elements : sequence of int
        Atomic numbers of the model, ascending.
    constants : mapping of str to Constants, optional
        Kind of a trained term -> what it keeps of the frame.

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
        species=species_by_number(elements)[batch.numbers],
        frame_of_atom=batch.structure_of_atom,
        atoms_per_frame=batch.atoms_per_structure().float(),
        places=Places(
            torch.tensor(elements),
            ((batch.positions.float(), batch.periodic.any(1)),),
            () if batch.electric_fields is None else (batch.electric_fields.float(),),
        ),
        total_charges=batch.total_charges.float(),
        is_between_molecules=batch.geometry().is_between_molecules,
        wall_energies=torch.zeros(batch.n_structures) if batch.energies is None else batch.energies.float(),
        labels=labels,
        constants=constants or {},
    )


def memory_of_frames(
    batches: Sequence[Batch],
    n_kept: int,
    stores_derivatives: bool = True,
    bytes_of_constants: int = 0,
) -> int:
    """Bytes that the frames will take, with those of trained terms; stored derivatives are nearly all of it."""
    n_pairs = sum(batch.n_pairs for batch in batches)
    n_atoms = sum(batch.n_atoms for batch in batches)
    of_pairs = 41 * n_pairs + 12 * n_pairs * n_kept * stores_derivatives
    return of_pairs + 4 * n_atoms * (n_kept + 12) + 64 * len(batches) + bytes_of_constants


def join_frames(frames: Sequence[TrainingFrames]) -> TrainingFrames:
    """Lay training frames end to end; at least one. They may have different labels."""
    n_atoms = [frame.features.shape[0] for frame in frames]
    n_frames = [frame.n_frames for frame in frames]
    first_atoms = _before(n_atoms, [len(frame.pair_i) for frame in frames])  # (n_pairs,)
    offsets = {"pair_i": first_atoms, "pair_j": first_atoms, "frame_of_atom": _before(n_frames, n_atoms)}
    joined: dict[str, Any] = {
        "derivatives": frames[0].derivatives.followed_by([frame.derivatives for frame in frames[1:]]),
        "places": frames[0].places.followed_by([frame.places for frame in frames[1:]]),
        "labels": join_labels([frame.labels for frame in frames], n_atoms, n_frames),
        "constants": {
            kind: constants.followed_by([frame.constants[kind] for frame in frames[1:]])
            for kind, constants in frames[0].constants.items()
        },
    }
    for name in (f.name for f in fields(TrainingFrames) if f.name not in joined):
        end_to_end = torch.cat([getattr(frame, name) for frame in frames])
        joined[name] = end_to_end + offsets[name] if name in offsets else end_to_end
    return TrainingFrames(**joined)


def _before(sizes: Sequence[int], repeats: Sequence[int]) -> Tensor:
    """For each part, the sum of the sizes of those before it, so many times."""
    # By numpy: its `repeat` takes a fifth of the time of torch's, which shows in small steps.
    return torch.from_numpy(np.repeat([0, *itertools.accumulate(sizes[:-1])], repeats))
