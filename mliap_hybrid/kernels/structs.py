"""The structs of native/kernels_api.h and native/potential_api.h, field by field."""

from __future__ import annotations

import ctypes

_INT32 = ctypes.c_int32
_INTS = ctypes.POINTER(ctypes.c_int32)
_DOUBLES = ctypes.POINTER(ctypes.c_double)


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
        ("distance_map", _DOUBLES),
        ("distance_shift", _DOUBLES),
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
        ("distances", ctypes.c_void_p),
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
