"""The one file that carries a model: format, reading, refusal.

The file is a zip that `torch.load` opens (so LAMMPS built with ML-IAP and PYTHON does) and that is read here without
unpickling anything. It holds byte records, which torch's zip layout calls `data/0`, `data/1` and so on:

    data/0   manifest: JSON, see `Manifest`
    data/1   weights: the bytes of a safetensors file
    data/2   native record of a model that native code knows wholly: what runs start with (native_record.py)

and a few bytes of pickle that say: call `mliap_hybrid.lammps.unified.restore_unified` with the records. The third one
follows from the others; what is read here is manifest and weights.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Annotated, Any, Literal

import safetensors.torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model_files.description import build
from mliap_hybrid.model_files.model_description import ModelDescription
from mliap_hybrid.model_files.safe_records import Records, decode_manifest, read_records
from mliap_hybrid.model_files.safe_tensors import decode_tensors
from mliap_hybrid.model_files.schema import SCHEMA_VERSION, digest_of
from mliap_hybrid.version import __version__

UNITS = {"energy": "eV", "length": "Å", "charge": "e"}
"""Units of all numbers in a model file."""

Vector = tuple[float, float, float]


class Example(BaseModel):
    """A structure that the model knows, for checks."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    numbers: Annotated[list[Annotated[int, Field(ge=1, le=118)]], Field(min_length=1)]
    """Atomic numbers."""
    positions: list[Vector]
    """Å."""
    cell: tuple[Vector, Vector, Vector]
    """Lattice vectors as rows, Å."""
    periodic: tuple[bool, bool, bool]
    """Periodic directions."""

    @model_validator(mode="after")
    def _check_lengths(self) -> Example:
        if len(self.positions) != len(self.numbers):
            raise ValueError(f"expected {len(self.numbers)} positions, found {len(self.positions)}")
        return self


class Manifest(BaseModel):
    """Everything that a reader must know of a model, besides its weights."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    schema_version: Annotated[int, Field(ge=1)] = SCHEMA_VERSION
    """Version of this schema."""
    package_version: str = __version__
    """Version of mliap_hybrid that wrote the file."""
    units: dict[str, str] = UNITS
    """Units of all numbers in the file, which are always the same."""
    dtype: Literal["float64", "float32"] = "float64"
    """Precision of features and network in a run; positions, forces and sums are float64 at either."""
    terms: list[str]
    """Names of the terms whose sum is the energy."""
    description: ModelDescription
    """Which features, network and physics."""
    total_charge: float = 0.0
    """Total charge in e of the systems that may be run."""
    coulomb_engine: Literal["kspace", "exact"] = "kspace"
    """What solves for the long-range energy of predicted charges (lammps/coulomb_operators.py)."""
    allow_small_box: bool = False
    """Whether periodic boxes narrower than the cutoff sphere may be run."""
    example: Example | None = None
    """A structure to check the model with."""
    provenance: dict[str, Any] = {}
    """How the model was trained: settings, data, errors, versions."""
    digest: str = ""
    """SHA-256 of this manifest without the digest, followed by the other records."""

    @field_validator("units")
    @classmethod
    def _check_units(cls, units: dict[str, str]) -> dict[str, str]:
        if units != UNITS:
            raise ValueError(f"expected {UNITS}")
        return units

    @property
    def needs_kspace(self) -> bool:
        """Whether a run needs LAMMPS' `kspace_style`."""
        return self.coulomb_engine == "kspace" and self.description.source("charge") is not None


def encode_records(manifest: Manifest, tensors: dict[str, Tensor], native: bytes = b"") -> list[bytes]:
    """The records of a model file, the manifest's digest filled in.

    Parameters
    ----------
    manifest : Manifest
    tensors : dict of str to Tensor
        Weights and tables.
    native : bytes
        Native record, empty for none.

    Returns
    -------
    list of bytes
        Manifest and weights, and the native record if there is one.
    """
    weights = safetensors.torch.save({name: tensor.contiguous() for name, tensor in sorted(tensors.items())})
    content = json.loads(manifest.model_dump_json(exclude={"digest"}))
    with_digest = json.dumps(content | {"digest": digest_of(content, weights, native)}).encode()
    return [with_digest, weights, *([native] if native else [])]


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
    return parse_records(read_records(path), str(path))


def parse_records(records: Records, source: str) -> tuple[Manifest, dict[str, Tensor]]:
    """Check the records of a model file, and decode manifest and weights.

    Parameters
    ----------
    records : Records
    source : str
        Name of the file, for messages.

    Raises
    ------
    InputError
        If the records are not those of a model, were changed, or are newer than this package.
    """
    content = decode_manifest(records.manifest, source)
    version = content["schema_version"]
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{source} was written by mliap_hybrid {content.get('package_version')} (schema {version}); "
            f"this is {__version__} (schema {SCHEMA_VERSION}): install the newer package to read it"
        )
    try:
        parsed = Manifest.model_validate(content)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])[:200]
        raise InputError(f"{source}: the manifest is damaged at '{place}'; export the model again") from None
    except RecursionError:
        raise InputError(f"{source}: the manifest is nested too deeply; export the model again") from None
    if parsed.digest != digest_of(content, records.weights, records.native):
        raise InputError(
            f"{source}: manifest or weights were changed after the export (the SHA-256 digest differs); "
            "export the model again"
        )
    return parsed, decode_tensors(records.weights, source)


def restore_model(manifest: Manifest, tensors: dict[str, Tensor], source: str) -> HybridModel:
    """The model of a file, in float64.

    Parameters
    ----------
    manifest : Manifest
    tensors : dict of str to Tensor
    source : str
        Name of the file, for messages.

    Raises
    ------
    InputError
        If description and tensors do not fit together.
    """
    try:
        return build(manifest.description, tensors)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    except Exception as error:  # whatever a setting that passed all checks makes of the terms
        brief = (str(error).splitlines() or [""])[0][:200]
        raise InputError(
            f"{source}: no model can be made of its description and weights ({type(error).__name__}: {brief}); export "
            "the model again"
        ) from None


def is_model_file(path: Path) -> bool:
    """Whether a zip has a manifest, or is too damaged to tell."""
    try:
        with zipfile.ZipFile(path) as archive:
            entry = next((entry for entry in archive.infolist() if entry.filename.endswith("/data/0")), None)
            if entry is None:
                return False
            with archive.open(entry) as record:
                return record.read(1) == b"{"
    except Exception:  # a damaged directory or record: nothing that torch could open either
        return True
