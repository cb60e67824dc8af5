"""A training that starts where another one ended: its scaling of features, and the weights of its networks.

Features that both trainings share, those of fixed sets and of elements that both know, keep their meaning. An element
that the earlier training has not seen starts as the mean of those that it has; where features tell elements apart, what
belongs to a new one starts anew. Element energies are those of the new labels, whose method may be another: they are
fitted to what the networks leave of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from ase.data import chemical_symbols
from torch import Tensor

from mliap_hybrid.config import TrainingFile, read_training_file
from mliap_hybrid.data.baseline import fit_baseline
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.channel_invariants import N_COMPONENTS
from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.fitting.checkpoint import read_checkpoint
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.fitting.training_frames import TrainingFrames, join_frames
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.contracted_network import ContractedNetwork
from mliap_hybrid.model.contraction import Contraction
from mliap_hybrid.model.feature_description import describe_features
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.whitening import Whitening

SAMPLE = 200
"""Frames, at most, that element energies are fitted to again."""

OF_ELEMENTS = ("elements", "densities")
"""What descriptions of features say of elements, which may differ."""


@dataclass(frozen=True)
class EarlierTraining:
    """What a training left behind."""

    path: Path
    model: HybridModel

    @property
    def symbols(self) -> str:
        """Its elements, for messages."""
        return " ".join(chemical_symbols[z] for z in self.model.elements)


def earlier_training(path: Path) -> EarlierTraining:
    """Read the best model of a run folder.

    Raises
    ------
    InputError
        If there is none, or it is not one of a single network that gives forces by its gradient.
    """
    model = read_checkpoint(RunFolder(path).checkpoint("best")).model
    networks = [network for head in model.heads for network in head.networks]
    if not networks or not all(network.is_conservative for network in networks):
        raise InputError(f"init_from: {path} has no network whose gradients are forces to start from")
    if len(networks) > len(model.heads):
        raise InputError(f"init_from: {path} is a committee: name one of its members, such as {path}/members/1")
    return EarlierTraining(path, model)


def with_earlier_sizes(settings: TrainingFile) -> TrainingFile:
    """Settings in which features and networks are those of the training to start from, where the file says nothing.

    Raises
    ------
    InputError
        If the file says otherwise, or there is no such training.
    """
    if settings.init_from is None:
        return settings
    config = RunFolder(settings.init_from).config
    if not config.is_file():
        raise InputError(f"init_from: there is no training in {settings.init_from}: expected a run folder")
    earlier = read_training_file(config)
    for name in ("features", "network"):
        of_file, before = getattr(settings, name), getattr(earlier, name)
        for setting in sorted(of_file.model_fields_set):
            said, was = getattr(of_file, setting), getattr(before, setting)
            if said != was:
                raise InputError(
                    f"{name}.{setting} is {said!r}, but {was!r} in {settings.init_from}, which init_from starts from: "
                    "leave it out"
                )
    # Validated again, so that each setting counts as said and none is chosen from the frames.
    sections = {
        name: type(section).model_validate(section.model_dump())
        for name, section in (("features", earlier.features), ("network", earlier.network))
    }
    return settings.model_copy(update=sections)


def whitening_from(earlier: EarlierTraining, features: Featuriser, fitted: Whitening) -> Whitening:
    """The scaling of features that the earlier networks know.

    Parameters
    ----------
    earlier : EarlierTraining
    features : Featuriser
        Of the new training.
    fitted : Whitening
        What would be taken without an earlier training; gives the moments of new elements their scale.

    Raises
    ------
    InputError
        If the features are not the same function of surroundings.
    """
    before, now = (
        describe_features(each).model_dump(exclude=set(OF_ELEMENTS)) for each in (earlier.model.features, features)
    )
    changed = [name for name in now if before.get(name) != now[name]]
    if changed or type(earlier.model.features) is not type(features):
        raise InputError(f"init_from: the features of {earlier.path} have other {', '.join(changed) or 'kinds'}")
    known = earlier.model.whitening
    assert known is not None
    places = _places_of_moments(earlier, features)
    if places is None:
        return known
    of_new, of_known = places
    # Without a shift, the moments of a new element are nothing where there is none, as in the earlier training.
    mean, scales = torch.zeros_like(fitted.mean), fitted.matrix.diagonal().clone()
    mean[of_new], scales[of_new] = known.mean[of_known].to(mean), known.matrix.diagonal()[of_known].to(scales)
    return Whitening(mean, torch.diag(scales))


@torch.no_grad()
def start_from(
    model: TrainableModel,
    earlier: EarlierTraining,
    features: Featuriser,
    elements: Sequence[int],
    frames: Sequence[TrainingFrames],
) -> None:
    """Give networks the weights of earlier ones, and the elements of these frames their energies.

    Parameters
    ----------
    model : TrainableModel
        At a start of its own; changed.
    earlier : EarlierTraining
    features : Featuriser
        Of the model.
    elements : sequence of int
        Atomic numbers of the model.
    frames : sequence of TrainingFrames
        To train on.

    Raises
    ------
    InputError
        If networks are not of the same sizes.
    """
    rows = _rows(earlier.model.elements, elements)  # (n_elements, n_earlier)
    inputs = _places_of_inputs(earlier, features)
    known = {head.name: head for head in earlier.model.heads}
    for head in model.heads:
        if head.name not in known:
            continue
        network, before = head.networks[0], known[head.name].networks[0]
        if (type(network), network.hidden) != (type(before), before.hidden):
            raise InputError(f"init_from: the network of {head.name} in {earlier.path} has other sizes")
        if isinstance(network, ContractedNetwork) and isinstance(before, ContractedNetwork):
            _start_contraction(network.contraction, before.contraction, rows, inputs)
            network, before = network.network, before.network
        assert isinstance(network, AtomicNetwork)
        assert isinstance(before, AtomicNetwork)
        network.layers.load_state_dict(before.layers.state_dict())
        network.linear.copy_(rows @ before.linear.double())
        network.offset.copy_(rows @ before.offset.double())
    _shift_energies(model, frames)


def _rows(before: Sequence[int], now: Sequence[int]) -> Tensor:
    """(n_elements, n_earlier): takes values of elements from those of the earlier ones; new ones have the mean."""
    same = torch.tensor([[float(z == earlier) for earlier in before] for z in now], dtype=torch.float64)
    is_new = same.sum(1) == 0.0
    same[is_new] = 1.0 / len(before)
    return same


def _places_of_inputs(earlier: EarlierTraining, features: Featuriser) -> tuple[Tensor, Tensor] | None:
    """Inputs of a contraction that both know (n_known,), in the new and the earlier order; None: all, as they are."""
    before = earlier.model.features
    if not (isinstance(features, NeighbourMoments) and isinstance(before, NeighbourMoments) and features.by_element):
        return None
    n_widths = len(features.widths)
    shared = [z for z in features.elements if z in before.elements]
    of_widths = torch.arange(n_widths)
    new = torch.cat([features.elements.index(z) * n_widths + of_widths for z in shared] or [of_widths[:0]])
    known = torch.cat([before.elements.index(z) * n_widths + of_widths for z in shared] or [of_widths[:0]])
    return new, known


def _places_of_moments(earlier: EarlierTraining, features: Featuriser) -> tuple[Tensor, Tensor] | None:
    """The same of moments: every component of the inputs."""
    inputs = _places_of_inputs(earlier, features)
    if inputs is None:
        return None
    components = torch.arange(N_COMPONENTS)[:, None]
    counts = features.n_features // N_COMPONENTS, earlier.model.features.n_features // N_COMPONENTS
    new, known = ((components * n + places).flatten() for n, places in zip(counts, inputs, strict=True))
    return new, known


def _start_contraction(
    contraction: Contraction, before: Contraction, rows: Tensor, inputs: tuple[Tensor, Tensor] | None
) -> None:
    of_elements = torch.einsum(
        "ea,anki->enki", rows, before.weights.double()
    )  # (n_elements, n_orders, n_channels, ...)
    if inputs is None:
        contraction.weights.copy_(of_elements)
    else:
        new, known = inputs
        contraction.weights[..., new] = of_elements[..., known].to(contraction.weights)
    contraction.own.copy_(rows @ before.own.double())
    if contraction.whitening is not None and before.whitening is not None:
        contraction.whitening.load_state_dict(before.whitening.state_dict())


def _shift_energies(model: TrainableModel, frames: Sequence[TrainingFrames]) -> None:
    """Fit the constant of each element to what the model leaves of the energies of some frames."""
    sample = [frames[index] for index in range(0, len(frames), math.ceil(len(frames) / SAMPLE))]
    labelled = [frame for frame in sample if "energy" in frame.labels]
    if not labelled:
        return
    joined = join_frames(labelled)
    with torch.enable_grad():  # forces come along
        energies = model(joined).energies.detach()  # (n_frames,)
    left = (joined.labels["energy"].values - energies).double()  # (n_frames,)
    network = model.heads["energy"].networks[0].parts()["network"]
    assert isinstance(network, AtomicNetwork)
    shift = fit_baseline(_counts(joined, len(network.offset)), left)  # (n_elements,)
    network.offset.add_(shift.to(network.offset))


def _counts(frames: TrainingFrames, n_elements: int) -> Tensor:
    """(n_frames, n_elements) float64: atoms of each element."""
    counts = torch.zeros(frames.n_frames, n_elements, dtype=torch.float64)
    counts.index_put_((frames.frame_of_atom, frames.species), torch.ones((), dtype=torch.float64), accumulate=True)
    return counts
