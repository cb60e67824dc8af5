"""Training beside another checkout, by the command line of both. A part of training.py."""

from __future__ import annotations

import csv
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from other_checkout import Checkout, Row, in_turns, rows_of_ratio

WARM_UP = 2
"""Epochs that do not count."""


@dataclass(frozen=True)
class Measured:
    """One training."""

    seconds: float
    """Of the processor for a training structure, with the validation's share."""
    megabytes: float


def training_rows(
    name: str, settings: dict[str, Any], n_frames: int, checkouts: Sequence[Checkout], rounds: int
) -> list[Row]:
    """Train the same in turns: rate and memory of the first checkout, and its ratios to the second.

    `settings` is a training file, `n_frames` the number of its training frames.
    """
    measured = in_turns(lambda checkout: measure(checkout, settings, n_frames), checkouts, rounds)
    seconds = [[run.seconds for run in runs] for runs in measured]
    megabytes = [[run.megabytes for run in runs] for runs in measured]
    return [
        {"what": f"{name}, train", "value": 1.0 / statistics.median(seconds[0]), "unit": "structures/s"},
        {"what": f"memory | {name}, train", "value": statistics.median(megabytes[0]), "unit": "MB"},
        *rows_of_ratio(f"{name}, train", *seconds),
        *rows_of_ratio(f"{name}, train", *megabytes, prefix="memory "),
    ]


def measure(checkout: Checkout, settings: dict[str, Any], n_frames: int) -> Measured:
    """Train once, in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "train.yaml").write_text(yaml.safe_dump(settings | {"run": "run"}))
        cost = checkout.mliap_hybrid("train", "train.yaml", cwd=folder)
        with (folder / "run" / "metrics.csv").open() as file:
            _, *epochs = csv.DictReader(file)  # units stand in the first line
    seconds = statistics.median(float(epoch["time"]) for epoch in epochs[WARM_UP:])
    return Measured(seconds / n_frames, cost.megabytes)
