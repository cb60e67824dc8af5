"""A model from whatever a verb is given: a run folder or an exported file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mliap_hybrid.config import LabelKeys, LabelUnits, read_training_file
from mliap_hybrid.data.labels import Frame, has_entry
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import load_model
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.lammps.exporter import load_exported
from mliap_hybrid.models.hybrid import HybridModel


def load_any_model(path: Path, which: str = "best") -> HybridModel:
    """The model of a run folder or of an exported file, in float64.

    Raises
    ------
    InputError
        If `path` is neither.
    """
    if which not in ("best", "last"):
        raise InputError(f"unknown checkpoint '{which}': expected best or last")
    if path.is_dir():
        return load_model(path, which)
    if not path.exists():
        raise InputError(f"{path} does not exist: expected a run folder or an exported model file")
    return load_exported(path)[0]


def label_settings(path: Path) -> tuple[LabelKeys, LabelUnits]:
    """Names and units of the labels that a run was trained with; for an exported file the usual ones."""
    if not path.is_dir():
        return LabelKeys(), LabelUnits()
    data = read_training_file(RunFolder(path).config).data
    return data.keys, data.units


def total_charge_of(path: Path) -> float:
    """Total charge in e of frames that say nothing of it: that of an exported file, zero for a run."""
    return 0.0 if path.is_dir() else load_exported(path)[1].total_charge


def without_missing(keys: LabelKeys, frames: Sequence[Frame], is_charged: bool) -> LabelKeys:
    """The names without those of charges and what they do, where a frame lacks them or the model has no charges.

    A run may have been trained with them, and its model be compared with data that have energies and forces alone.
    """
    missing: dict[str, None] = {}
    for label in ("charges", "dipole", "born_charges"):
        key = getattr(keys, label)
        if key is not None and not (is_charged and all(has_entry(frame, key) for frame in frames)):
            missing[label] = None
    return keys.model_copy(update=missing)
