"""What files call the tensors of heads."""

from __future__ import annotations


def tensor_prefix(head: str, n_members: int, member: int, part: str = "network") -> str:
    """What the names of the tensors of a network begin with.

    `network` for energies, `charge_network` for charges, and so on; with the number of the member in a committee. The
    force network is called so: there is one at most.

    Parameters
    ----------
    head : str
    n_members : int
        Of the head.
    member : int
    part : str
        As in `AtomicNetwork.parts`.
    """
    if part == "force network":
        return "force_network"
    name = part if head == "energy" else f"{head}_{part}"
    return f"{name}.members.{member}" if n_members > 1 else name
