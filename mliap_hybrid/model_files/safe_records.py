"""The records of a model file, read so that no file can do harm: nothing is executed, and no size is believed.

Records are stored in the zip as they are, so that none is larger than its file. A compressed one could ask for any
amount of memory, and torch writes none.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from mliap_hybrid.errors import InputError

RECORDS = ("data/0", "data/1", "data.pkl")
"""Manifest, weights, and the few bytes of pickle that are never opened here."""

NATIVE = "data/2"
"""The native record, which a file may be without."""

MOST_ENTRIES = 64
"""Entries of a zip that are looked at; torch writes eight."""

LARGEST_MANIFEST = 1 << 26
"""Bytes."""

LARGEST_NUMBER = 1e20
"""In a manifest: products of some such numbers are finite."""

CHECKPOINT = b"mliap_hybrid checkpoint"
"""In the pickle of a checkpoint."""


class Records(NamedTuple):
    """What a model file holds, as it is."""

    manifest: bytes
    weights: bytes
    native: bytes = b""
    """Empty where there is none."""


def read_records(path: Path) -> Records:
    """The records of a model file.

    Raises
    ------
    InputError
        If the file cannot be read, is damaged, is no model file, or holds a compressed record.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _entries(archive, path)
            manifest, weights, pickled = (archive.read(entries[name]) for name in RECORDS)
            native = archive.read(entries[NATIVE]) if NATIVE in entries else b""
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"cannot read the model file {path}: {error.strerror or error}") from None
    except Exception as error:  # zipfile lets many kinds out of a damaged directory, and documents none
        raise InputError(
            f"{path} is damaged or is not a model file of mliap_hybrid ({in_brief(error)}); "
            "copy it again, or export it again with `mliap-hybrid export`"
        ) from None
    if CHECKPOINT in pickled:
        raise InputError(
            f"{path} is a checkpoint of a run, not a model file: give the run folder to `mliap-hybrid export`"
        )
    return Records(manifest, weights, native)


def has_native_record(path: Path) -> bool:
    """Whether a file is a zip with a native record; False where that cannot be told."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(entry.filename.endswith(f"/{NATIVE}") for entry in archive.infolist()[:MOST_ENTRIES])
    except Exception:  # as above
        return False


def is_checkpoint(path: Path) -> bool:
    """Whether the file is a checkpoint of a run, by its name for itself."""
    try:
        with zipfile.ZipFile(path) as archive:
            entry = next(entry for entry in archive.infolist() if entry.filename.endswith("/data.pkl"))
            with archive.open(entry) as record:
                return CHECKPOINT in record.read(LARGEST_MANIFEST)
    except Exception:  # as above; and no such record
        return False


def _entries(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """The records; each once, stored as it is, and smaller than the file."""
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist()[:MOST_ENTRIES]:
        name = entry.filename.split("/", 1)[-1]
        if name in entries and name in (*RECORDS, NATIVE):
            raise InputError(f"{path} is damaged: it holds the record {name} twice; export the model again")
        entries[name] = entry
    if not set(RECORDS) <= entries.keys():
        raise InputError(f"{path} is a zip, but not a model file of mliap_hybrid")
    for name in entries.keys() & {*RECORDS, NATIVE}:
        entry = entries[name]
        if (
            entry.compress_type != zipfile.ZIP_STORED
            or not entry.file_size == entry.compress_size < path.stat().st_size
        ):
            raise InputError(
                f"{path}: the record {name} is compressed or larger than the file, which no model file of "
                "mliap_hybrid has; export the model again"
            )
    return entries


def decode_manifest(record: bytes, source: str) -> dict[str, Any]:
    """The JSON of a manifest, with numbers up to `LARGEST_NUMBER` and its version as a number.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        if len(record) > LARGEST_MANIFEST:
            raise ValueError
        content = json.loads(record, parse_float=_number, parse_int=_whole_number, parse_constant=_refuse_constant)
        if not isinstance(content, dict) or type(content["schema_version"]) is not int:
            raise ValueError
    except (ValueError, KeyError, RecursionError):
        raise InputError(f"{source} is not a model file of mliap_hybrid: it has no manifest") from None
    return content


def _number(text: str) -> float:
    if not abs(number := float(text)) <= LARGEST_NUMBER:
        raise ValueError(text)
    return number


def _whole_number(text: str) -> int:
    if not abs(number := int(text)) <= LARGEST_NUMBER:
        raise ValueError(text)
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def in_brief(error: Exception) -> str:
    """First line of what a library says, without its last stop."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".")
