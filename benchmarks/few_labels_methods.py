"""What few_labels.py compares: three ways of training, and ways to get more out of the same labels.

Sizes and weights were chosen on validation frames of ethanol, 50 labels, seed 7, and are the same for all data sets and
numbers of labels; what validation frames would choose there is a row of its own.
"""

from __future__ import annotations

import copy
from typing import Any

Settings = dict[str, Any]

SHARED: Settings = {
    "repulsion": {"kind": "none"},
    "network": {"hidden": [64, 64], "whitening_damping": 1e-2},
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

BASELINE, LONGER, TUNED = "baseline", "baseline, same time", "tuned"
"""The plain training; the same with as many epochs as fit into the time of the slowest main method beside it; what has
the lowest validation error of the energy, not a training of its own."""


def weak(**settings: Any) -> Settings:
    """Settings of weak supervision."""
    return {"weak_supervision": settings}


NOISE: Settings = {"noise": {"displacement": 0.01}}

MAIN: dict[str, dict[str, Settings]] = {
    "direct": {
        BASELINE: {},
        "noise": NOISE,
        "taylor first": weak(taylor="first", displacement_size=0.01, taylor_weight=0.1),
        "taylor central": weak(taylor="central", displacement_size=0.03, taylor_weight=0.1),
        "labels first": weak(taylor="first", weak_labels=True, displacement_size=0.01, taylor_weight=1.0),
        "labels central, thermal": weak(
            taylor="central", weak_labels=True, displacement="thermal", displacement_size=0.03, taylor_weight=3.0
        ),
    },
    "conservative": {
        BASELINE: {},
        "labels central, thermal": weak(
            taylor="central", weak_labels=True, displacement="thermal", displacement_size=0.03, taylor_weight=0.1
        ),
    },
    "energies": {
        BASELINE: {},
        "taylor first": weak(taylor="first", displacement_size=0.01, taylor_weight=0.01),
        "curvature, thermal": weak(
            taylor="curvature", displacement="thermal", displacement_size=0.05, taylor_weight=30.0
        ),
    },
}
"""Way of training -> method -> settings; trained on all data sets, with all numbers of labels."""

MORE: dict[str, dict[str, Settings]] = {
    "direct": {
        "taylor trapezoid": weak(taylor="trapezoid", displacement_size=0.03, taylor_weight=0.1),
        "taylor second": weak(taylor="second", displacement_size=0.03, taylor_weight=0.1),
        "labels trapezoid": weak(taylor="trapezoid", weak_labels=True, displacement_size=0.03, taylor_weight=1.0),
        "labels central": weak(taylor="central", weak_labels=True, displacement_size=0.03, taylor_weight=3.0),
        "taylor central, adversarial": weak(
            taylor="central", displacement="adversarial", displacement_size=0.03, taylor_weight=0.1
        ),
        "spatial A": weak(spatial="A", displacement_size=0.01, spatial_weight=0.1),
        "spatial A, trapezoid": weak(
            spatial="A", spatial_order="trapezoid", displacement_size=0.03, spatial_weight=0.1
        ),
        "spatial all, trapezoid": weak(
            spatial="all", spatial_order="trapezoid", displacement_size=0.03, spatial_weight=0.1
        ),
    },
    "conservative": {
        "noise": NOISE,
        "taylor first": weak(taylor="first", displacement_size=0.01, taylor_weight=0.01),
        "taylor trapezoid": weak(taylor="trapezoid", displacement_size=0.03, taylor_weight=0.1),
        "curvature, thermal": weak(
            taylor="curvature", displacement="thermal", displacement_size=0.05, taylor_weight=1.0
        ),
    },
    "energies": {
        "noise": NOISE,
        "virtual adversarial": weak(
            taylor="zeroth", displacement="virtual", displacement_size=0.01, taylor_weight=1e-3
        ),
        "taylor trapezoid": weak(taylor="trapezoid", displacement_size=0.1, taylor_weight=0.1),
        "spatial two-point": weak(spatial="two-point", displacement_size=0.01, spatial_weight=0.01),
        "curvature": weak(taylor="curvature", displacement_size=0.05, taylor_weight=30.0),
    },
}
"""The same, trained on ethanol with 50 and 100 labels."""


def methods(head: str, with_more: bool) -> dict[str, Settings]:
    """Methods of a way of training, in the order of the table; the longer baseline comes last, with a time of its own.

    Parameters
    ----------
    head : str
        One of HEADS.
    with_more : bool
        Whether those of MORE are among them.
    """
    return MAIN[head] | (MORE[head] if with_more else {}) | {LONGER: {}}


def merged(settings: Settings, *others: Settings) -> Settings:
    """The settings, with those of the others in their place."""
    result = copy.deepcopy(settings)
    for other in others:
        for key, value in other.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else copy.deepcopy(value)
    return result
