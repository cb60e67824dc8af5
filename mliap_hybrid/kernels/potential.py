"""A whole model for the native kernels, which then need no Python in a step (native/potential_api.h)."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mliap_hybrid.errors import InputError
from mliap_hybrid.kernels.library import doubles, open_library
from mliap_hybrid.kernels.native_backend import NativeBackend
from mliap_hybrid.kernels.structs import PotentialSettings


@dataclass(frozen=True)
class PairConstants:
    """Constants of the terms of pairs, one for each pair of elements; None: the model has no such term."""

    repulsion: np.ndarray | None = None
    """(n_elements, n_elements, 3): k_e Z_i Z_j in eV Å, screening length and reach in Å."""
    screening: Sequence[tuple[float, float]] = ()
    """Amplitude and decay of each exponential of the screening."""
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


class NativePotential:
    """Networks and explicit terms as one handle of the library.

    Parameters
    ----------
    backend : NativeBackend
        With the networks of the energy, and behind them those of the charges.
    n_energy_networks : int
    cutoff : float, Å
        Of all pairs.
    baseline : array, shape (n_elements,), eV
        Energy of an atom without neighbours, beside what the networks say.
    constants : PairConstants

    Raises
    ------
    InputError
        If the library cannot set it up.
    """

    def __init__(
        self,
        backend: NativeBackend,
        n_energy_networks: int,
        cutoff: float,
        baseline: np.ndarray,
        constants: PairConstants,
    ):
        self._backend = backend  # its handle must live as long as this one
        self.n_charge_networks = backend.n_heads - n_energy_networks
        library = open_library()
        settings = PotentialSettings(
            features=backend.handle,
            n_elements=len(baseline),
            n_energy_networks=n_energy_networks,
            cutoff=cutoff,
            baseline=doubles(baseline),
            repulsion=_optional(constants.repulsion),
            screening=doubles(np.asarray(constants.screening)),
            charge_products=_optional(constants.charge_products),
            smearing=constants.smearing,
            dispersion=_optional(constants.dispersion),
            damping=constants.damping,
            switch_width=constants.switch_width,
        )
        self.handle: int = library.mliap_potential_create(ctypes.byref(settings))
        if not self.handle:
            raise InputError("the native kernels could not be set up for this model")
        weakref.finalize(self, library.mliap_potential_destroy, self.handle)

    @staticmethod
    def functions() -> dict[str, int]:
        """Addresses of the functions that C++ calls with the handle, by the end of their names."""
        library = open_library()
        names = {name: f"mliap_potential_{name}" for name in ("charges", "evaluate")} | {"error": "mliap_kernels_error"}
        return {
            name: ctypes.cast(getattr(library, function), ctypes.c_void_p).value or 0
            for name, function in names.items()
        }


def _optional(array: np.ndarray | None) -> ctypes.Array | None:
    return None if array is None else doubles(array)
