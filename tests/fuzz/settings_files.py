"""Training files and learning files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st
from kind import Kind
from mutations import damaged_text, damaged_values

from mliap_hybrid.config import TrainingFile, parse_training_file, read_training_file
from mliap_hybrid.learning.settings import read_learning_file

DATA = {"files": ["a.extxyz"], "keys": {"energy": "energy", "forces": "forces"}}

CHOICES: tuple[dict[str, Any], ...] = (
    {"data": DATA | {"split_key": "split", "units": {"energy": "Ha", "stress": "-kbar", "stress_order": "vasp"}}},
    {"features": {"set": "gmp-2c", "max_order": 3, "widths": [0.7, 1.0], "cutoff": 6.0, "density_table": "gth-pbe"}},
    {"features": {"set": "acsf"}, "network": {"hidden": [8, 8], "whitening_damping": 1.0e-3}},
    {"repulsion": {"kind": "zbl"}, "electrostatics": {"charges": {"Na": 0.5, "Cl": -0.5}, "smearing": 1.0}},
    {"electrostatics": {"charges": "predicted"}, "dipoles": {}, "loss": {"energy": 0.1, "forces": 1.0}},
    {"dispersion": {"coefficients": "fitted"}, "exchange_repulsion": {"coefficients": "constant"}},
    {"weak_supervision": {"taylor": "first", "spatial": "all", "warm_up_epochs": 3}, "noise": {"displacement": 0.0}},
    {"committee": {"n_members": 4}, "optimisation": {"optimiser": "adamw", "epochs": 150, "learning_rate": 2.0e-3}},
    {"gdml": {}, "features": {"cutoff": 5.0}},
    {"run": "runs/x", "seed": 1, "device": "cpu", "init_from": "runs/y", "optimisation": {"starts": 2}},
)
"""Beginnings of training files: sections with settings that are right, or nearly."""

LEARNING = {
    "training": "train.yaml",
    "folder": "runs/learning",
    "calculator": {"name": "label.py:make", "options": {"a": 1.0e-5}, "labels": ["charges"], "jobs": 2},
    "runs": {"starts": ["a.extxyz"], "n_runs": 2, "temperatures": [300.0, 600.0], "time": 1.0, "every": 5},
    "n_rounds": 3,
    "largest_force": 50.0,
    "tolerated": 0.1,
}


def _whole_defaults() -> dict[str, Any]:
    """Every setting of every section, as a file would have it."""
    return TrainingFile.model_validate({"data": DATA}).model_dump(mode="json")


def _training_values() -> st.SearchStrategy[Any]:
    defaults = _whole_defaults()
    of_sections = [{"data": DATA, name: content} for name, content in defaults.items() if isinstance(content, dict)]
    return damaged_values([*({"data": DATA} | choice for choice in CHOICES), *of_sections, defaults])


def _check_training_values(content: Any, folder: Path) -> None:
    settings = parse_training_file(content, "train.yaml")
    _check_finite(settings.model_dump())
    again = parse_training_file(settings.model_dump(mode="json"), "again")
    assert again == settings


def _training_texts() -> st.SearchStrategy[bytes]:
    return damaged_text([yaml.safe_dump({"data": DATA} | choice) for choice in CHOICES])


def _check_training_text(content: bytes, folder: Path) -> None:
    (folder / "train.yaml").write_bytes(content)
    _check_finite(read_training_file(folder / "train.yaml").model_dump())


def _learning_texts() -> st.SearchStrategy[bytes]:
    values = damaged_values([LEARNING]).map(lambda content: yaml.safe_dump(content, allow_unicode=True).encode())
    return damaged_text([yaml.safe_dump(LEARNING)]) | values


def _check_learning(content: bytes, folder: Path) -> None:
    (folder / "learn.yaml").write_bytes(content)
    settings = read_learning_file(folder / "learn.yaml").model_dump()
    settings["calculator"].pop("options")  # the calculator's own
    _check_finite(settings)


def _check_finite(value: Any) -> None:
    """All numbers of nested settings are finite."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            _check_finite(each)
    assert not isinstance(value, float) or math.isfinite(value), "a number that is none"


KINDS = (
    Kind(
        "training settings",
        "numbers finite; the same after writing and reading",
        20_000,
        _training_values,
        _check_training_values,
    ),
    Kind("training files", "numbers finite", 8_000, _training_texts, _check_training_text),
    Kind("learning files", "numbers finite", 5_000, _learning_texts, _check_learning),
)
