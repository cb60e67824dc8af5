"""Small untrained models: random but reproducible, with every term, cheap to evaluate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.features.density import DensityTable, PseudoDensity
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.bounds import Within
from mliap_hybrid.model.contracted_network import ContractedNetwork
from mliap_hybrid.model.contraction import Contraction, ContractionShape, scaling_of_moments
from mliap_hybrid.model.direct_forces import DirectNetwork, ForceNetwork
from mliap_hybrid.model.heads import Head
from mliap_hybrid.model.hybrid import Environment, HybridModel
from mliap_hybrid.model.neutrality import neutrality_of
from mliap_hybrid.model.parameters import PredictedParameter
from mliap_hybrid.model.term_section import MadeTerm
from mliap_hybrid.model.terms.repulsion import ZBLRepulsion
from mliap_hybrid.model.terms.standard import standard_model
from mliap_hybrid.model.whitening import Whitening
from mliap_hybrid.testing.structures import rock_salt

SODIUM, CHLORINE = 11, 17

ION_CHARGES = {SODIUM: 0.8, CHLORINE: -0.8}
"""Charges in e of the model's ions."""

BASELINE = {SODIUM: -1.5, CHLORINE: -2.5}
"""E0 of the elements in eV."""

DENSITIES = DensityTable(
    "of the tests",
    {
        SODIUM: PseudoDensity(np.array([0.9, -0.2]), np.array([0.5, 2.1])),
        CHLORINE: PseudoDensity(np.array([0.3, 1.7]), np.array([0.4, 1.6])),
    },
)
"""Made-up pseudo-densities of two elements."""


def sodium_chloride_model(
    charges: Mapping[int, float] | None = ION_CHARGES, cutoff: float = 4.5, whitened: bool = True, seed: int = 0
) -> HybridModel:
    """An untrained model for Na and Cl whose forces are of the order of eV/Å, in float64.

    Parameters
    ----------
    charges : mapping of int to float, e, or None
    cutoff : float, Å
    whitened : bool
        Whether it has a whitening of its own.
    seed : int
    """
    random = torch.Generator().manual_seed(seed)
    features, whitening, n_inputs = _features(cutoff, whitened)
    network = network_of(n_inputs, random)
    model = standard_model(
        features,
        BASELINE,
        network,
        whitening=whitening,
        explicit=(ZBLRepulsion(cutoff),),
        charges=charges,
        smearing=0.8,
    )
    return model.double().eval()


def charge_predicting_model(
    neutrality: str = "shift",
    cutoff: float = 4.5,
    whitened: bool = True,
    total_charge_input: bool = False,
    seed: int = 0,
) -> HybridModel:
    """The same with charges that follow the surroundings, by a few tenths of e.

    Parameters
    ----------
    neutrality : {"shift", "increments"}
    cutoff : float, Å
    whitened : bool
        Whether it has a whitening of its own.
    total_charge_input : bool
        Whether the networks see the total charge.
    seed : int
    """
    random = torch.Generator().manual_seed(seed)
    features, whitening, n_inputs = _features(cutoff, whitened)
    n_inputs += total_charge_input
    network = network_of(n_inputs, random)
    charge_network = network_of(n_inputs, random)
    if neutrality == "increments":  # an atom takes from a dozen neighbours
        for parameter in (*charge_network.layers[-1].parameters(), charge_network.linear, charge_network.offset):
            parameter.data *= 0.1
    start = torch.tensor([ION_CHARGES[SODIUM], ION_CHARGES[CHLORINE]], dtype=torch.float64)
    model = standard_model(
        features,
        BASELINE,
        network,
        whitening=whitening,
        explicit=(ZBLRepulsion(cutoff),),
        charges=PredictedParameter("charge", "e", start, Within(0.7), neutrality_of(neutrality, cutoff)),
        heads=(Head("charge", [charge_network]),),
        smearing=0.8,
        total_charge_input=total_charge_input,
    )
    return model.double().eval()


def direct_force_model(
    charges: Mapping[int, float] | None = ION_CHARGES, hidden: tuple[int, ...] = (8, 8), seed: int = 0
) -> HybridModel:
    """The model of `sodium_chloride_model` with direct forces, also of the order of eV/Å.

    Parameters
    ----------
    charges, seed
        As there.
    hidden : tuple of int
        Hidden layers of the force network.
    """
    random = torch.Generator().manual_seed(seed)
    features, whitening, n_inputs = _features(4.5, True)
    network = network_of(n_inputs, random)
    slopes = ForceNetwork(n_inputs, hidden, n_elements=2).double()
    random = torch.Generator().manual_seed(seed + 1)
    for parameter in slopes.parameters():
        parameter.data = torch.randn(parameter.shape, generator=random, dtype=torch.float64) * 0.3
    model = standard_model(
        features,
        BASELINE,
        Head("energy", [DirectNetwork(network, slopes)]),
        whitening=whitening,
        explicit=(ZBLRepulsion(4.5),),
        charges=charges,
        smearing=0.8,
    )
    return model.double().eval()


@torch.no_grad()
def _draw_whitening(contraction: Contraction, moments: Tensor, species: Tensor, random: torch.Generator) -> None:
    """Size and mean of the sample's invariants, a drawn mixing: the principal axes of few atoms differ by machine."""
    whitening = contraction.whitening
    assert whitening is not None
    invariants = contraction(moments, species)  # (n_samples, n_invariants); the whitening does nothing yet
    mean, n = invariants.mean(0), invariants.shape[1]
    spread = (invariants - mean).square().mean(0).sqrt()
    mixing = torch.eye(n) + 0.3 / n**0.5 * torch.randn(n, n, generator=random, dtype=torch.float64)
    whitening.mean.copy_(mean)
    whitening.matrix.copy_(mixing / spread[:, None])


def contracted_model(
    predicts_charges: bool = False, whitened: bool = True, total_charge_input: bool = False, seed: int = 0
) -> HybridModel:
    """The same on learned contractions of all body orders, with or without charges that follow the surroundings.

    Parameters
    ----------
    predicts_charges : bool
    whitened : bool
        Whether moments are scaled and invariants whitened beside the contraction, as in training.
    total_charge_input : bool
        Whether the networks see the total charge.
    seed : int
    """
    cutoff, random = 4.5, torch.Generator().manual_seed(seed)
    features = NeighbourMoments((0.4, 0.8), cutoff, (SODIUM, CHLORINE), DENSITIES)
    geometry = frame_to_batch(rock_salt(2, rattle=0.3), cutoff).geometry()
    moments, species = features(geometry), torch.searchsorted(torch.tensor([11, 17]), geometry.centre_numbers)
    scaling = scaling_of_moments(moments, features.n_channels)

    def network(body_order: int) -> ContractedNetwork:
        shape = ContractionShape(3, body_order)
        made = ContractedNetwork.make(features.n_features, int(total_charge_input), shape, (8, 8), 2).double()
        for parameter in made.parameters():
            drawn = torch.randn(parameter.shape, generator=random, dtype=torch.float64)
            parameter.data = 0.2 * drawn
        _draw_whitening(made.contraction, scaling(moments), species, random)
        return made if whitened else made.with_folded_whitening(scaling)

    energy, start = Head("energy", [network(5)]), torch.tensor([0.8, -0.8], dtype=torch.float64)
    of_charges: dict[str, Any] = {}
    if predicts_charges:
        charges = PredictedParameter("charge", "e", start, Within(0.7), neutrality_of("shift", cutoff))
        of_charges = {"charges": charges, "heads": (Head("charge", [network(4)]),), "smearing": 0.8}
    model = standard_model(
        features,
        BASELINE,
        energy,
        whitening=scaling if whitened else None,
        explicit=(ZBLRepulsion(cutoff),),
        total_charge_input=total_charge_input,
        **of_charges,
    )
    return model.double().eval()


def _features(cutoff: float, whitened: bool) -> tuple[GaussianMultipoles, Whitening | None, int]:
    """Features, their whitening if there is one, and the number of what the network sees."""
    features = GaussianMultipoles(
        orders=(0, 1, 2, 3),
        widths=(0.4, 0.8),
        cutoff=cutoff,
        elements=(SODIUM, CHLORINE),
        table=DENSITIES,
        channels=("valence", "count"),
        products="all",
        third_order="diagonal",
    )
    if not whitened:
        return features, None, features.n_features
    samples = features(frame_to_batch(rock_salt(2, rattle=0.3), cutoff).geometry())  # (64, n_features)
    whitening = Whitening.fit(samples, damping=1e-2)
    return features, whitening, whitening.matrix.shape[1]


def with_term(model: HybridModel, made: MadeTerm | None, environment: Environment = "all") -> HybridModel:
    """A model with a whitening and one term more, whose predicted parameters have small random heads."""
    assert made is not None
    assert model.whitening is not None
    random, n_inputs = torch.Generator().manual_seed(7), model.whitening.matrix.shape[1]
    heads = [Head(name, [network_of(n_inputs, random, hidden)]) for name, hidden in made.hidden.items()]
    known = {parameter.name for parameter in model.all_parameters}
    return HybridModel(
        model.features,
        [*model.all_terms, made.term],
        [*model.all_parameters, *(parameter for parameter in made.parameters if parameter.name not in known)],
        [*model.heads, *heads],
        model.whitening,
        environment=environment,
    ).double()


def apart_molecules(periodic: bool) -> Atoms:
    """Two molecules of NaCl whose chlorines meet, far from images of themselves."""
    positions = np.array([[0.1, 0.2, 0.0], [0.4, 0.3, 2.3], [0.7, -0.5, 5.4], [0.2, 0.6, 7.6]]) + 1.0
    return Atoms("NaClClNa", positions, cell=np.diag([9.0, 9.5, 14.0]) if periodic else None, pbc=periodic)


def molecules_in_a_box() -> Atoms:
    """Eight named molecules of NaCl in one half of a box, some across its ends; the other half is empty."""
    atoms, random = Atoms(cell=[18.0, 9.5, 9.5], pbc=True), np.random.default_rng(3)
    for place in np.ndindex(2, 2, 2):
        one = Atoms("NaCl", positions=[[0.0, 0.0, 0.0], [0.0, 0.0, 2.3]])
        one.euler_rotate(*random.uniform(0.0, 360.0, 3))
        one.translate(4.75 * np.array(place) + random.uniform(-0.3, 0.3, 3))
        atoms += one
    atoms.set_array("molecule", np.arange(16) // 2 + 1)
    return atoms


def network_of(n_inputs: int, random: torch.Generator, hidden: tuple[int, ...] = (8, 8)) -> AtomicNetwork:
    """A network for two elements, of random weights of a fixed size, in float64."""
    network = AtomicNetwork(n_inputs, hidden, n_elements=2).double()
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=random, dtype=torch.float64) * 0.4
    return network
