"""The one file that carries a model: format, reading, refusal.

The file is a zip that `torch.load` opens (so LAMMPS built with ML-IAP and PYTHON does) and that is read here without
unpickling anything. It holds two byte records, which torch's zip layout calls `data/0` and `data/1`:

    data/0   manifest: JSON, see `Manifest`
    data/1   weights: the bytes of a safetensors file

and a few bytes of pickle that say: call `mliap_hybrid.lammps.unified.restore_unified` with the two records.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.models.description import ModelDescription
from mliap_hybrid.version import __version__

SCHEMA_VERSION = 5
"""Version of the manifest that this package writes; files of a newer one are refused."""


class Example(BaseModel):
    """A structure that the model knows, for checks."""

    model_config = ConfigDict(extra="forbid")

    numbers: list[int]
    """Atomic numbers."""
    positions: list[list[float]]
    """Å."""
    cell: list[list[float]]
    """Lattice vectors as rows, Å."""
    periodic: list[bool]
    """Periodic directions."""


class Manifest(BaseModel):
    """Everything that a reader must know of a model, besides its weights."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    schema_version: int = SCHEMA_VERSION
    """Version of this schema."""
    package_version: str = __version__
    """Version of mliap_hybrid that wrote the file."""
    units: dict[str, str] = {"energy": "eV", "length": "Å", "charge": "e"}
    """Units of all numbers in the file."""
    dtype: Literal["float64", "float32"] = "float64"
    """Precision of features and network in a run; positions, forces and sums are float64 at either."""
    terms: list[str]
    """Names of the terms whose sum is the energy."""
    description: ModelDescription
    """Which features, network and physics."""
    total_charge: float = 0.0
    """Total charge in e of the systems that may be run."""
    coulomb_engine: Literal["kspace", "exact"] = "kspace"
    """What solves for the long-range energy of predicted charges (lammps/coulomb_engines.py)."""
    allow_small_box: bool = False
    """Whether periodic boxes narrower than the cutoff sphere may be run."""
    example: Example | None = None
    """A structure to check the model with."""
    provenance: dict[str, Any] = {}
    """How the model was trained: settings, data, errors, versions."""
    digest: str = ""
    """SHA-256 of this manifest without the digest, followed by the weights."""


def encode_records(manifest: Manifest, tensors: dict[str, Tensor]) -> tuple[bytes, bytes]:
    """The two records of a model file, the manifest's digest filled in.

    Parameters
    ----------
    manifest : Manifest
    tensors : dict of str to Tensor
        Weights and tables.

    Returns
    -------
    manifest, weights : bytes
    """
    weights = safetensors.torch.save({name: tensor.contiguous() for name, tensor in sorted(tensors.items())})
    content = json.loads(manifest.model_dump_json(exclude={"digest"}))
    return json.dumps(content | {"digest": _digest(content, weights)}).encode(), weights


def read_model(path: Path) -> tuple[Manifest, dict[str, Tensor]]:
    """Read a model file without unpickling.

    Returns
    -------
    manifest : Manifest
    tensors : dict of str to Tensor

    Raises
    ------
    InputError
        If the file is missing, is not a model file, is damaged, or was written by a newer version.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.split("/", 1)[-1]: name for name in archive.namelist()}
            if not {"data/0", "data/1", "data.pkl"} <= names.keys():
                raise InputError(f"{path} is a zip, but not a model file of mliap_hybrid")
            manifest, weights = archive.read(names["data/0"]), archive.read(names["data/1"])
    except OSError as error:
        raise InputError(f"cannot read the model file {path}: {error.strerror or error}") from None
    except zipfile.BadZipFile as error:
        raise InputError(
            f"{path} is damaged or is not a model file of mliap_hybrid ({str(error).rstrip('.')}); "
            "copy it again, or export it again with `mliap-hybrid export`"
        ) from None
    return parse_records(manifest, weights, str(path))


def parse_records(manifest: bytes, weights: bytes, source: str) -> tuple[Manifest, dict[str, Tensor]]:
    """Check and decode the two records of a model file.

    Parameters
    ----------
    manifest, weights : bytes
    source : str
        Name of the file, for messages.

    Raises
    ------
    InputError
        If the records are not those of a model, were changed, or are newer than this package.
    """
    try:
        content = json.loads(manifest)
        version = int(content["schema_version"])
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{source} is not a model file of mliap_hybrid: it has no manifest") from None
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{source} was written by mliap_hybrid {content.get('package_version')} (schema {version}); "
            f"this is {__version__} (schema {SCHEMA_VERSION}): install the newer package to read it"
        )
    try:
        parsed = Manifest.model_validate(content)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise InputError(f"{source}: the manifest is damaged at '{place}'; export the model again") from None
    if parsed.digest != _digest(content, weights):
        raise InputError(
            f"{source}: manifest or weights were changed after the export (the SHA-256 digest differs); "
            "export the model again"
        )
    return parsed, safetensors.torch.load(weights)


def is_model_file(path: Path) -> bool:
    """Whether the file is a whole zip with the records of a model file."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = next((name for name in archive.namelist() if name.endswith("/data/0")), None)
            return manifest is not None and b'"schema_version"' in archive.read(manifest)
    except (OSError, zipfile.BadZipFile):
        return False


def _digest(content: dict[str, Any], weights: bytes) -> str:
    """SHA-256 of the manifest's content, however it is spaced, and of the weights."""
    content = {key: value for key, value in content.items() if key != "digest"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(canonical + weights).hexdigest()
