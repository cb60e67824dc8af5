"""The compiled kernels and their C interface (native/kernels_api.h), opened once for each process."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from mliap_hybrid.errors import InputError
from mliap_hybrid.kernels.structs import (
    STRUCTS,
    FeatureSettings,
    FramePairs,
    LocalAtoms,
    NetworkSettings,
    PairList,
    PotentialSettings,
    Sums,
    TrainedContraction,
    TrainedNetwork,
)

LIBRARY = Path(__file__).parent / "native" / "mliap_hybrid_kernels.so"

KERNELS_VERSION = 7
"""Of the structs and functions below; compared with MLIAP_KERNELS_VERSION of the compiled library."""

_INT32 = ctypes.c_int32

UNSORTED, UNKNOWN_ELEMENT = 1, 2
"""What `mliap_sort_pairs` returns for pairs that are not sorted by centre, and for an element that is not known."""

BAD_DISTANCE = 4
"""Error code of a pair whose distance is zero or not a number."""


def ints(values: Sequence[int] | Sequence[Sequence[int]] | np.ndarray) -> ctypes.Array:
    """A C array of int32."""
    flat = np.asarray(values, dtype=np.int32).ravel()
    return (ctypes.c_int32 * max(1, flat.size)).from_buffer_copy(flat.tobytes() or bytes(4))


def doubles(values: Sequence[float] | np.ndarray) -> ctypes.Array:
    """A C array of double."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    return (ctypes.c_double * max(1, flat.size)).from_buffer_copy(flat.tobytes() or bytes(8))


@cache
def open_library() -> ctypes.CDLL:
    """The library, with the types of its functions declared.

    Raises
    ------
    InputError
        If it was not compiled, cannot be loaded, or was compiled from another version of the package.
    """
    if not LIBRARY.exists():
        raise InputError(
            f"the native kernels were not compiled: {LIBRARY} is missing; reinstall the package with a C++ compiler "
            "at hand (pip install .)"
        )
    try:
        library = ctypes.CDLL(str(LIBRARY))
    except OSError as error:
        raise InputError(f"the native kernels cannot be loaded: {error}") from error
    _check_version(library)
    pointer, pairs, threads = ctypes.c_void_p, ctypes.POINTER(PairList), _INT32
    network = [ctypes.c_char_p, ctypes.POINTER(TrainedNetwork), threads]
    contraction = [ctypes.c_char_p, ctypes.POINTER(TrainedContraction), threads]
    signatures: dict[str, tuple[object, list[object]]] = {
        "mliap_kernels_instruction_set": (ctypes.c_char_p, [_INT32]),
        "mliap_kernels_error": (ctypes.c_char_p, [ctypes.c_int]),
        "mliap_kernels_fma_rounds": (ctypes.c_int64, [ctypes.c_char_p, _INT32, ctypes.c_int64]),
        "mliap_features_create": (
            pointer,
            [ctypes.POINTER(FeatureSettings), ctypes.POINTER(NetworkSettings), _INT32, ctypes.c_char_p],
        ),
        "mliap_features_destroy": (None, [pointer]),
        "mliap_features_size": (_INT32, [pointer]),
        "mliap_features_moments": (_INT32, [pointer]),
        "mliap_features_forward": (ctypes.c_int, [pointer, pairs, threads, pointer, pointer]),
        "mliap_features_vjp": (ctypes.c_int, [pointer, pairs, threads, pointer, pointer, pointer]),
        "mliap_features_jvp": (ctypes.c_int, [pointer, pairs, threads, pointer, pointer]),
        "mliap_features_hvp": (ctypes.c_int, [pointer, pairs, threads, pointer, pointer, pointer]),
        "mliap_sort_pairs": (
            ctypes.c_int,
            [ctypes.c_int64, ctypes.c_int64, *[pointer] * 4, ctypes.c_int64, *[pointer] * 3],
        ),
        "mliap_features_each_energy": (ctypes.c_int, [pointer, pairs, threads, pointer, pointer]),
        "mliap_features_mean_energy": (ctypes.c_int, [pointer, pairs, threads, pointer, pointer]),
        "mliap_pair_sums": (None, [_INT32, ctypes.POINTER(FramePairs), pointer, pointer, pointer]),
        "mliap_pair_sums_back": (None, [_INT32, ctypes.POINTER(FramePairs), pointer, pointer, pointer]),
        "mliap_network_slopes": (ctypes.c_int, [*network, pointer, pointer, pointer]),
        "mliap_network_gradient": (ctypes.c_int, [*network, *[pointer] * 5]),
        "mliap_potential_create": (pointer, [ctypes.POINTER(PotentialSettings)]),
        "mliap_potential_destroy": (None, [pointer]),
        "mliap_potential_charges": (ctypes.c_int, [pointer, ctypes.POINTER(LocalAtoms), threads, pointer]),
        "mliap_potential_evaluate": (
            ctypes.c_int,
            [pointer, ctypes.POINTER(LocalAtoms), threads, pointer, ctypes.POINTER(Sums)],
        ),
        "mliap_potential_members": (ctypes.c_int, [pointer, ctypes.POINTER(LocalAtoms), threads, pointer]),
        "mliap_contract_values": (ctypes.c_int, [*contraction, pointer]),
        "mliap_contract_values_back": (ctypes.c_int, [*contraction, pointer, pointer]),
        "mliap_contract_slopes": (ctypes.c_int, [*contraction, pointer, pointer]),
        "mliap_contract_slopes_back": (ctypes.c_int, [*contraction, *[pointer] * 4]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def check_error(error: int) -> None:
    """Tell what stopped a function of the library.

    Raises
    ------
    InputError
        If something did.
    """
    if error:
        raise InputError(f"the native kernels stopped: {open_library().mliap_kernels_error(error).decode()}")


def _check_version(library: ctypes.CDLL) -> None:
    """Refuse a library with other structs, which would read and write the wrong memory."""
    try:
        version, size_of = library.mliap_kernels_version, library.mliap_kernels_struct_size
    except AttributeError:  # older than the check
        found: tuple[int, ...] = ()
    else:
        version.restype, version.argtypes = _INT32, []
        size_of.restype, size_of.argtypes = _INT32, [_INT32]
        found = (version(), *map(size_of, range(len(STRUCTS))))
    expected = (KERNELS_VERSION, *map(ctypes.sizeof, STRUCTS))
    if found != expected:
        raise InputError(
            f"the native kernels in {LIBRARY} belong to another version of mliap_hybrid (version and sizes of structs "
            f"are {found}, expected {expected}): reinstall mliap_hybrid to compile them again (pip install .)"
        )


@cache
def instruction_sets() -> tuple[str, ...]:
    """Instruction sets that this processor has and the library was compiled for, the best one first."""
    names: list[str] = []
    while name := open_library().mliap_kernels_instruction_set(len(names)).decode():
        names.append(name)
    return tuple(names)
