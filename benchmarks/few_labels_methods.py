"""What few_labels.py compares: three ways of training, and ways to get more out of the same labels.

Sizes and weights were chosen in a few trainings on ethanol with 50 and 100 labels, of other draws than those of the
table, and are the same for all data sets and numbers of labels; "tuned" is what validation frames choose among them.
"""

from __future__ import annotations

import copy
from typing import Any

Settings = dict[str, Any]

SHARED: Settings = {
    "repulsion": {"kind": "none"},
    "network": {"hidden": [64, 64], "whitening_damping": 1e-2},
    "electrostatics": {"charges": "none"},
    "loss": {"energy": 1.0, "force_transition": None},
    "optimisation": {
        "optimiser": "soap",
        "batch_size": 10,
        "learning_rate": 4e-3,
        "weight_decay": 1e-3,
        "average_decay": 0.99,
    },
}
"""What all trainings have in common."""

HEADS: dict[str, Settings] = {
    "direct": {"network": {"forces": "direct"}},
    "conservative": {},
    "energies": {"data": {"keys": {"forces": None}}},
}
"""Forces of a network of their own; of the energy; of the energy, with labels of energies alone."""

BASELINE, LONGER, TUNED = "baseline", "baseline same time", "tuned"
"""The plain training; the same with as many epochs as fit into the time of the slowest main method beside it; what has
the lowest validation error of the energy, not a training of its own."""

COMPARED = ("noise", "virtual adversarial")
"""Methods that weak supervision is compared with."""


def weak(**settings: Any) -> Settings:
    """Settings of weak supervision."""
    return {"weak_supervision": settings}


def labels(weight: float, size: float = 0.03, **settings: Any) -> Settings:
    """Weak labels: from the reference energy and forces."""
    return weak(taylor_weight=weight, weak_labels=True, displacement_size=size, **settings)


def curvature(weight: float, **settings: Any) -> Settings:
    """Curvature of the model Hessian."""
    return weak(taylor="curvature", taylor_weight=weight, displacement_size=0.05, **settings)


NOISE: Settings = {"noise": {"displacement": 0.01}}

MAIN: dict[str, dict[str, Settings]] = {
    "direct": {
        BASELINE: {},
        "noise": NOISE,
        "taylor first": weak(taylor="first", displacement_size=0.01, taylor_weight=0.1),
        "taylor central": weak(taylor="central", displacement_size=0.03, taylor_weight=0.1),
        "labels first": labels(1.0, size=0.01, taylor="first"),
        "labels central": labels(3.0, taylor="central"),
        "labels central thermal": labels(3.0, taylor="central", displacement="thermal"),
        LONGER: {},
    },
    "conservative": {
        BASELINE: {},
        "labels central thermal": labels(0.1, taylor="central", displacement="thermal"),
    },
    "energies": {
        BASELINE: {},
        "noise": NOISE,
        "taylor first": weak(taylor="first", displacement_size=0.01, taylor_weight=0.01),
        "curvature thermal": curvature(1.0, displacement="thermal"),
        "curvature thermal x 10": curvature(10.0, displacement="thermal"),
        LONGER: {},
    },
}
"""Way of training -> method -> settings; trained on all data sets, with all numbers of labels."""

MORE: dict[str, dict[str, Settings]] = {
    "direct": {
        "taylor trapezoid": weak(taylor="trapezoid", displacement_size=0.03, taylor_weight=0.1),
        "taylor second": weak(taylor="second", displacement_size=0.03, taylor_weight=0.1),
        "taylor central adversarial": weak(
            taylor="central", displacement="adversarial", displacement_size=0.03, taylor_weight=0.1
        ),
        "labels trapezoid": labels(1.0, taylor="trapezoid"),
        **{
            f"spatial {variant}": weak(
                spatial=variant, spatial_order="trapezoid", displacement_size=0.03, spatial_weight=0.3
            )
            for variant in ("A", "B", "C", "D", "all", "two-point")
        },
        "spatial A first": weak(spatial="A", displacement_size=0.01, spatial_weight=0.3),
    },
    "conservative": {
        "noise": NOISE,
        "taylor first": weak(taylor="first", displacement_size=0.01, taylor_weight=0.01),
        "taylor trapezoid": weak(taylor="trapezoid", displacement_size=0.03, taylor_weight=0.1),
        "curvature thermal": curvature(1.0, displacement="thermal"),
        LONGER: {},
    },
    "energies": {
        "virtual adversarial": weak(
            taylor="zeroth", displacement="virtual", displacement_size=0.01, taylor_weight=1e-3
        ),
        "taylor trapezoid": weak(taylor="trapezoid", displacement_size=0.1, taylor_weight=0.1),
        "spatial two-point": weak(spatial="two-point", displacement_size=0.01, spatial_weight=0.01),
        "curvature": curvature(1.0),
    },
}
"""The same, trained with 50 labels."""


def methods(head: str, with_more: bool) -> dict[str, Settings]:
    """Methods of a way of training in the order of the table; the longer baseline, whose time is theirs, comes last.

    Parameters
    ----------
    head : str
        One of HEADS.
    with_more : bool
        Whether those of MORE are among them.
    """
    chosen = MAIN[head] | (MORE[head] if with_more else {})
    return {name: settings for name, settings in chosen.items() if name != LONGER} | (
        {LONGER: {}} if LONGER in chosen else {}
    )


def merged(settings: Settings, *others: Settings) -> Settings:
    """The settings, with those of the others in their place."""
    result = copy.deepcopy(settings)
    for other in others:
        for key, value in other.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else copy.deepcopy(value)
    return result
