"""Several networks in the place of one: their mean is the energy, their spread says how far it can be trusted.

    E_i = (1/M) sum_m E_i^m

Members see the same features, so a committee costs little more than one network, and its forces are the mean of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mliap_hybrid.model.atomic_network import AtomicNetwork


class CommitteeNetwork(torch.nn.Module):
    """Takes the place of an `AtomicNetwork`."""

    def __init__(self, members: Sequence[AtomicNetwork]):
        """Put networks together.

        Parameters
        ----------
        members : sequence of AtomicNetwork
            At least two, of the same inputs and hidden layers.

        Raises
        ------
        ValueError
            If they are fewer, or unlike.
        """
        super().__init__()
        shapes = {(member.linear.shape, member.hidden) for member in members}
        if len(members) < 2 or len(shapes) > 1:
            raise ValueError(f"expected two networks or more, all alike, got {len(members)} of {len(shapes)} kinds")
        self.members = torch.nn.ModuleList(members)
        self.hidden = members[0].hidden

    def forward(self, features: Tensor, rows: Tensor) -> Tensor:
        """Mean energies of atoms; arguments as those of `AtomicNetwork`.

        Returns
        -------
        Tensor, shape (n_atoms,), eV
        """
        return self.each(features, rows).mean(0)

    def each(self, features: Tensor, rows: Tensor) -> Tensor:
        """Energies (n_members, n_atoms), eV, that the members give to atoms."""
        return torch.stack([member(features, rows) for member in self.members])

    def spread(self, features: Tensor, rows: Tensor) -> Tensor:
        """Standard deviation (n_atoms,), eV, of these energies over the members."""
        return self.each(features, rows).std(0, correction=0)


def members_of(network: AtomicNetwork | CommitteeNetwork | None) -> list[AtomicNetwork]:
    """The members of a committee, or the network alone; none where there is no network."""
    if network is None:
        return []
    return list(network.members) if isinstance(network, CommitteeNetwork) else [network]  # type: ignore[arg-type]
