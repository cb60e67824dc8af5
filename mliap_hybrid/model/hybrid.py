"""The hybrid model: features, heads, parameters and terms, whose sum is the energy.

    E = sum_t sum_i E_ti(geometry, theta),      theta = parameters(heads(x)),      x_i = W (F_i - mean)

Usual terms are the element energies E0, what the network gives, the repulsion of atoms that are too close, the
long-range energy of charges, and kernel models of molecules (terms/). How they are added up, and how forces follow, is
written in sum_of_terms.py; who evaluates a model calls `Evaluator`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

import torch
from ase.data import chemical_symbols
from torch import Tensor

from mliap_hybrid.errors import InputError, did_you_mean
from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.model.heads import Head, Heads
from mliap_hybrid.model.parameters import Parameter
from mliap_hybrid.model.term import Term
from mliap_hybrid.model.training_distance import TrainingDistance
from mliap_hybrid.model.whitening import Whitening
from mliap_hybrid.species import species_by_number
from mliap_hybrid.structure import Geometry

Environment = Literal["all", "molecule"]
"""What features, and with them heads and predicted parameters, see: all neighbours, or those of the own molecule."""

Kind = TypeVar("Kind", bound=Term)


class HybridModel(torch.nn.Module):
    """Networks on features of the surroundings, plus explicit physics."""

    species_of_number: Tensor

    def __init__(
        self,
        features: Featuriser,
        terms: Sequence[Term],
        parameters: Sequence[Parameter] = (),
        heads: Sequence[Head] = (),
        whitening: Whitening | None = None,
        total_charge_input: bool = False,
        environment: Environment = "all",
        distance: TrainingDistance | None = None,
    ):
        """Put the parts together.

        Parameters
        ----------
        features : Featuriser
            Its elements are the model's elements; `NoFeatures` where there are no heads.
        terms : sequence of Term
            Of different kinds.
        parameters : sequence of Parameter
            All that the terms take, of different names, one value for each element in their order.
        heads : sequence of Head
            One for each parameter that is predicted.
        whitening : Whitening or None
            Linear map between the features and the networks; None where their first layers hold it.
        total_charge_input : bool
            Whether the networks take the total charge of the structure as a last input.
        environment : {"all", "molecule"}
            What features and predicted parameters see.
        distance : TrainingDistance, optional
            To the training set, of what the first network of the energy says.

        Raises
        ------
        ValueError
            If a parameter or a head is missing, or there are several of one name.
        """
        super().__init__()
        self.elements: tuple[int, ...] = tuple(features.elements)
        self.features = features
        self.whitening = whitening
        self.heads = Heads(heads)
        self.atomic_parameters = torch.nn.ModuleDict({parameter.name: parameter for parameter in parameters})
        self.terms = torch.nn.ModuleDict({term.kind: term for term in terms})
        self.total_charge_input = total_charge_input
        self.environment: Environment = environment
        self.distance = distance
        taken = {name for term in terms for name in term.takes}
        predicted = [parameter.head for parameter in parameters if parameter.head is not None]
        if len(self.terms) != len(terms) or len(self.atomic_parameters) != len(parameters):
            raise ValueError("expected terms of different kinds and parameters of different names")
        if taken != set(self.atomic_parameters) or predicted != [head.name for head in heads]:
            raise ValueError(
                f"expected the parameters {sorted(taken)} and a head for each that is predicted, got parameters "
                f"{sorted(self.atomic_parameters)} and heads {[head.name for head in heads]}"
            )
        self.register_buffer("species_of_number", species_by_number(self.elements), persistent=False)

    @property
    def cutoff(self) -> float:
        """Cutoff radius of all local terms, Å."""
        return self.features.cutoff

    @property
    def is_conservative(self) -> bool:
        """Whether forces are the gradient of the energy."""
        return all(head.is_conservative for head in self.heads)

    @property
    def needs_tags(self) -> bool:
        """Whether a term asks which atom is which, or in which molecule."""
        return self.needs_molecules or any(term.needs_tags for term in self.all_terms)

    @property
    def needs_molecules(self) -> bool:
        """Whether features or a term ask which atoms are in one molecule."""
        return self.environment == "molecule" or any(term.needs_molecules for term in self.all_terms)

    @property
    def has_centroid_stress(self) -> bool:
        """Whether the force of each pair is the derivative of its centre's energy alone, as heat fluxes need it."""
        constant = all(p.name == "energy" or p.source != "predicted" for p in self.all_parameters)
        return constant and self.is_conservative and all(term.centroid for term in self.all_terms)

    @property
    def all_terms(self) -> list[Term]:
        """The terms, in order."""
        return list(self.terms.values())  # type: ignore[arg-type]

    @property
    def all_parameters(self) -> list[Parameter]:
        """What they take, in order."""
        return list(self.atomic_parameters.values())  # type: ignore[arg-type]

    def term(self, kind: type[Kind]) -> Kind | None:
        """The term of a kind; None if the model has none."""
        return next((term for term in self.all_terms if isinstance(term, kind)), None)

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of a name; None if no term takes one."""
        return dict(self.atomic_parameters.items()).get(name)  # type: ignore[return-value]

    def table(self, name: str) -> dict[int, float]:
        """Atomic number -> value of a parameter that is constant; empty for another one, or none."""
        parameter = self.parameter(name)
        if parameter is None or parameter.source != "constant":
            return {}
        return dict(zip(self.elements, parameter.values.tolist(), strict=True))  # type: ignore[operator]

    def species(self, numbers: Tensor) -> Tensor:
        """Index (n,) of the element of each of the atomic numbers (n,), in the order of `elements`."""
        return self.species_of_number.index_select(0, numbers)

    def network_inputs(self, features: Tensor, total_charges: Tensor) -> Tensor:
        """What the networks see of the features.

        Parameters
        ----------
        features : Tensor, shape (n_centres, n_features)
        total_charges : Tensor, shape (n_centres,), e
            Total charge of the structure of each centre, where the networks take it.

        Returns
        -------
        Tensor, shape (n_centres, n_inputs)
        """
        inputs = features if self.whitening is None else self.whitening(features)
        if not self.total_charge_input:
            return inputs
        return torch.cat([inputs, total_charges.to(inputs.dtype)[:, None]], dim=1)

    def seen(self, geometry: Geometry) -> Geometry:
        """What features and predicted parameters see of a geometry."""
        return geometry if self.environment == "all" else geometry.within_molecules()

    def check_elements(self, numbers: Tensor) -> None:
        """Refuse atoms of an element that the model was not trained for.

        Raises
        ------
        InputError
            Naming the element and those of the model.
        """
        known = torch.tensor(self.elements, device=numbers.device)
        unknown = numbers[~torch.isin(numbers, known)]
        if len(unknown):
            symbol = chemical_symbols[int(unknown[0])]
            symbols = [chemical_symbols[z] for z in self.elements]
            raise InputError(f"the model knows no element {symbol}: {did_you_mean(symbol, symbols)}")
