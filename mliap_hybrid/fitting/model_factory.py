"""The trainable model at its start, and the whole model that it makes with what is fixed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mliap_hybrid.config import TrainingFile
from mliap_hybrid.features.acsf import SymmetryFunctions, default_symmetry_functions
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.features.sets import FEATURE_SETS, LEARNED_SETS
from mliap_hybrid.fitting.charge_products import FittedCharges, FittedElectrostatics, electronegative_is_negative
from mliap_hybrid.fitting.explicit_terms import explicit_terms, fits_charges, parameters_of
from mliap_hybrid.fitting.initial_fit import InitialFit
from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.fitting.training_frames import TrainingFrames
from mliap_hybrid.model.contracted_network import ContractedNetwork
from mliap_hybrid.model.heads import Head
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.parameters import AtomicEnergy, ElementParameter, Parameter
from mliap_hybrid.model.silu_layers import initialise_small
from mliap_hybrid.model.term import Term
from mliap_hybrid.model.term_section import MadeTerm
from mliap_hybrid.model.terms.baseline import Baseline
from mliap_hybrid.model.terms.network import NetworkEnergy
from mliap_hybrid.model_files.head_factory import make_head
from mliap_hybrid.model_files.model_description import ContractionDescription, HeadDescription

N_SAMPLES = 20_000
"""Atoms, about, whose invariants are whitened; all if there are fewer."""


def make_features(
    settings: TrainingFile, elements: tuple[int, ...]
) -> GaussianMultipoles | SymmetryFunctions | NeighbourMoments:
    """The features that a training file describes."""
    widths, cutoff = settings.features.widths, settings.features.cutoff
    if settings.features.set == "acsf":
        return default_symmetry_functions(elements, cutoff)
    if settings.features.set in LEARNED_SETS:
        channels = LEARNED_SETS[settings.features.set].channels
        return NeighbourMoments(widths, cutoff, elements, settings.features.density_table, channels=channels)
    named = FEATURE_SETS[settings.features.set]
    return GaussianMultipoles(
        orders=tuple(range(settings.features.max_order + 1)),
        widths=tuple(widths),
        cutoff=cutoff,
        elements=elements,
        table=settings.features.density_table,
        channels=named.channels,
        products=named.products,
        third_order=named.third_order,
    )


def make_trainable_model(
    settings: TrainingFile, fit: InitialFit, frames: Sequence[TrainingFrames] = ()
) -> TrainableModel:
    """Networks and parameters at their start; the same seed and frames give the same weights.

    Parameters
    ----------
    settings : TrainingFile
    fit : InitialFit
    frames : sequence of TrainingFrames
        Some of which are a sample of what contractions will see; without them, all their weights are zero.
    """
    trained = [made for made in _explicit(settings, fit) if made.is_trained]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        heads = _heads(settings, fit, trained)
        if settings.features.set in LEARNED_SETS and len(frames):
            _initialise_contractions(settings, heads, frames)
    terms, parameters = _energy_of_network(settings)
    for made in trained:
        if fits_charges(made):
            start: Tensor = made.parameters[0].start  # type: ignore[assignment]
            terms.append(FittedElectrostatics(FittedCharges(start, fit.counts)))
        else:
            terms.append(made.term)
    parameters += parameters_of([made for made in trained if not fits_charges(made)])
    others = settings.electrostatics.total_charge_input, settings.features.environment
    model = TrainableModel(heads, terms, parameters, *others).float()
    keys = settings.data.keys
    model.energies_alone = settings.data.energies == "interaction" and keys.forces is None and not keys.with_virials
    return model


def make_model(
    settings: TrainingFile,
    features: Featuriser,
    fit: InitialFit,
    trained: TrainableModel,
    typical: Mapping[str, Tensor] | None = None,
) -> HybridModel:
    """The whole model in float64.

    Parameters
    ----------
    settings : TrainingFile
    features : Featuriser
        From `make_features`.
    fit : InitialFit
    trained : TrainableModel
    typical : mapping of str to Tensor, shape (n_elements,), optional
        Predicted parameter -> its mean in the training frames; where it starts from by default.

    Returns
    -------
    HybridModel
        In evaluation mode, sharing no memory with the trainable model.
    """
    explicit = _explicit(settings, fit)
    heads = _heads(settings, fit, [made for made in explicit if made.is_trained])
    for head in heads:
        head.load_state_dict(trained.heads[head.name].state_dict())
    found, of_charges = _found_charges(fit, trained)
    parameters: Mapping[str, Parameter] = {**trained.atomic_parameters, **found}  # type: ignore[dict-item]
    of_network, its_parameters = _energy_of_network(settings)
    model = HybridModel(
        features=features,
        terms=[Baseline(), *of_network, *(made.term for made in explicit)],
        parameters=[
            ElementParameter("baseline", "eV", fit.baseline - of_charges),
            *its_parameters,
            *(parameter.after_training(parameters, typical or {}) for parameter in parameters_of(explicit)),
        ],
        heads=heads,
        whitening=fit.whitening,
        total_charge_input=trained.total_charge_input,
        environment=trained.environment,
    )
    return model.double().cpu().eval()


def _energy_of_network(settings: TrainingFile) -> tuple[list[Term], list[Parameter]]:
    """The term of the network's energy and what it takes; nothing where energies are those of interactions."""
    return ([], []) if settings.data.energies == "interaction" else ([NetworkEnergy()], [AtomicEnergy()])


def _explicit(settings: TrainingFile, fit: InitialFit) -> list[MadeTerm]:
    return explicit_terms(settings, fit.elements, fit.charges, fit.known_terms)


def _heads(settings: TrainingFile, fit: InitialFit, trained: Sequence[MadeTerm]) -> list[Head]:
    """The heads with weights from the current random state."""
    n_features, n_others = fit.whitening.matrix.shape[1], int(settings.electrostatics.total_charge_input)
    network = settings.network
    contraction = _contraction(settings)
    described = []
    if settings.data.energies == "total":
        of_forces = network.direct_hidden
        described.append(
            HeadDescription(name="energy", hidden=network.hidden, direct_hidden=of_forces, contraction=contraction)
        )
    described += [
        HeadDescription(name=name, hidden=list(hidden), contraction=contraction)
        for made in trained
        for name, hidden in made.hidden.items()
    ]
    heads = [make_head(description, n_features, n_others, len(fit.elements)) for description in described]
    for head in heads:
        if head.name != "energy":  # parameters start near those of their elements
            initialise_small(head.networks[0].layers)
    return heads


def _contraction(settings: TrainingFile) -> ContractionDescription | None:
    """The contraction of a learned set."""
    named, network = LEARNED_SETS.get(settings.features.set), settings.network
    if named is None:
        return None
    n_channels, body_order = network.n_channels or named.n_channels, network.body_order or named.body_order
    return ContractionDescription(n_channels=n_channels, body_order=body_order, whitened=True)  # type: ignore[arg-type]


def _initialise_contractions(settings: TrainingFile, heads: Sequence[Head], frames: Sequence[TrainingFrames]) -> None:
    """Give contractions their initial weights and the whitening of their invariants."""
    n_frames = max(1, math.ceil(N_SAMPLES * len(frames) / sum(len(frame.species) for frame in frames)))
    sample = [frames[index] for index in range(0, len(frames), max(1, len(frames) // n_frames))]
    features = torch.cat([frame.features for frame in sample])  # (n_samples, n_features)
    species = torch.cat([frame.species for frame in sample])  # (n_samples,)
    for head in heads:
        network = head.networks[0]
        assert isinstance(network, ContractedNetwork)
        network.initialise(features, species, len(settings.features.widths), settings.network.whitening_damping)


def _found_charges(fit: InitialFit, trained: TrainableModel) -> tuple[dict[str, Parameter], Tensor]:
    """Charges that were fitted, if any, and what they take off the element energies (n_elements,), eV."""
    term = dict(trained.terms.items()).get("electrostatics")
    if not isinstance(term, FittedElectrostatics):
        return {}, torch.zeros_like(fit.baseline)
    assert fit.unit_baseline is not None
    with torch.no_grad():
        charges = dict(zip(fit.elements, term.charges().double().tolist(), strict=True))
        of_charges = fit.unit_baseline @ term.charges.products().double().cpu()  # (n_elements,)
    signed = electronegative_is_negative(charges)
    found = ElementParameter("charge", "e", torch.tensor([signed[z] for z in fit.elements]).double())
    return {"charge": found}, of_charges
