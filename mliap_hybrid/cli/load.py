"""A model from whatever a verb is given: a run folder or an exported file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from mliap_hybrid.config import LabelKeys, LabelUnits, read_training_file
from mliap_hybrid.data.frames import Frame, has_entry, lookup
from mliap_hybrid.data.missing_labels import frames_with_labels
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import load_model
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.lammps.exporter import load_exported
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.quantities import OF_INTERACTIONS, quantity_of_key
from mliap_hybrid.sgdml.known_molecules import imported_model

NO_LABEL = "interaction energy"
"""Name that no label of a run has: where the energies that it names are total ones."""


def load_any_model(path: Path, which: str = "best") -> HybridModel:
    """The model of a run folder, of an exported file, or of a file of the sgdml package (.npz), in float64.

    Raises
    ------
    InputError
        If `path` is neither.
    """
    if which not in ("best", "last"):
        raise InputError(f"unknown checkpoint '{which}': expected best or last")
    if path.is_dir():
        return load_model(path, which)
    if path.suffix == ".npz":
        return imported_model(path)
    if not path.exists():
        raise InputError(f"{path} does not exist: expected a run folder or an exported model file")
    return load_exported(path)[0]


def label_settings(path: Path) -> tuple[LabelKeys, LabelUnits]:
    """Names and units of the labels that a run was trained with; for an exported file the usual ones."""
    if not path.is_dir():
        return LabelKeys(), LabelUnits()
    data = read_training_file(RunFolder(path).config).data
    return data.keys, data.units


def with_given_units(units: LabelUnits, given: Mapping[str, str]) -> LabelUnits:
    """The units with some replaced by options of the command line.

    Parameters
    ----------
    units : LabelUnits
        Of the run.
    given : mapping of str to str
        Field of `LabelUnits` -> what the user says.

    Raises
    ------
    InputError
        If there is no such unit.
    """
    try:
        return LabelUnits(**{**units.model_dump(), **given})
    except ValidationError as error:
        raise InputError(f"units of the data: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None


def total_charge_of(path: Path) -> float:
    """Total charge in e of frames that say nothing of it: that of an exported file, zero for a run."""
    return 0.0 if path.is_dir() or path.suffix == ".npz" else load_exported(path)[1].total_charge


def comparable_labels(
    keys: LabelKeys, given: Mapping[str, str], frames: Sequence[Frame], parameters: Collection[str]
) -> LabelKeys:
    """Names of the labels that frames can be compared with: some of them have it, and the model predicts it.

    A run may have been trained with forces and charges, and its model be compared with data that have energies alone.

    Parameters
    ----------
    keys : LabelKeys
        Of the run.
    given : mapping of str to str
        Label -> name that the user gives; some frame must have it.
    frames : sequence of Frame
        Not empty.
    parameters : collection of str
        Those of the model.

    Raises
    ------
    InputError
        If no frame has a label whose name was given, or none has any label; if a field is named that acts on nothing.
    """
    quantities = quantity_of_key()
    given_forms = {key for label in given if label in quantities for key in quantities[label].keys}
    # Of several forms of a label the one that is given counts.
    keys = keys.model_copy(update=dict.fromkeys(given_forms) | dict(given))
    if keys.electric_field is not None and "charge" not in parameters:
        raise InputError(f"the model has no charges that the field '{keys.electric_field}' would act on: leave it out")
    found = {
        label
        for label, has in frames_with_labels(frames, keys).items()
        if any(has) and quantities[label].follows in (None, *parameters)
    }
    for label in (label for label in given if label in quantities and label not in found):
        lookup(frames[0], given[label], f"--{label.replace('_', '-')}-key")
    if not found:
        lookup(frames[0], keys.energy, "data.keys.energy of the run")
        raise InputError(f"{frames[0].source}: no label to compare with; '{keys.energy}' is NaN")
    return keys.model_copy(update={label: None for label in quantities if label not in found and label != "energy"})


def interaction_labels(
    keys: LabelKeys, given: Mapping[str, str], frames: Sequence[Frame], model: HybridModel
) -> LabelKeys:
    """Names of the labels of interactions, and of no others; frames need not have them.

    Parameters
    ----------
    keys : LabelKeys
        Of the run.
    given : mapping of str to str
        Label -> name that the user gives; some frame must have it.
    frames : sequence of Frame
        Not empty.
    model : HybridModel
        Where it has element energies, the energy labels of its run are not those of interactions.

    Raises
    ------
    InputError
        If no frame has a label whose name was given.
    """
    for label, key in given.items():
        if not any(has_entry(frame, key) for frame in frames):
            lookup(frames[0], key, f"--{label.replace('_', '-')}-key")
    others = {label: None for label in quantity_of_key() if label not in OF_INTERACTIONS}
    total = {"energy": NO_LABEL} if any(model.table("baseline").values()) else {}
    return keys.model_copy(update={**others, **total, **given})
