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
from mliap_hybrid.features.whitening import Whitening
from mliap_hybrid.fitting.fitted_charges import FittedCharges, electronegative_is_negative
from mliap_hybrid.fitting.shortcut import TrainedPart
from mliap_hybrid.models.atomic_network import AtomicNetwork
from mliap_hybrid.models.hybrid import HybridModel
from mliap_hybrid.physics.repulsion import ZBLRepulsion


@dataclass(frozen=True)
class FixedTerms:
    """Fitted once from the training frames, then left alone. Element arrays follow `elements`."""

    elements: tuple[int, ...]
    """Atomic numbers, ascending."""
    whitening: Whitening
    """Linear map between features and network."""
    baseline: Tensor
    """(n_elements,) float64, eV: E0 of the labels without repulsion and without fixed charges."""
    charges: Tensor | None
    """(n_elements,) float64, e: fixed charges, or where fitted ones start; None without long-range term."""
    unit_baseline: Tensor | None
    """(n_elements, n_products) float64, eV/e^2: E0 of the unit long-range energies; None unless charges are fitted.
    The E0 of the whole is baseline - unit_baseline @ products, the least-squares one for any charges."""
    counts: Tensor
    """(n_compositions, n_elements) float64: distinct compositions of the training frames."""


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


def make_trained_part(settings: TrainingFile, terms: FixedTerms) -> TrainedPart:
    """Network and charges at their start; the same seed gives the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = AtomicNetwork(terms.whitening.matrix.shape[1], settings.network.hidden, len(terms.elements))
    if terms.charges is None or terms.unit_baseline is None:
        return TrainedPart(network)
    return TrainedPart(network, FittedCharges(terms.charges, terms.counts))


def make_model(settings: TrainingFile, features: Featuriser, terms: FixedTerms, part: TrainedPart) -> HybridModel:
    """The whole model in float64.

    Parameters
    ----------
    settings : TrainingFile
    features : Featuriser
        From `make_features`.
    terms : FixedTerms
    part : TrainedPart

    Returns
    -------
    HybridModel
        In evaluation mode, sharing no memory with `part`.
    """
    network = AtomicNetwork(terms.whitening.matrix.shape[1], settings.network.hidden, len(terms.elements))
    network.load_state_dict(part.network.state_dict())
    baseline, charges = terms.baseline, None
    if terms.charges is not None:
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
    )
    return model.double().eval()
