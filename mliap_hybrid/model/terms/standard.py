"""Models of the usual terms, put together from their ingredients."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from ase.data import chemical_symbols
from torch import Tensor

from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.heads import Head
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.parameters import AtomicEnergy, ElementParameter, Parameter
from mliap_hybrid.model.term import Term
from mliap_hybrid.model.terms.baseline import Baseline
from mliap_hybrid.model.terms.electrostatics import Electrostatics
from mliap_hybrid.model.terms.network import NetworkEnergy
from mliap_hybrid.model.whitening import Whitening


def standard_model(
    features: Featuriser,
    baseline: Mapping[int, float],
    energy: Head | AtomicNetwork | None = None,
    *,
    whitening: Whitening | None = None,
    explicit: tuple[Term, ...] = (),
    charges: Mapping[int, float] | Parameter | None = None,
    heads: tuple[Head, ...] = (),
    smearing: float = 1.0,
    total_charge_input: bool = False,
) -> HybridModel:
    """Element energies, a network, terms without parameters, and charges.

    Parameters
    ----------
    features : Featuriser
    baseline : mapping of int to float, eV
        Atomic number -> energy E0 of the atom without neighbours.
    energy : Head or AtomicNetwork, optional
        Gives the energy of atoms; none for a model of explicit terms alone.
    whitening : Whitening, optional
    explicit : tuple of Term
        Terms that take no parameters, such as the repulsion and molecules.
    charges : mapping of int to float, e, or Parameter, optional
        Atomic number -> fixed charge; or how charges are predicted.
    heads : tuple of Head
        What predicts them and other parameters.
    smearing : float, Å
        Of the charges.
    total_charge_input : bool
        Whether the networks take the total charge as a last input.

    Raises
    ------
    ValueError
        If an element has no baseline or no charge, or a head is missing.
    """
    terms: list[Term] = [Baseline()]
    parameters: list[Parameter] = [element_parameter("baseline", "eV", baseline, features.elements)]
    predicting: list[Head] = []
    if energy is not None:
        terms.append(NetworkEnergy())
        parameters.append(AtomicEnergy())
        predicting.append(energy if isinstance(energy, Head) else Head("energy", [energy]))
    terms += explicit
    if charges is not None:
        terms.append(Electrostatics(smearing))
        if not isinstance(charges, Parameter):
            charges = element_parameter("charge", "e", charges, features.elements)
        parameters.append(charges)
    return HybridModel(features, terms, parameters, [*predicting, *heads], whitening, total_charge_input)


def element_parameter(name: str, unit: str, values: Mapping[int, float], elements: tuple[int, ...]) -> ElementParameter:
    """A constant of each element, from a table by atomic number.

    Raises
    ------
    ValueError
        If an element is missing.
    """
    missing = [chemical_symbols[z] for z in elements if z not in values]
    if missing:
        raise ValueError(f"expected a {name} for {missing[0]}, got none")
    table: Tensor = torch.tensor([values[z] for z in elements], dtype=torch.float64)  # (n_elements,)
    return ElementParameter(name, unit, table)
