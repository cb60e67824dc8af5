"""Heads: numbers that networks read off the features of an atom, for the parameters that are predicted.

All heads see the same features. A head is one network, or the mean of several, a committee; for direct forces, a
network with another one that stands for its derivatives (direct_forces.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.contracted_network import ContractedNetwork
from mliap_hybrid.model.direct_forces import DirectNetwork

Network = AtomicNetwork | ContractedNetwork | DirectNetwork
"""What a head may have for a member."""


class Head(torch.nn.Module):
    """One number for each atom: the mean of what its members say."""

    def __init__(self, name: str, members: Sequence[Network]):
        """Put networks together.

        Parameters
        ----------
        name : str
            That of the parameter.
        members : sequence of Network
            At least one, of the same inputs and hidden layers.

        Raises
        ------
        ValueError
            If there is none, or they are unlike.
        """
        super().__init__()
        shapes = {(member.linear.shape, member.hidden) for member in members}
        if len(shapes) != 1:
            raise ValueError(f"expected networks that are all alike, got {len(members)} of {len(shapes)} kinds")
        self.name = name
        self.members = torch.nn.ModuleList(members)
        self.hidden = members[0].hidden

    @property
    def networks(self) -> list[Network]:
        """The members."""
        return list(self.members)  # type: ignore[arg-type]

    @property
    def is_conservative(self) -> bool:
        """Whether its derivatives are those of its values."""
        return all(member.is_conservative for member in self.networks)

    def forward(self, inputs: Tensor, species: Tensor) -> Tensor:
        """Values (n_atoms,) from features (n_atoms, n_inputs) and the elements' indices (n_atoms,)."""
        if len(self.members) == 1:
            return self.members[0](inputs, species)
        return torch.stack([member(inputs, species) for member in self.members]).mean(0)


class Heads(torch.nn.Module):
    """All heads of a model, in order."""

    def __init__(self, heads: Sequence[Head] = ()):
        super().__init__()
        self.heads = torch.nn.ModuleDict({head.name: head for head in heads})

    def __iter__(self) -> Iterator[Head]:
        return iter(self.heads.values())  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.heads)

    def __getitem__(self, name: str) -> Head:
        return self.heads[name]  # type: ignore[return-value]

    @property
    def networks(self) -> list[Network]:
        """Members of all heads, in order."""
        return [member for head in self for member in head.networks]


class HeadsOfGeometry(Protocol):
    """What the heads say of the centres of a geometry; derivatives are asked for later, when terms have said theirs."""

    @property
    def values(self) -> Mapping[str, Tensor]:
        """Head -> values (n_centres,)."""

    def pair_gradients(self, weights: Mapping[str, Tensor]) -> Tensor:
        """dE/dr_p (n_pairs, 3) from dE/d(value) (n_centres,) of each head, zero where it is not given."""
