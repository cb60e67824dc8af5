"""What files call the tensors of heads."""

from __future__ import annotations


def head_prefix(name: str) -> str:
    """Prefix of the tensors of a head: `network` for energies, `charge_network` for charges, and so on."""
    return "network" if name == "energy" else f"{name}_network"
