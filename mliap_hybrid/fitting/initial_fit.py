"""All of a model that is known before its network is trained, and the model that the two make together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.config import TrainingFile
from mliap_hybrid.features.acsf import SymmetryFunctions, default_symmetry_functions
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.features.sets import FEATURE_SETS
from mliap_hybrid.fitting.charge_products import FittedCharges, electronegative_is_negative
from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.charge_increments import ChargeIncrements
from mliap_hybrid.model.charge_model import ChargeModel
from mliap_hybrid.model.charge_network import ChargeNetwork
from mliap_hybrid.model.charge_shift import ChargeShift
from mliap_hybrid.model.direct_forces import ForceNetwork
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.terms.molecules import MoleculeTerm
from mliap_hybrid.model.whitening import Whitening
from mliap_hybrid.physics.repulsion import ZBLRepulsion


@dataclass(frozen=True)
class InitialFit:
    """Fitted once from the training frames, then left alone. Element arrays follow `elements`."""

    elements: tuple[int, ...]
    """Atomic numbers, ascending."""
    whitening: Whitening
    """Linear map between features and network."""
    baseline: Tensor
    """(n_elements,) float64, eV: E0 of the labels without repulsion and without fixed or starting charges."""
    charges: Tensor | None
    """(n_elements,) float64, e: fixed charges, or where others start from; None without long-range term."""
    unit_baseline: Tensor | None
    """(n_elements, n_products) float64, eV/e^2: E0 of the unit long-range energies; None unless charges are fitted.
    The E0 of the whole is baseline - unit_baseline @ products, the least-squares one for any charges."""
    counts: Tensor
    """(n_compositions, n_elements) float64: distinct compositions of the training frames."""
    molecules: MoleculeTerm | None = None
    """Energy of the molecules that the frames are made of; None without it."""


def make_features(settings: TrainingFile, elements: tuple[int, ...]) -> GaussianMultipoles | SymmetryFunctions:
    """The features that a training file describes."""
    if settings.features.set == "acsf":
        return default_symmetry_functions(elements, settings.features.cutoff)
    named = FEATURE_SETS[settings.features.set]
    return GaussianMultipoles(
        orders=tuple(range(settings.features.max_order + 1)),
        widths=tuple(settings.features.widths),
        cutoff=settings.features.cutoff,
        elements=elements,
        table=settings.features.density_table,
        channels=named.channels,
        products=named.products,
        third_order=named.third_order,
    )


def make_repulsion(settings: TrainingFile) -> ZBLRepulsion | None:
    """The repulsion that a training file describes."""
    return ZBLRepulsion(settings.features.cutoff) if settings.repulsion.kind == "zbl" else None


def make_trained_part(settings: TrainingFile, terms: InitialFit) -> TrainableModel:
    """Networks and charges at their start; the same seed gives the same weights."""
    electrostatics = settings.electrostatics
    n_inputs = terms.whitening.matrix.shape[1] + electrostatics.total_charge_input
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = AtomicNetwork(n_inputs, settings.network.hidden, len(terms.elements))
        if electrostatics.predicts:
            charge_model = make_charge_model(settings, terms)
            return TrainableModel(network, None, charge_model.float(), electrostatics.total_charge_input)
        force_network = make_force_network(settings, terms)
    if terms.charges is None or terms.unit_baseline is None:
        return TrainableModel(network, force_network=force_network)
    return TrainableModel(network, FittedCharges(terms.charges, terms.counts), force_network=force_network)


def make_force_network(settings: TrainingFile, terms: InitialFit) -> ForceNetwork | None:
    """The network of direct forces with random weights; None where forces are conservative."""
    if settings.network.forces != "direct":
        return None
    hidden = settings.network.hidden if settings.network.force_hidden is None else settings.network.force_hidden
    return ForceNetwork(terms.whitening.matrix.shape[1], hidden, len(terms.elements))


def make_charge_model(settings: TrainingFile, terms: InitialFit, typical_charges: Tensor | None = None) -> ChargeModel:
    """The charge model that a training file describes, with random weights.

    Parameters
    ----------
    settings : TrainingFile
        With predicted charges.
    terms : InitialFit
    typical_charges : Tensor, shape (n_elements,), e, optional
        Mean charges in the training frames; the starting charges by default.
    """
    electrostatics = settings.electrostatics
    assert terms.charges is not None
    n_inputs = terms.whitening.matrix.shape[1] + electrostatics.total_charge_input
    network = ChargeNetwork(n_inputs, electrostatics.charge_hidden, len(terms.elements), electrostatics.largest_charge)
    if electrostatics.neutrality == "shift":
        return ChargeShift(network, terms.charges, typical_charges)
    return ChargeIncrements(network, terms.charges, typical_charges, cutoff=settings.features.cutoff)


def make_model(
    settings: TrainingFile,
    features: Featuriser,
    terms: InitialFit,
    part: TrainableModel,
    typical_charges: Tensor | None = None,
) -> HybridModel:
    """The whole model in float64.

    Parameters
    ----------
    settings : TrainingFile
    features : Featuriser
        From `make_features`.
    terms : InitialFit
    part : TrainableModel
    typical_charges : Tensor, shape (n_elements,), e, optional
        As in `make_charge_model`.

    Returns
    -------
    HybridModel
        In evaluation mode, sharing no memory with `part`.
    """
    n_inputs = terms.whitening.matrix.shape[1] + part.total_charge_input
    network = AtomicNetwork(n_inputs, settings.network.hidden, len(terms.elements))
    network.load_state_dict(part.network.state_dict())
    force_network = make_force_network(settings, terms)
    if force_network is not None and part.force_network is not None:
        force_network.load_state_dict(part.force_network.state_dict())
    baseline, charges, charge_model = terms.baseline, None, None
    if part.charge_model is not None:
        charge_model = make_charge_model(settings, terms, typical_charges)
        charge_model.network.load_state_dict(part.charge_model.network.state_dict())
    elif terms.charges is not None:
        charges = dict(zip(terms.elements, terms.charges.tolist(), strict=True))
    if part.charges is not None and terms.unit_baseline is not None:
        with torch.no_grad():
            charges = dict(zip(terms.elements, part.charges().double().tolist(), strict=True))
            baseline = baseline - terms.unit_baseline @ part.charges.products().double()
        charges = electronegative_is_negative(charges)
    model = HybridModel(
        features=features,
        whitening=terms.whitening,
        network=network,
        baseline=dict(zip(terms.elements, baseline.tolist(), strict=True)),
        repulsion=make_repulsion(settings),
        charges=charges,
        smearing=settings.electrostatics.smearing,
        charge_model=charge_model,
        total_charge_input=part.total_charge_input,
        force_network=force_network,
        molecules=terms.molecules,
    )
    return model.double().eval()
