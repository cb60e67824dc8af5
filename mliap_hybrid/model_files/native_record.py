"""The native record of a model file: what the native kernels and a run need of a model, so that no torch is needed.

It is a third byte record, beside manifest and weights, and follows from them: arrays by name, as safetensors lays them
out. Numbers are float64, indices and flags int32. Whoever changes what a number means raises RECORD_VERSION; a record
of another version, or of other kernels, is passed over, and the model is then made of its description and weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from mliap_hybrid.errors import InputError
from mliap_hybrid.kernels.library import KERNELS_VERSION
from mliap_hybrid.kernels.potential import PotentialArrays
from mliap_hybrid.model_files.array_reader import ArrayReader
from mliap_hybrid.model_files.recorded_potential import arrays_of_potential, read_potential
from mliap_hybrid.model_files.safe_records import in_brief

RECORD_VERSION = 1
"""Of the names and meanings of the arrays."""

VERSIONS = (RECORD_VERSION, KERNELS_VERSION)

LARGEST_PARAMETERS = 2**31 - 2


@dataclass(frozen=True)
class FixedChargeConstants:
    """Charges that the elements have."""

    values: NDArray[np.float64]
    """(n_elements,), e."""


@dataclass(frozen=True)
class PredictedChargeConstants:
    """Charges that follow the atoms: a start for each element, and a bounded change (model/neutrality.py)."""

    starting: NDArray[np.float64]
    """(n_elements,), e."""
    typical: NDArray[np.float64]
    """(n_elements,), e: mean in the training frames."""
    smearing: float
    """Å."""
    largest_change: float
    """e; infinity for no bound."""
    increments: bool
    """Whether neighbours give each other charge; else one number shifts all to the total charge."""


@dataclass(frozen=True)
class NativeRecord:
    """A model that native code knows wholly."""

    elements: Sequence[str]
    """Symbols, in the order of all arrays."""
    potential: PotentialArrays
    charges: FixedChargeConstants | PredictedChargeConstants | None
    """None for a model without charges."""
    centroid_stress: bool
    """Whether the force of each pair is the derivative of its centre's energy alone."""
    n_features: int
    n_parameters: int
    """Of the networks and explicit terms; LAMMPS asks for these two."""
    outside_distance: float | None = None
    """Distance to the training set from which on an atom is outside; None where the first network knows none."""
    neighbour_share: float = 0.0
    """What a close neighbour's distance counts."""

    @property
    def predicts_charges(self) -> bool:
        """Whether charges follow the atoms."""
        return isinstance(self.charges, PredictedChargeConstants)

    @property
    def sees_total_charge(self) -> bool:
        """Whether the total charge is an input of the networks."""
        return any(network.by_charge is not None for network in self.potential.networks)


def encode_native(record: NativeRecord) -> bytes:
    """The bytes of a record."""
    arrays = {
        "versions": np.array(VERSIONS, dtype=np.int32),
        "elements": np.frombuffer(" ".join(record.elements).encode("ascii"), dtype=np.uint8),
        "centroid_stress": np.int32(record.centroid_stress),
        "n_features": np.int32(record.n_features),
        "n_parameters": np.int32(record.n_parameters),
        "outside_distance": np.float64(record.outside_distance or 0.0),
        "neighbour_share": np.float64(record.neighbour_share),
        **arrays_of_potential(record.potential),
        **{f"charges.{name}": value for name, value in _arrays_of_charges(record.charges).items()},
    }
    return safetensors.numpy.save({name: np.array(array, order="C") for name, array in sorted(arrays.items())})


def _arrays_of_charges(charges: FixedChargeConstants | PredictedChargeConstants | None) -> dict[str, Any]:
    if charges is None:
        return {}
    if isinstance(charges, FixedChargeConstants):
        return {"values": charges.values}
    return {
        "starting": charges.starting,
        "typical": charges.typical,
        "smearing": np.float64(charges.smearing),
        "largest_change": np.float64(0.0 if math.isinf(charges.largest_change) else charges.largest_change),
        "increments": np.int32(charges.increments),
    }


def decode_native(content: bytes, source: str) -> NativeRecord | None:
    """A record from its bytes; None if it is of another version.

    Parameters
    ----------
    content : bytes
    source : str
        Name of the file, for messages.

    Raises
    ------
    InputError
        If an array is missing, too many, of another type or shape, or has numbers that the kernels must not see.
    """
    try:
        arrays = safetensors.numpy.load(content)
    except Exception as error:  # the library has one kind for the header, and Python's own for the rest
        raise InputError(
            f"{source}: the native record is damaged ({in_brief(error)}); export the model again"
        ) from None
    reader = ArrayReader(arrays, source)
    if tuple(reader.indices("versions", len(VERSIONS)).tolist()) != VERSIONS:
        return None
    elements = reader.text("elements").split()
    reader.require(0 < len(elements) == len(set(elements)), "elements", "different symbols")
    potential = read_potential(reader, len(elements))
    record = NativeRecord(
        elements=elements,
        potential=potential,
        charges=_read_charges(reader.part("charges"), len(elements)) if reader.has("charges") else None,
        centroid_stress=reader.flag("centroid_stress"),
        n_features=reader.whole("n_features", 1),
        n_parameters=reader.whole("n_parameters", 1, LARGEST_PARAMETERS),
        outside_distance=reader.number("outside_distance") or None,
        neighbour_share=reader.number("neighbour_share"),
    )
    reader.end()
    _check_charges_and_networks(record, reader)
    return record


def _read_charges(reader: ArrayReader, n_elements: int) -> FixedChargeConstants | PredictedChargeConstants:
    if reader.has("values"):
        return FixedChargeConstants(reader.floats("values", n_elements))
    largest_change = reader.number("largest_change")  # 0: no bound
    reader.require(largest_change >= 0.0, "largest_change", "a number from 0")
    return PredictedChargeConstants(
        starting=reader.floats("starting", n_elements),
        typical=reader.floats("typical", n_elements),
        smearing=reader.number("smearing", above=0.0),
        largest_change=largest_change or math.inf,
        increments=reader.flag("increments"),
    )


def _check_charges_and_networks(record: NativeRecord, reader: ArrayReader) -> None:
    """Networks of charges are there where charges are predicted, and products of charges where they are fixed."""
    potential = record.potential
    n_of_charges = len(potential.networks) - potential.n_energy_networks
    predicts = isinstance(record.charges, PredictedChargeConstants)
    reader.require((n_of_charges > 0) == predicts, "n_energy_networks", "networks that fit the charges")
    fixed = isinstance(record.charges, FixedChargeConstants)
    reader.require((potential.pairs.charge_products is not None) == fixed, "charges", "those of the pairs")
    knows_distance = potential.networks[0].distance is not None
    is_known = (record.outside_distance or 0.0) > 0.0 and record.neighbour_share >= 0.0
    reader.require(
        is_known if knows_distance else record.outside_distance is None, "outside_distance", "one where there is a map"
    )
