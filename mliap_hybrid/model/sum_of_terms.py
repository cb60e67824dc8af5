"""The one place where terms are added up, and where the chain rule is applied.

    theta   = constraint(bound(heads(features(geometry))))                           parameters
    E       = sum_t E_t(geometry, theta)                                             terms
    dE/dr_p = sum_t dE_t/dr_p|theta + (dE/dtheta . dtheta/da) . da/dF . dF/dr_p      one pullback, whatever theta is

Training, ASE, error tables and LAMMPS call this. They differ in how heads are computed (from positions by the kernels,
or from cached features), in who communicates, and in whether the result must be differentiable in the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from mliap_hybrid.model.heads import HeadsOfGeometry
from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.parameters import ElementParameter, Parameter
from mliap_hybrid.model.term import Constants, Contribution, Term, summed
from mliap_hybrid.structure import Geometry


@dataclass(frozen=True)
class Total:
    """The energy of the centres and all that changes with positions."""

    energies: Tensor
    """(n_centres,) eV: what is divided among atoms."""
    structure_energies: Tensor | None
    """(n_structures,) eV: what is not; None where there is nothing."""
    pair_gradients: Tensor
    """(n_pairs, 3) eV/Å: dE/dr_p."""
    forces: Tensor | None
    """(n_centres, 3) eV/Å: what does not follow from pair vectors, of long-range terms."""
    virials: Tensor | None
    """(n_structures, 3, 3) eV: the same of -dE/d(strain)."""
    parameters: Mapping[str, Tensor]
    """Parameter -> values (n_centres,)."""
    parameter_gradients: Mapping[str, Tensor]
    """Parameter -> dE/dtheta_i (n_centres,)."""
    components: Mapping[str, Tensor]
    """Quantity -> energies (n_centres,), eV, of the terms that are that part of an interaction."""
    dipoles: Tensor | None = None
    """(n_centres, 3) e Å: of atoms, beside their charges."""
    polarisabilities: Callable[[], Tensor | None] = lambda: None
    """Computes dM/dE (n_structures, 3, 3), Å^3, at fixed places; None if nothing polarises. Collective."""
    contributions: Mapping[str, Contribution] = field(default_factory=dict)
    """Kind of each term -> what it gave, at fixed parameters."""


def sum_of_terms(
    terms: Iterable[Term],
    parameters: Iterable[Parameter],
    geometry: Geometry,
    species: Tensor,
    heads: HeadsOfGeometry | None = None,
    constants: Mapping[str, Constants] | None = None,
    neighbour_species: Callable[[], Tensor] | None = None,
    seen: Geometry | None = None,
    with_gradients: bool = True,
) -> Total:
    """Energy and its derivatives. Collective if a term or a parameter asks other ranks, which all do in the same order.

    Parameters
    ----------
    terms : iterable of Term
    parameters : iterable of Parameter
        All that the terms take.
    geometry : Geometry
    species : Tensor, shape (n_centres,), int64
        Index of each centre's element.
    heads : HeadsOfGeometry, optional
        What the networks say of these centres; needed where parameters are predicted.
    constants : mapping of str to Constants, optional
        Kind of a term -> what it has computed for these frames.
    neighbour_species : callable, optional
        Gives the index (n_pairs,) of each neighbour's element, with which constants need no exchange.
    seen : Geometry, optional
        What parameters see of the geometry; all of it by default.
    with_gradients : bool
        Whether anybody asks for what changes with positions, which is incomplete otherwise.

    Returns
    -------
    Total
        Differentiable in the weights of heads and parameters where their values carry a graph.
    """
    of_heads, constants = {} if heads is None else heads.values, constants or {}
    values, pullbacks, known, moments = {}, {}, {}, {}
    for parameter in parameters:
        of_head = None if parameter.head is None else of_heads[parameter.head]
        value, pullback = parameter(seen or geometry, species, of_head)
        values[parameter.name], pullbacks[parameter.name, parameter.head] = value, pullback
        moments[parameter.name] = partial(parameter.moments, seen or geometry, species, of_head)
        if isinstance(parameter, ElementParameter) and neighbour_species is not None:
            known[parameter.name] = partial(_of_elements, parameter, neighbour_species)
    parameter_values = ParameterValues(geometry, values, known, moments)
    terms = list(terms)
    each = [
        (term.contribution if with_gradients else term.energies_alone)(
            geometry, parameter_values, constants.get(term.kind)
        )
        for term in terms
    ]
    total = summed(each)

    def polarisabilities() -> Tensor | None:
        of_terms = (term.polarisabilities(geometry, parameter_values, constants.get(term.kind)) for term in terms)
        return next((values for values in of_terms if values is not None), None)

    gradients = _of_pairs(total, geometry)
    weights: dict[str, Tensor] = {}
    for (name, head), pullback in pullbacks.items() if with_gradients else ():
        of_parameter = total.parameter_gradients.get(name)
        if of_parameter is None:
            continue
        of_head, at_fixed_head = pullback(of_parameter, total.moment_gradients.get(name))
        if at_fixed_head is not None:
            gradients.append(at_fixed_head)
        if head is not None and of_head is not None:
            weights[head] = of_head
    if heads is not None and with_gradients:
        gradients = [heads.pair_gradients(weights), *gradients]
    if not gradients:
        gradients = [torch.zeros_like(geometry.pair_vectors)]
    energies = total.energies
    return Total(
        energies=geometry.pair_vectors.new_zeros(geometry.n_centres) if energies is None else energies,
        structure_energies=total.structure_energies,
        pair_gradients=gradients[0] if len(gradients) == 1 else sum(gradients[1:], gradients[0]),
        forces=total.forces,
        virials=total.virials,
        parameters=values,
        parameter_gradients=total.parameter_gradients,
        components=_components(terms, each),
        dipoles=total.dipoles,
        polarisabilities=polarisabilities,
        contributions={term.kind: contribution for term, contribution in zip(terms, each, strict=True)},
    )


def _components(terms: Sequence[Term], contributions: Sequence[Contribution]) -> dict[str, Tensor]:
    """Name of a component -> energies (n_centres,), eV, of its terms."""
    found: dict[str, Tensor] = {}
    for term, contribution in zip(terms, contributions, strict=True):
        energies, name = contribution.energies, term.component
        if name is not None and energies is not None:
            found[name] = found[name] + energies if name in found else energies
    return found


def _of_elements(parameter: ElementParameter, species: Callable[[], Tensor]) -> Tensor:
    """Values (n_pairs,) of a constant."""
    return parameter.values.index_select(0, species())


def _of_pairs(total: Contribution, geometry: Geometry) -> list[Tensor]:
    """What terms say of dE/dr_p (n_pairs, 3) themselves."""
    gradients = [] if total.pair_gradients is None else [total.pair_gradients]
    if total.distance_derivatives is not None:
        along = total.distance_derivatives / geometry.distances.to(total.distance_derivatives.dtype)  # (n_pairs,)
        gradients.append(along[:, None] * geometry.pair_vectors.detach().to(along.dtype))
    return gradients
