"""A term of the energy: what a new piece of physics has to be.

The energy of a model is a sum of terms, E = sum_t sum_i E_ti, each a function of the geometry and of parameters that
atoms have (parameters.py). A term says how its energy follows from both; derivatives are found by automatic
differentiation unless it brings its own. `sum_of_terms.py` adds terms up and applies the chain rule.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.structure import Geometry


@dataclass(frozen=True)
class Contribution:
    """What terms add to the energy, and the derivatives at fixed parameters; None stands for zero."""

    energies: Tensor | None = None
    """(n_centres,) eV."""
    structure_energies: Tensor | None = None
    """(n_structures,) eV: what is not divided among atoms."""
    distance_derivatives: Tensor | None = None
    """(n_pairs,) eV/Å: dE/dr along each pair."""
    pair_gradients: Tensor | None = None
    """(n_pairs, 3) eV/Å: dE/dr_p, r_p = r_j - r_i."""
    forces: Tensor | None = None
    """(n_centres, 3) eV/Å: what does not follow from pair vectors."""
    virials: Tensor | None = None
    """(n_structures, 3, 3) eV: -dE/d(strain) that does not follow from pair vectors."""
    dipoles: Tensor | None = None
    """(n_centres, 3) e Å: of atoms, beside their charges; no part of the energy."""
    parameter_gradients: Mapping[str, Tensor] = field(default_factory=dict)
    """Parameter -> dE/dtheta_i (n_centres, ...)."""
    moment_gradients: Mapping[str, Tensor] = field(default_factory=dict)
    """Parameter -> dE/dmu_i (n_centres, 3), by the moments between atoms (`Moments`) that some have."""


GRADIENTS = ("parameter_gradients", "moment_gradients")
PARTS = tuple(f.name for f in fields(Contribution) if f.name not in GRADIENTS)


def summed(contributions: Sequence[Contribution]) -> Contribution:
    """The contributions of several terms together."""
    if len(contributions) == 1:
        return contributions[0]
    parts = {name: _sum(getattr(each, name) for each in contributions) for name in PARTS}
    return Contribution(**parts, **{kind: _gradients(kind, contributions) for kind in GRADIENTS})  # type: ignore[arg-type]


def _gradients(kind: str, contributions: Sequence[Contribution]) -> dict[str, Tensor | None]:
    each = [getattr(contribution, kind) for contribution in contributions]
    return {name: _sum(of_one.get(name) for of_one in each) for name in dict.fromkeys(n for one in each for n in one)}


def _sum(tensors: Iterable[Tensor | None]) -> Tensor | None:
    total = None
    for tensor in tensors:
        if tensor is not None:
            total = tensor if total is None else total + tensor
    return total


class Constants(ABC):
    """What a term has computed once of frames whose positions stay, as they do in training; float32.

    A dataclass of tensors, which a training takes to its device.
    """

    @property
    @abstractmethod
    def n_bytes(self) -> int:
        """Memory that they take."""

    @abstractmethod
    def followed_by(self, others: Sequence[Constants]) -> Constants:
        """Those of these frames and others, laid end to end."""


class TermDescription(BaseModel):
    """What a model file says of a term, arrays apart."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    kind: str
    """That of the term; each has its own class."""
    has_arrays: ClassVar[bool] = False
    """Whether there are tensors beside it, whose names begin with the kind."""

    def title(self, sources: Mapping[str, str], on_features: str, n_members: int) -> str:
        """What the term is called before people.

        Parameters
        ----------
        sources : mapping of str to str
            Where each parameter of the model comes from.
        on_features : str
            What the networks look at.
        n_members : int
            Number of networks that give the energy.
        """
        return self.kind

    def rows(self) -> dict[str, str]:
        """Title -> what else there is to say of the term, for people."""
        return {}

    def remarks(self) -> dict[str, str]:
        """Title of a row of a parameter -> what the term has to add to it."""
        return {}


class Term(torch.nn.Module, ABC):
    """One part of the energy."""

    kind: ClassVar[str]
    """Its name in model files, and among the terms of a model."""
    cost: ClassVar[Literal["local", "exchange", "solve"]] = "local"
    """What it needs of other ranks: nothing; values of neighbours; a solution for all atoms at once."""
    component: ClassVar[str | None] = None
    """Quantity (quantities.py) that its energy is a part of, where it is one of the components of an interaction."""
    is_known: ClassVar[bool] = False
    """Whether it was trained by itself, before: its `origin` says how."""
    centroid: ClassVar[bool] = True
    """Whether the force of each pair is the derivative of its centre's energy alone, as heat fluxes need it."""
    needs_tags: ClassVar[bool] = False
    """Whether it asks which atom is which."""
    needs_molecules: ClassVar[bool] = False
    """Whether it asks which atoms are in one molecule."""
    takes: tuple[str, ...] = ()
    """Names of the parameters that its energy depends on."""

    @abstractmethod
    def energy(self, geometry: Geometry, parameters: ParameterValues) -> Tensor:
        """Energies of the centres.

        Parameters
        ----------
        geometry : Geometry
        parameters : ParameterValues
            Those that the term takes, and their values at neighbours.

        Returns
        -------
        Tensor, shape (n_centres,), eV
            Differentiable in the pair vectors and the parameters.
        """

    def contribution(
        self, geometry: Geometry, parameters: ParameterValues, constants: Constants | None = None
    ) -> Contribution:
        """Energies and first derivatives at fixed parameters, differentiable in these where they carry a graph.

        Parameters
        ----------
        geometry, parameters
            As in `energy`.
        constants : Constants, optional
            What `constants` has computed for these frames.
        """
        with torch.enable_grad():
            vectors = geometry.pair_vectors.detach().requires_grad_()  # (n_pairs, 3)
            inputs, of_graph = parameters.leaves(self.takes)
            energies = self.energy(with_vectors(geometry, vectors), inputs)  # (n_centres,)
            pair_gradients, *gradients = derivatives(energies, [vectors, *inputs.values()], of_graph)
        return Contribution(
            energies=energies if of_graph else energies.detach(),
            pair_gradients=pair_gradients,
            parameter_gradients=dict(zip(inputs, gradients, strict=True)),
        )

    def energies_alone(
        self, geometry: Geometry, parameters: ParameterValues, constants: Constants | None = None
    ) -> Contribution:
        """Energies, and what costs nothing beside them: for trainings on energies. Arguments as of `contribution`."""
        return self.contribution(geometry, parameters, constants)

    def polarisabilities(
        self, geometry: Geometry, parameters: ParameterValues, constants: Constants | None = None
    ) -> Tensor | None:
        """dM/dE (n_structures, 3, 3), Å^3, at fixed places, differentiable in parameters; None if nothing polarises.

        Arguments as of `contribution`. Collective.
        """
        return None

    def check(self, geometry: Geometry) -> None:
        """Refuse structures that the energy is not meant for. Collective.

        Raises
        ------
        InputError
        """

    def constants(self, geometry: Geometry, with_virials: bool) -> Constants | None:
        """What training may keep of one frame; None if nothing."""
        return None

    def memory_of_constants(self, n_atoms: Sequence[int], with_virials: bool) -> int:
        """Bytes that these will take, of frames with so many atoms."""
        return 0

    @property
    def origin(self) -> str:
        """What the term was trained from, in words."""
        return ""

    def remarks(self) -> list[str]:
        """What users should know of the structures that the term has been computed for."""
        return []

    @abstractmethod
    def describe(self) -> TermDescription:
        """What a model file says of the term."""

    def arrays(self) -> dict[str, Tensor]:
        """Arrays that a model file holds for the term."""
        return {}

    @classmethod
    @abstractmethod
    def restore(cls, description: Any, arrays: Mapping[str, Tensor], cutoff: float) -> Term:
        """The term again, from what `describe` and `arrays` said; `cutoff`, in Å, is that of the model."""


class PairTerm(Term):
    """A term of pairs: each gives its centre an energy that depends on its length and on parameters."""

    @abstractmethod
    def pair_energies(self, geometry: Geometry, distances: Tensor, parameters: ParameterValues) -> Tensor:
        """What each pair gives to its centre: half of what both atoms have of each other.

        Parameters
        ----------
        geometry : Geometry
        distances : Tensor, shape (n_pairs,), Å
            Lengths of the pair vectors.
        parameters : ParameterValues

        Returns
        -------
        Tensor, shape (n_pairs,), eV
        """

    def energy(self, geometry: Geometry, parameters: ParameterValues) -> Tensor:
        """Energies (n_centres,), eV."""
        distances = torch.linalg.vector_norm(geometry.pair_vectors, dim=1)  # (n_pairs,)
        return sum_over_pairs(geometry, self.pair_energies(geometry, distances, parameters))

    def contribution(
        self, geometry: Geometry, parameters: ParameterValues, constants: Constants | None = None
    ) -> Contribution:
        """As in `Term`, with the derivative by distances alone."""
        with torch.enable_grad():
            distances = geometry.distances.detach().requires_grad_()  # (n_pairs,)
            inputs, of_graph = parameters.leaves(self.takes)
            of_pairs = self.pair_energies(geometry, distances, inputs)  # (n_pairs,)
            distance_derivatives, *gradients = derivatives(of_pairs, [distances, *inputs.values()], of_graph)
        of_pairs = of_pairs if of_graph else of_pairs.detach()
        return Contribution(
            energies=sum_over_pairs(geometry, of_pairs),
            distance_derivatives=distance_derivatives,
            parameter_gradients=dict(zip(inputs, gradients, strict=True)),
        )

    def energies_alone(
        self, geometry: Geometry, parameters: ParameterValues, constants: Constants | None = None
    ) -> Contribution:
        """As in `Term`."""
        return Contribution(energies=self.energy(geometry, parameters))


def derivatives(energies: Tensor, inputs: Sequence[Tensor], create_graph: bool) -> tuple[Tensor, ...]:
    """Derivatives of the sum of energies (n,) by each of the inputs, zeros where it does not depend on one."""
    return torch.autograd.grad(
        energies.sum(), inputs, create_graph=create_graph, allow_unused=True, materialize_grads=True
    )


def with_vectors(geometry: Geometry, pair_vectors: Tensor) -> Geometry:
    """The geometry with other pair vectors (n_pairs, 3), which may carry a graph."""
    values = {f.name: getattr(geometry, f.name) for f in fields(Geometry)}
    return Geometry(**values | {"pair_vectors": pair_vectors})


def sum_over_pairs(geometry: Geometry, values: Tensor) -> Tensor:
    """Sums (n_centres, ...) of values (n_pairs, ...) over the pairs of each centre."""
    sums = values.new_zeros((geometry.n_centres, *values.shape[1:]))
    return sums.index_add(0, geometry.pair_i, values)
