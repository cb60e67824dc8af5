"""A model as plain data that can be written as JSON: which features, heads, parameters and terms it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mliap_hybrid.model.feature_description import FeatureDescription
from mliap_hybrid.model.parameter_descriptions import AnyParameter, ConstantDescription, Name, PredictedDescription
from mliap_hybrid.model.term import TermDescription
from mliap_hybrid.model.terms.kinds import AnyTermDescription, class_of
from mliap_hybrid.model.training_distance import DistanceDescription
from mliap_hybrid.model_files.upgrade import upgraded

LayerSizes = list[Annotated[int, Field(gt=0, le=1_000_000)]]


class ContractionDescription(BaseModel):
    """What makes invariants of the moments, before the network; its weights are tensors."""

    model_config = ConfigDict(extra="forbid")

    n_channels: Annotated[int, Field(ge=1, le=1024)]
    """Channels that the moments are mixed to."""
    body_order: Literal[3, 4, 5]
    """Highest number of atoms that an invariant joins, the centre included."""
    whitened: bool
    """Whether the whitening of the invariants stands beside the network (True) or is folded into it (False)."""


class HeadDescription(BaseModel):
    """Networks that give one number for each atom; their weights are tensors."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    """That of the parameter."""
    hidden: LayerSizes
    """Hidden layers."""
    n_members: Annotated[int, Field(ge=1)] = 1
    """Number of networks whose mean it is."""
    direct_hidden: LayerSizes | None = None
    """Hidden layers of the network that stands for its derivatives; None where these are its own."""
    contraction: ContractionDescription | None = None
    """The learned contraction before the network; None for networks on invariant features."""


class ModelDescription(BaseModel):
    """What a model is made of, and all its settings; the weights are tensors beside it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    features: FeatureDescription
    """What the features are made of."""
    whitened: bool
    """Whether the whitening stands beside the networks (True) or is folded into their first layers (False)."""
    total_charge_input: bool = False
    """Whether the networks take the total charge as a last input."""
    environment: Literal["all", "molecule"] = "all"
    """What features and predicted parameters see: all neighbours, or those of the own molecule."""
    heads: list[HeadDescription]
    """What the networks give."""
    parameters: list[AnyParameter]
    """What the terms take, but the energies of the network, which are as the head `energy` gives them."""
    terms: list[AnyTermDescription]
    """What the energy is the sum of."""
    distance: DistanceDescription | None = None
    """The distance to the training set; None for models that know none, among them those of schema 8 and older."""

    @model_validator(mode="before")
    @classmethod
    def _read_older_versions(cls, content: Any) -> Any:
        return upgraded(content) if isinstance(content, Mapping) and "terms" not in content else content

    @model_validator(mode="after")
    def _check_tables(self) -> ModelDescription:
        """Each table has an entry for each element and no other; names are used once."""
        for parameter in self.parameters:
            if any(set(table) != set(self.elements) for table in parameter.tables()):
                raise ValueError(f"{parameter.name}: expected an entry for each of {' '.join(self.elements)}")
        for names in ([h.name for h in self.heads], [p.name for p in self.parameters], [t.kind for t in self.terms]):
            if len(set(names)) < len(names):
                raise ValueError(f"expected different names, found {' '.join(names)}")
        return self

    @model_validator(mode="after")
    def _check_contractions(self) -> ModelDescription:
        """Moments turn with the atoms: networks see them through contractions, and nothing else."""
        of_moments = self.features.kind == "moments"
        for head in self.heads:
            if (head.contraction is not None) != of_moments:
                raise ValueError("expected networks on contractions where the features are moments, and only there")
            if of_moments and head.direct_hidden is not None:
                raise ValueError("expected no direct forces where the features are moments")
        return self

    @model_validator(mode="after")
    def _check_distance(self) -> ModelDescription:
        """A distance is one of the hidden values of an energy network."""
        energy = self.head("energy")
        if self.distance is not None and (energy is None or not energy.hidden):
            raise ValueError("expected a distance to the training set only beside an energy network with hidden layers")
        return self

    @property
    def elements(self) -> list[str]:
        """Symbols, by ascending atomic number."""
        return self.features.elements

    @property
    def cutoff(self) -> float:
        """Cutoff of all local terms, Å."""
        return self.features.cutoff

    @property
    def is_conservative(self) -> bool:
        """Whether forces are the gradient of the energy."""
        return all(head.direct_hidden is None for head in self.heads)

    def warnings(self) -> list[str]:
        """What everybody should know who runs the model."""
        drift = "direct forces: not the gradient of the energy, so that the total energy drifts"
        return [] if self.is_conservative else [drift]

    def head(self, name: str) -> HeadDescription | None:
        """The head of a name."""
        return _named(self.heads, name)

    def constants(self, name: str) -> dict[str, float] | None:
        """Symbol -> value of a parameter that is constant; None for another one, or none."""
        found = _named(self.parameters, name)
        return found.values if isinstance(found, ConstantDescription) else None

    def predicted(self, name: str) -> PredictedDescription | None:
        """A parameter that is predicted; None for another one, or none."""
        found = _named(self.parameters, name)
        return found if isinstance(found, PredictedDescription) else None

    def source(self, name: str) -> str | None:
        """Where a parameter comes from; None if no term takes it."""
        return next((parameter.source for parameter in self.parameters if parameter.name == name), None)

    @property
    def charges_of_runs(self) -> str | None:
        """Who sees to the energy of charges in a run.

        None where none is a part of the model; "input" where LAMMPS' own styles do, of fixed charges; "model" where
        charges follow the atoms, or there are dipoles, which those styles do not know.
        """
        source = self.source("charge")
        if source is None or self.term("electrostatics") is None:
            return None
        return "model" if source == "predicted" or self.term("dipoles") is not None else "input"

    def term(self, kind: str) -> Any:
        """The description of the term of a kind; None if there is none."""
        return next((term for term in self.terms if term.kind == kind), None)

    def without_term(self, kind: str, parameter: str) -> ModelDescription:
        """The same without a term, and without a parameter that it takes unless others do; it must not be predicted."""
        terms = [term for term in self.terms if term.kind != kind]
        others = {name for term in terms for name in class_of(term).takes}
        parameters = [p for p in self.parameters if p.name != parameter or parameter in others]
        return self.model_copy(update={"terms": terms, "parameters": parameters})

    def titles(self) -> list[str]:
        """Names of the terms of the energy, for people."""
        described: Sequence[TermDescription] = self.terms
        sources = {parameter.name: parameter.source for parameter in self.parameters}
        energy = self.head("energy")
        on_features = "" if energy is None else f"on {self.features.title}"
        return [term.title(sources, on_features, 0 if energy is None else energy.n_members) for term in described]


def _named(entries: Sequence[Any], name: str) -> Any:
    return next((entry for entry in entries if entry.name == name), None)
