"""A whole model for the native kernels, which then need no Python in a step (native/potential_api.h)."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mliap_hybrid.errors import InputError
from mliap_hybrid.kernels.features_handle import FeaturesHandle
from mliap_hybrid.kernels.library import doubles, open_library
from mliap_hybrid.kernels.native_arrays import FeatureArrays, NetworkArrays
from mliap_hybrid.kernels.structs import PotentialSettings


@dataclass(frozen=True)
class PairConstants:
    """Constants of the terms of pairs, one for each pair of elements; None: the model has no such term."""

    repulsion: np.ndarray | None = None
    """(n_elements, n_elements, 3): k_e Z_i Z_j in eV Å, screening length and reach in Å."""
    screening: np.ndarray | Sequence[tuple[float, float]] = ()
    """(4, 2): amplitude and decay of each exponential of the screening."""
    charge_products: np.ndarray | None = None
    """(n_elements, n_elements): k_e q_i q_j of fixed smeared charges, eV Å."""
    smearing: float = 0.0
    """Å."""
    dispersion: np.ndarray | None = None
    """(n_elements, n_elements, 2): C6 in eV Å^6, C8 in eV Å^8."""
    damping: float = 0.0
    """1/Å."""
    switch_width: float = 0.0
    """Å."""


@dataclass(frozen=True)
class PotentialArrays:
    """A whole model as plain arrays."""

    features: FeatureArrays
    networks: Sequence[NetworkArrays]
    """Those of the energy, and behind them those of the charges."""
    n_energy_networks: int
    baseline: np.ndarray
    """(n_elements,), eV: energy of an atom without neighbours, beside what the networks say."""
    pairs: PairConstants


class NativePotential:
    """Networks and explicit terms as one handle of the library.

    Parameters
    ----------
    arrays : PotentialArrays
    total_charge : float, e
        Of the system, for networks that see it.

    Raises
    ------
    InputError
        If the library cannot set it up.
    """

    def __init__(self, arrays: PotentialArrays, total_charge: float = 0.0):
        networks = [network.at_total_charge(total_charge) for network in arrays.networks]
        self._features = FeaturesHandle(arrays.features, networks)  # must live as long as this one
        self.n_charge_networks = len(networks) - arrays.n_energy_networks
        library, pairs = open_library(), arrays.pairs
        settings = PotentialSettings(
            features=self._features.address,
            n_elements=len(arrays.baseline),
            n_energy_networks=arrays.n_energy_networks,
            cutoff=arrays.features.cutoff,
            baseline=doubles(arrays.baseline),
            repulsion=_optional(pairs.repulsion),
            screening=doubles(np.asarray(pairs.screening)),
            charge_products=_optional(pairs.charge_products),
            smearing=pairs.smearing,
            dispersion=_optional(pairs.dispersion),
            damping=pairs.damping,
            switch_width=pairs.switch_width,
        )
        self.handle: int = library.mliap_potential_create(ctypes.byref(settings))
        if not self.handle:
            raise InputError("the native kernels could not be set up for this model")
        weakref.finalize(self, library.mliap_potential_destroy, self.handle)

    @staticmethod
    def functions() -> dict[str, int]:
        """Addresses of the functions that C++ calls with the handle, by the end of their names."""
        library = open_library()
        names = {name: f"mliap_potential_{name}" for name in ("charges", "evaluate", "members")} | {
            "error": "mliap_kernels_error"
        }
        return {
            name: ctypes.cast(getattr(library, function), ctypes.c_void_p).value or 0
            for name, function in names.items()
        }


def _optional(array: np.ndarray | None) -> ctypes.Array | None:
    return None if array is None else doubles(array)
