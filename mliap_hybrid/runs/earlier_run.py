"""What a run folder holds of an earlier run: may it go on, and from where?"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from mliap_hybrid.config import TrainingFile, read_training_file, with_defaults_from
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import Checkpoint, read_checkpoint
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.quantities import QUANTITIES
from mliap_hybrid.structure import Batch

MAY_CHANGE = ("run", "device", "data.cache", "data.cache_workers")
"""Settings that a resumed run may have otherwise: the result does not depend on them, but for rounding on devices."""


def fingerprint(batches: Sequence[Batch]) -> str:
    """Hash of structures and labels, in order: equal if and only if a run may be continued with them."""
    digest = hashlib.sha256()
    for batch in batches:
        for tensor in (batch.numbers, batch.positions, batch.cells):
            digest.update(tensor.numpy().tobytes())
        for quantity in sorted(QUANTITIES.values(), key=lambda quantity: not quantity.is_sum_of_terms):
            label = batch.labels.get(quantity.name)
            missing = b"-" if quantity.is_sum_of_terms else b""  # as in runs that knew no others
            digest.update(missing if label is None else label.numpy().tobytes())
    return digest.hexdigest()


def as_before(settings: TrainingFile, folder: RunFolder) -> TrainingFile:
    """The settings of a run that goes on, with what it has chosen where the training file says nothing."""
    return with_defaults_from(settings, read_training_file(folder.config)) if folder.holds_run() else settings


def check_folder(settings: TrainingFile, folder: RunFolder, resume: bool, overwrite: bool) -> None:
    """Refuse to begin where an earlier run would be lost, or to go on with another one."""
    if resume and settings.gdml is not None:
        raise InputError("a training with gdml has no epochs to resume after: start it again, with --overwrite")
    if resume:
        _check_same_settings(settings, folder)
    elif not overwrite:
        folder.refuse_if_used()


def last_checkpoint(folder: RunFolder, data: str) -> Checkpoint | None:
    """The state to go on from; None where the run was stopped before its first epoch was finished."""
    path = folder.checkpoint("last")
    checkpoint = read_checkpoint(path) if path.exists() else None
    if checkpoint is not None and checkpoint.data != data:
        raise InputError(
            f"the data are not those that the run in {folder.path} was started with: restore the files, or start a "
            "new run"
        )
    return checkpoint


def _check_same_settings(settings: TrainingFile, folder: RunFolder) -> None:
    """Refuse to continue a run with other settings: the result would be neither."""
    if not folder.holds_run():
        raise InputError(f"there is no run to resume in {folder.path}: start it without --resume")
    before, now = _flat(read_training_file(folder.config)), _flat(settings)
    changed = [
        f"{name} was {before.get(name)!r} and is {now.get(name)!r}"
        for name in sorted(before.keys() | now.keys())
        if name not in MAY_CHANGE and before.get(name) != now.get(name)
    ]
    if changed:
        raise InputError(
            f"the run in {folder.path} was started with other settings ({'; '.join(changed)}): restore them, or "
            "start a new run with --run or --overwrite"
        )


def _flat(settings: TrainingFile) -> dict[str, Any]:
    """Dotted name of each setting -> its value."""
    flat: dict[str, Any] = {}

    def visit(prefix: str, content: dict[str, Any]) -> None:
        for name, value in content.items():
            if isinstance(value, dict):
                visit(f"{prefix}{name}.", value)
            else:
                flat[prefix + name] = value

    visit("", settings.model_dump(mode="json"))
    return flat
