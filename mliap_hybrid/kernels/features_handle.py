"""Features and networks in the memory of the native library."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence

from mliap_hybrid.errors import InputError, did_you_mean
from mliap_hybrid.kernels.library import instruction_sets, open_library
from mliap_hybrid.kernels.native_arrays import FeatureArrays, NetworkArrays, settings_of_networks


class FeaturesHandle:
    """A `mliap_features` of the library, for as long as this object lives.

    Parameters
    ----------
    features : FeatureArrays
    networks : sequence of NetworkArrays
        May be empty.
    instruction_set : str, optional
        One of `library.instruction_sets()`; the best of the processor by default.

    Raises
    ------
    InputError
        If the processor lacks the instruction set, or the library cannot set the features and networks up.
    """

    def __init__(
        self, features: FeatureArrays, networks: Sequence[NetworkArrays] = (), instruction_set: str | None = None
    ):
        known = instruction_sets()
        instruction_set = instruction_set or known[0]
        if instruction_set not in known:
            raise InputError(
                f"this processor has no instruction set '{instruction_set}': {did_you_mean(instruction_set, known)}"
            )
        library, settings = open_library(), features.settings()
        self.address: int = library.mliap_features_create(
            ctypes.byref(settings), settings_of_networks(networks), len(networks), instruction_set.encode()
        )
        if not self.address:
            raise InputError("the native kernels could not be set up for these features and networks")
        weakref.finalize(self, library.mliap_features_destroy, self.address)
        self.n_moments: int = library.mliap_features_moments(self.address)
