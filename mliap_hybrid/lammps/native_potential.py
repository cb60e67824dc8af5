"""Which models the native kernels evaluate as a whole, and what they must be told of explicit terms.

A model that holds anything else than what is listed here is evaluated in Python, with native features all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor

from mliap_hybrid.kernels.backend import Backend
from mliap_hybrid.kernels.native_arrays import ChargeSlopes, DistanceArrays
from mliap_hybrid.kernels.native_backend import NativeBackend
from mliap_hybrid.kernels.potential import PairConstants, PotentialArrays
from mliap_hybrid.model.bounds import Within
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.native import slopes_by_total_charge
from mliap_hybrid.model.neutrality import Increments, Shift
from mliap_hybrid.model.parameters import AtomicEnergy, ElementParameter, PredictedParameter
from mliap_hybrid.model.terms.baseline import Baseline
from mliap_hybrid.model.terms.dispersion import Dispersion
from mliap_hybrid.model.terms.electrostatics import Electrostatics
from mliap_hybrid.model.terms.network import NetworkEnergy
from mliap_hybrid.model.terms.repulsion import ZBLRepulsion
from mliap_hybrid.physics.coulomb import self_energies
from mliap_hybrid.physics.zbl import SCREENING_AMPLITUDES, SCREENING_DECAYS
from mliap_hybrid.units import COULOMB_CONSTANT


@dataclass
class _Explicit:
    """What the explicit terms have said."""

    baseline: np.ndarray
    """(n_elements,) eV."""
    pairs: PairConstants = field(default_factory=PairConstants)


def potential_of(model: HybridModel, backend: Backend) -> PotentialArrays | None:
    """The model for the native kernels.

    Parameters
    ----------
    model : HybridModel
    backend : Backend
        Its features and heads, set up for a total charge of 0.

    Returns
    -------
    PotentialArrays or None
        None if the kernels cannot evaluate all of it. With predicted charges, their neutrality and their Coulomb energy
        are left to the caller.
    """
    if model.environment != "all":
        return None
    heads = [head.name for head in model.heads]
    if not isinstance(backend, NativeBackend) or backend.n_heads == 0 or heads[0] != "energy":
        return None
    if not all(map(_is_known, model.all_parameters)) or not all(map(_is_known_term, model.all_terms)):
        return None
    explicit = _Explicit(np.zeros(len(model.elements)))
    for term in model.all_terms:
        _TERMS[type(term)](term, model, explicit)
    features, networks = backend.arrays()
    if model.total_charge_input:
        slopes = map(_slopes_by_charge, model.heads.networks)
        networks = [replace(network, by_charge=of_it) for network, of_it in zip(networks, slopes, strict=True)]
    if model.distance is not None:
        of_distance = DistanceArrays(model.distance.map.cpu().numpy(), model.distance.shift.cpu().numpy())
        networks[0] = replace(networks[0], distance=of_distance)
    n_members = len(model.heads["energy"].members)
    return PotentialArrays(features, networks, n_members, explicit.baseline, explicit.pairs)


def _slopes_by_charge(network: Any) -> ChargeSlopes:
    biases, offset = slopes_by_total_charge(network)
    return ChargeSlopes(biases.cpu().numpy(), offset.cpu().numpy())


def _is_known(parameter: Any) -> bool:
    """Whether a parameter is a constant, the networks' energy, or a charge of a kind that C++ knows."""
    if type(parameter) in (ElementParameter, AtomicEnergy):
        return True
    return (
        type(parameter) is PredictedParameter
        and parameter.name == "charge"
        and type(parameter.bound) is Within
        and type(parameter.neutrality) in (Shift, Increments)
    )


def _is_known_term(term: Any) -> bool:
    """Whether C++ knows a term, dispersion of all pairs with one range of the damping alone."""
    if isinstance(term, Dispersion) and (term.damping is None or term.pairs != "all"):
        return False
    return type(term) in _TERMS


def _values(model: HybridModel, name: str) -> Tensor:
    """(n_elements,) of a constant."""
    parameter = model.parameter(name)
    assert isinstance(parameter, ElementParameter)
    return parameter.values.detach().double().cpu()


def _add_baseline(term: Baseline, model: HybridModel, explicit: _Explicit) -> None:
    explicit.baseline += _values(model, "baseline").numpy()


def _add_nothing(term: NetworkEnergy, model: HybridModel, explicit: _Explicit) -> None:
    """What the networks give comes from the back end."""


def _add_repulsion(term: ZBLRepulsion, model: HybridModel, explicit: _Explicit) -> None:
    z = np.array(model.elements, dtype=np.float64)  # (n_elements,)
    constants = [COULOMB_CONSTANT * np.outer(z, z), *term.lengths(model.elements)]
    explicit.pairs = replace(
        explicit.pairs,
        repulsion=np.stack(constants, axis=-1),  # (n_elements, n_elements, 3)
        screening=tuple(zip(SCREENING_AMPLITUDES, SCREENING_DECAYS, strict=True)),
    )


def _add_electrostatics(term: Electrostatics, model: HybridModel, explicit: _Explicit) -> None:
    if isinstance(model.parameter("charge"), PredictedParameter):
        return  # the caller solves for them
    charges = _values(model, "charge")
    explicit.baseline += self_energies(charges, term.smearing).numpy()
    products = COULOMB_CONSTANT * np.outer(charges, charges)
    explicit.pairs = replace(explicit.pairs, charge_products=products, smearing=term.smearing)


def _add_dispersion(term: Dispersion, model: HybridModel, explicit: _Explicit) -> None:
    assert term.damping is not None
    coefficients = [np.sqrt(np.outer(values, values)) for values in (_values(model, "c6"), _values(model, "c8"))]
    explicit.pairs = replace(
        explicit.pairs,
        dispersion=np.stack(coefficients, axis=-1),  # (n_elements, n_elements, 2)
        damping=term.damping,
        switch_width=term.switch_width,
    )


_TERMS: dict[type, Callable[[Any, HybridModel, _Explicit], None]] = {
    Baseline: _add_baseline,
    NetworkEnergy: _add_nothing,
    ZBLRepulsion: _add_repulsion,
    Electrostatics: _add_electrostatics,
    Dispersion: _add_dispersion,
}
"""Kind of a term -> what adds its constants. Derived classes have energies of their own, and are not among them."""
