"""That new labels fit the first ones, and that a loop goes on with the settings that it began with."""

from __future__ import annotations

from typing import Any

import yaml

from mliap_hybrid.config import TrainingFile
from mliap_hybrid.errors import InputError
from mliap_hybrid.labelling.single_point import KEPT
from mliap_hybrid.learning.settings import CalculatorSettings, LearningFile
from mliap_hybrid.whole_file import whole_file

MAY_CHANGE = ("n_rounds", "folder", "calculator.jobs", "runs.ranks")
"""Settings that a loop may go on with otherwise."""

OF_CALCULATORS = {"energy": "energy", "forces": "forces", "stress": "stress"}
"""Label -> its name in new frames, where it is always asked for; further ones bear the names of ASE."""


def check_labels(training: TrainingFile, calculator: CalculatorSettings) -> None:
    """Refuse names and units that new labels do not have: theirs are ASE's.

    Parameters
    ----------
    training : TrainingFile
    calculator : CalculatorSettings

    Raises
    ------
    InputError
    """
    keys, units = training.data.keys.model_dump(), training.data.units
    given = OF_CALCULATORS | {label: label for label in calculator.labels}
    for label, key in keys.items():
        if key is None or key == given.get(label) or (label in ("total_charge", "config_type") and key in KEPT):
            continue
        raise InputError(
            f"data.keys.{label} of the training file is {key}, which new structures do not have: theirs are "
            f"{', '.join(given)}, and what is named under calculator.labels"
        )
    said = {"energy": units.energy, "length": units.length, "stress": units.stress}
    for name, unit in said.items():
        if unit not in (None, {"energy": "eV", "length": "Å", "stress": "eV/Å^3"}[name]):
            raise InputError(
                f"data.units.{name} of the training file is {unit}, but new labels are in eV and Å: convert the first "
                "frames"
            )


def keep_settings(settings: LearningFile, training: TrainingFile) -> None:
    """Write the settings into the folder, or compare them with those that its rounds were made with.

    Parameters
    ----------
    settings : LearningFile
    training : TrainingFile
        Of the same loop.

    Raises
    ------
    InputError
        If the folder has rounds of other settings.
    """
    content = {
        "learning": settings.model_dump(mode="json"),
        "training": training.model_dump(mode="json", exclude_unset=True),
    }
    file = settings.folder / "settings.yaml"
    if file.exists():
        before, now = _flat(yaml.safe_load(file.read_text())), _flat(content)
        changed = [name for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name)]
        changed = [name for name in changed if name.removeprefix("learning.") not in MAY_CHANGE]
        if changed:
            name = changed[0]
            raise InputError(
                f"the rounds in {settings.folder} were made with other settings ({name} was {before.get(name)!r} and "
                f"is {now.get(name)!r}): restore them, or name another folder"
            )
    settings.folder.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as stream:
        stream.write(yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode())


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted name -> value."""
    flat: dict[str, Any] = {}
    for name, value in content.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
