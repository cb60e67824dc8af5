"""Trainers of checkpoints of versions 1 to 5, which knew a fixed set of networks: their weights by the names of today.

Momenta and the like are numbered, not named, and the numbers are the same. Optimisers of all weights together see one
long vector, in which fitted charges stood between the networks of energies and forces; now they stand last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

FIRST_VERSION_OF_TODAY = 6
"""Of the checkpoints; older ones need `upgraded`."""

NAMES = {
    "network.": "heads.heads.energy.members.0.",
    "charges.": "terms.electrostatics.charges.",
    "charge_model.network.network.": "heads.heads.charge.members.0.",
    "charge_model.element_charges": "theta.charge.start",
    "charge_model.typical_charges": "theta.charge.typical",
}
"""How the name of a weight began -> how it begins."""

NAMES_OF_DIRECT_FORCES = NAMES | {
    "network.": "heads.heads.energy.members.0.energy.",
    "force_network.": "heads.heads.energy.members.0.slopes.",
}
"""The same where forces have a network of their own."""

CONSTANTS = ("charges.start", "charges.directions", "charge_model.element_charges", "charge_model.typical_charges")
"""What is kept beside the weights, and not trained."""


def upgraded(trainer: Mapping[str, Any]) -> dict[str, Any]:
    """State of a trainer as `Trainer.load_state_dict` takes it.

    Parameters
    ----------
    trainer : mapping
        Of a checkpoint before `FIRST_VERSION_OF_TODAY`; one without weights, such as that of a committee, stays as it
        is.

    Raises
    ------
    ValueError
        If it has a weight that no version had.
    """
    if "part" not in trainer:
        return dict(trainer)
    weights, average = trainer["part"], trainer["average"]
    now = {
        "part": _renamed(weights),
        "average": _renamed(average),
        "optimiser": _reordered(trainer["optimiser"], weights),
    }
    return {**trainer, **now}


def _renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {_new_name(name, weights): weight for name, weight in weights.items()}


def _new_name(name: str, weights: Mapping[str, Tensor]) -> str:
    """The name of today of one of the weights."""
    is_direct = any(other.startswith("force_network.") for other in weights)
    for before, now in (NAMES_OF_DIRECT_FORCES if is_direct else NAMES).items():
        if name.startswith(before):
            return now + name.removeprefix(before)
    raise ValueError(f"expected a weight of versions 1 to 5, found '{name}'")


def _reordered(optimiser: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """The state of an optimiser whose vectors (n_weights,) have charges last."""
    trained = [name for name in weights if name not in CONSTANTS]
    sizes = [weights[name].numel() for name in trained]
    order = sorted(range(len(trained)), key=lambda number: trained[number].startswith("charges."))

    def of(value: Any) -> Any:
        if isinstance(value, Tensor) and value.shape == (sum(sizes),):
            parts = value.split(sizes)
            return torch.cat([parts[number] for number in order])
        return [of(one) for one in value] if isinstance(value, list) else value

    return {name: of(value) for name, value in optimiser.items()}
