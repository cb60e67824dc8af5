"""Energies E0 of the elements: what atoms have without neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor

from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.term import Constants, Contribution, Term, TermDescription
from mliap_hybrid.structure import Geometry


class BaselineDescription(TermDescription):
    """The term in a model file; the energies are those of the parameter `baseline`."""

    kind: Literal["baseline"] = "baseline"


class Baseline(Term):
    """E_i = E0(Z_i)."""

    kind = "baseline"
    takes = ("baseline",)

    def energy(self, geometry: Geometry, parameters: ParameterValues) -> Tensor:
        """E0 (n_centres,), eV."""
        return parameters["baseline"]

    def contribution(
        self, geometry: Geometry, parameters: ParameterValues, constants: Constants | None = None
    ) -> Contribution:
        """As in `Term`: nothing changes with positions."""
        return Contribution(energies=parameters["baseline"])

    def describe(self) -> BaselineDescription:
        """As in `Term`."""
        return BaselineDescription()

    @classmethod
    def restore(cls, description: Any, arrays: Mapping[str, Tensor], cutoff: float) -> Baseline:
        """As in `Term`."""
        return cls()
