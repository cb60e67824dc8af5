"""A model from whatever a verb is given: a run folder or an exported file."""

from __future__ import annotations

from pathlib import Path

from mliap_hybrid.config import LabelKeys, LabelUnits, read_training_file
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
    """Names and units of the labels that a run was trained with; for an exported file the usual ones.

    Reference charges are left out: nothing is compared with them.
    """
    if not path.is_dir():
        return LabelKeys(), LabelUnits()
    data = read_training_file(RunFolder(path).config).data
    return data.keys.model_copy(update={"charges": None}), data.units
