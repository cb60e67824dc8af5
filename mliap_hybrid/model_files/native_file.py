"""A model file read as far as a run without torch needs it: its native record, and what the manifest says of the run.

Everything else is left to model_file.py, which judges manifest and weights: files without a native record, damaged
ones, and those of newer versions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mliap_hybrid.errors import InputError
from mliap_hybrid.model_files.native_record import NativeRecord, decode_native
from mliap_hybrid.model_files.safe_records import decode_manifest, has_native_record, read_records
from mliap_hybrid.model_files.schema import SCHEMA_VERSION, digest_of


@dataclass(frozen=True)
class NativeFile:
    """What a run without torch needs of a model file."""

    record: NativeRecord
    total_charge: float
    """Of the systems that may be run, e."""
    allow_small_box: bool
    """Whether periodic boxes narrower than the cutoff sphere may be run."""
    digest: str
    """Of the whole file."""


def read_native_file(path: Path) -> NativeFile | None:
    """Read a model file without torch.

    Parameters
    ----------
    path : Path

    Returns
    -------
    NativeFile or None
        None where the file has no native record of this version, or is one for `model_file.read_model` to judge.

    Raises
    ------
    InputError
        If the native record is damaged, or is that of another model than the manifest describes.
    """
    if not has_native_record(path):
        return None
    try:
        records = read_records(path)
        content = decode_manifest(records.manifest, str(path))
        digest = digest_of(content, records.weights, records.native)
    except (InputError, RecursionError):
        return None
    if content["schema_version"] > SCHEMA_VERSION or content.get("digest") != digest:
        return None
    record = decode_native(records.native, str(path))
    if record is None:
        return None
    _check_agreement(content, record, str(path))
    total_charge, allow_small_box = content.get("total_charge"), content.get("allow_small_box")
    if not isinstance(total_charge, int | float) or not isinstance(allow_small_box, bool):
        return None
    return NativeFile(record, float(total_charge), allow_small_box, digest)


def _check_agreement(content: dict[str, Any], record: NativeRecord, source: str) -> None:
    """Refuse a record of another model, as far as that can be seen."""
    description = content.get("description")
    features = description.get("features") if isinstance(description, dict) else None
    of_features = features if isinstance(features, dict) else {}
    recorded = record.potential.features
    facts = {
        "elements": (of_features.get("elements"), list(record.elements)),
        "cutoff": (of_features.get("cutoff"), recorded.cutoff),
        "precision": (content.get("dtype"), "float32" if recorded.single_precision else "float64"),
        "Coulomb engine": (content.get("coulomb_engine") if record.predicts_charges else "kspace", "kspace"),
    }
    for name, (in_manifest, in_record) in facts.items():
        if in_manifest != in_record:
            raise InputError(
                f"{source}: the native record is not that of the manifest (another {name}); export the model again"
            )
