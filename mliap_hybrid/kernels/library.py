"""The compiled kernels and their C interface (native/kernels_api.h), opened once for each process."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from mliap_hybrid.errors import InputError

LIBRARY = Path(__file__).parent / "native" / "mliap_hybrid_kernels.so"

KERNELS_VERSION = 6
"""Of the structs and functions below; compared with MLIAP_KERNELS_VERSION of the compiled library."""

_INT32 = ctypes.c_int32
_INTS = ctypes.POINTER(ctypes.c_int32)
_DOUBLES = ctypes.POINTER(ctypes.c_double)

UNSORTED, UNKNOWN_ELEMENT = 1, 2
"""What `mliap_sort_pairs` returns for pairs that are not sorted by centre, and for an element that is not known."""

BAD_DISTANCE = 4
"""Error code of a pair whose distance is zero or not a number."""


class FeatureSettings(ctypes.Structure):
    """`mliap_features_settings`: what the features are."""

    _fields_ = (
        ("single_precision", _INT32),
        ("moments", _INT32),
        ("by_element", _INT32),
        ("n_elements", _INT32),
        ("n_orders", _INT32),
        ("orders", _INTS),
        ("n_probes", _INT32),
        ("cutoff", ctypes.c_double),
        ("n_intervals", _INT32),
        ("table", _DOUBLES),
        ("own", _DOUBLES),
        ("n_products", _INT32),
        ("products", _INTS),
        ("product_scales", _DOUBLES),
        ("n_couplings", _INT32),
        ("coupling_orders", _INTS),
        ("coupling_terms", _INTS),
        ("term_components", _INTS),
        ("term_values", _DOUBLES),
        ("n_triples", _INT32),
        ("triples", _INTS),
        ("triple_scales", _DOUBLES),
    )


class NetworkSettings(ctypes.Structure):
    """`mliap_network_settings`: weights of the network."""

    _fields_ = (
        ("body_order", _INT32),
        ("n_channels", _INT32),
        ("mixing", _DOUBLES),
        ("own", _DOUBLES),
        ("n_layers", _INT32),
        ("sizes", _INTS),
        ("weights", _DOUBLES),
        ("biases", _DOUBLES),
        ("shift", _DOUBLES),
        ("linear", _DOUBLES),
        ("offset", _DOUBLES),
    )


class TrainedNetwork(ctypes.Structure):
    """`mliap_network`: a network whose weights change from call to call, and atoms that it is asked about."""

    _fields_ = (
        ("single_precision", _INT32),
        ("n_layers", _INT32),
        ("sizes", _INTS),
        ("weights", ctypes.POINTER(ctypes.c_void_p)),
        ("biases", ctypes.POINTER(ctypes.c_void_p)),
        ("n_elements", _INT32),
        ("linear", ctypes.c_void_p),
        ("offset", ctypes.c_void_p),
        ("n_atoms", ctypes.c_int64),
        ("features", ctypes.c_void_p),
        ("rows", ctypes.c_void_p),
    )


class TrainedContraction(ctypes.Structure):
    """`mliap_contraction`: a contraction whose weights change from call to call, and atoms that it is asked about."""

    _fields_ = (
        ("single_precision", _INT32),
        ("body_order", _INT32),
        ("n_channels", _INT32),
        ("n_inputs", _INT32),
        ("n_elements", _INT32),
        ("weights", ctypes.c_void_p),
        ("own", ctypes.c_void_p),
        ("n_atoms", ctypes.c_int64),
        ("moments", ctypes.c_void_p),
        ("rows", ctypes.c_void_p),
    )


class FramePairs(ctypes.Structure):
    """`mliap_pairs`: pairs of frames laid end to end."""

    _fields_ = (
        ("n_atoms", ctypes.c_int64),
        ("n_pairs", ctypes.c_int64),
        ("n_frames", ctypes.c_int64),
        ("pair_i", ctypes.c_void_p),
        ("pair_j", ctypes.c_void_p),
        ("frame_of_atom", ctypes.c_void_p),
        ("vectors", ctypes.c_void_p),
    )


class PairList(ctypes.Structure):
    """`mliap_environments`: centres and their neighbours."""

    _fields_ = (
        ("n_centres", ctypes.c_int64),
        ("offsets", ctypes.c_void_p),
        ("vectors", ctypes.c_void_p),
        ("centre_rows", ctypes.c_void_p),
        ("neighbour_rows", ctypes.c_void_p),
    )


class PotentialSettings(ctypes.Structure):
    """`mliap_potential_settings`: networks on features, and terms of pairs."""

    _fields_ = (
        ("features", ctypes.c_void_p),
        ("n_elements", _INT32),
        ("n_energy_networks", _INT32),
        ("cutoff", ctypes.c_double),
        ("baseline", _DOUBLES),
        ("repulsion", _DOUBLES),
        ("screening", _DOUBLES),
        ("charge_products", _DOUBLES),
        ("smearing", ctypes.c_double),
        ("dispersion", _DOUBLES),
        ("damping", ctypes.c_double),
        ("switch_width", ctypes.c_double),
    )


class LocalAtoms(ctypes.Structure):
    """`mliap_local_atoms`: what LAMMPS holds of a rank."""

    _fields_ = (
        ("n_atoms", ctypes.c_int64),
        ("n_centres", ctypes.c_int64),
        ("centres", ctypes.c_void_p),
        ("n_neighbours", ctypes.c_void_p),
        ("neighbours", ctypes.c_void_p),
        ("neighbour_mask", _INT32),
        ("types", ctypes.c_void_p),
        ("element_of_type", ctypes.c_void_p),
        ("positions", ctypes.c_void_p),
    )


class Sums(ctypes.Structure):
    """`mliap_sums`: energies, forces and virials that are added to."""

    _fields_ = (
        ("unit", ctypes.c_double),
        ("energy", ctypes.c_double),
        ("energies", ctypes.c_void_p),
        ("forces", ctypes.c_void_p),
        ("virial", ctypes.c_void_p),
        ("virials", ctypes.c_void_p),
        ("centroid_virials", ctypes.c_void_p),
    )


STRUCTS = (
    FeatureSettings,
    NetworkSettings,
    PairList,
    TrainedNetwork,
    TrainedContraction,
    FramePairs,
    PotentialSettings,
    LocalAtoms,
    Sums,
)
"""In the order of kernels_api.h and then of potential_api.h."""


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
