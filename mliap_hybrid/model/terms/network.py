"""The energy of atoms that the network gives, as a term: E_i = theta_i, its parameter `energy`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.term import Constants, Contribution, Term, TermDescription
from mliap_hybrid.structure import Geometry


class NetworkDescription(TermDescription):
    """The term in a model file; the network is the head `energy`."""

    kind: Literal["network"] = "network"

    def title(self, sources: Mapping[str, str], on_features: str, n_members: int) -> str:
        """As in `TermDescription`."""
        network = "network" if n_members == 1 else f"mean of {n_members} networks"
        return f"{network} {on_features}"


class NetworkEnergy(Term):
    """E_i = network(x_i) + w(Z_i).x_i + b(Z_i)."""

    kind = "network"
    takes = ("energy",)

    def energy(self, geometry: Geometry, parameters: ParameterValues) -> Tensor:
        """Energies (n_centres,), eV."""
        return parameters["energy"]

    def contribution(
        self, geometry: Geometry, parameters: ParameterValues, constants: Constants | None = None
    ) -> Contribution:
        """As in `Term`."""
        energies = parameters["energy"]
        return Contribution(energies=energies, parameter_gradients={"energy": torch.ones_like(energies)})

    def describe(self) -> NetworkDescription:
        """As in `Term`."""
        return NetworkDescription()

    @classmethod
    def restore(cls, description: Any, arrays: Mapping[str, Tensor], cutoff: float) -> NetworkEnergy:
        """As in `Term`."""
        return cls()
