"""Numbers of atoms as large as LAMMPS' lists hold, where their arrays have more than 2^31 numbers.

The arrays are as long as those of a rank with 5 x 10^8 atoms; of their memory, the system gives what is touched alone.
"""

from __future__ import annotations

import ctypes
import mmap

import numpy as np
import pytest
import torch

from mliap_hybrid.kernels.library import open_library
from mliap_hybrid.kernels.potential import NativePotential
from mliap_hybrid.kernels.structs import LocalAtoms, Sums
from mliap_hybrid.lammps.native_potential import potential_of
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model_files.folding import fold_whitening_into_networks
from mliap_hybrid.testing.models import ION_CHARGES, sodium_chloride_model
from mliap_hybrid.testing.native_potentials import LIST_MASK, Lists
from mliap_hybrid.testing.rank_arrays import rank_arrays
from mliap_hybrid.testing.structures import rock_salt

N_ATOMS = LIST_MASK + 1

MAP_NORESERVE = 0x4000
"""Of Linux; Python 3.11 and 3.12 have no name for it."""


def untouched(shape: tuple[int, ...], dtype: type = np.float64) -> np.ndarray:
    """Zeros without memory behind them."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    try:
        memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
    except OSError as error:
        pytest.skip(f"the system reserves no {size / 1e9:.0f} GB of addresses: {error}")
    return np.frombuffer(memory, dtype=dtype).reshape(shape)


def test_the_last_atoms_that_a_list_can_name():
    model = fold_whitening_into_networks(sodium_chloride_model(ION_CHARGES))
    arrays = rank_arrays(rock_salt(1, rattle=0.2), model.cutoff, ["Na", "Cl"])
    potential = NativePotential(potential_of(model, Evaluator(model).backend_on(torch.device("cpu"), 0.0)))
    expected = Lists(arrays).evaluate(potential)

    n = len(arrays.owner)
    first = N_ATOMS - n
    positions, types = untouched((N_ATOMS, 3)), untouched((N_ATOMS,), np.int32)
    lengths, addresses = untouched((N_ATOMS,), np.int32), untouched((N_ATOMS,), np.uintp)
    positions[first:] = arrays.positions
    types[first:] = arrays.elems + 1
    lists = [np.delete(np.arange(first, N_ATOMS, dtype=np.int32), i) for i in range(n)]
    lengths[first:] = n - 1
    addresses[first:] = [each.ctypes.data for each in lists]
    centres = (arrays.iatoms[: arrays.nlistatoms] + first).astype(np.int32)
    element_of_type = np.array([-1, 0, 1], dtype=np.int32)
    atoms = LocalAtoms(
        n_atoms=N_ATOMS,
        n_centres=len(centres),
        centres=centres.ctypes.data,
        n_neighbours=lengths.ctypes.data,
        neighbours=addresses.ctypes.data,
        neighbour_mask=LIST_MASK,
        types=types.ctypes.data,
        element_of_type=element_of_type.ctypes.data,
        positions=positions.ctypes.data,
    )
    found = {
        name: untouched((N_ATOMS, *getattr(expected, name).shape[1:]))
        for name in ("energies", "forces", "virials", "centroid_virials")
    }
    sums = Sums(unit=1.0, **{name: array.ctypes.data for name, array in found.items()})
    error = open_library().mliap_potential_evaluate(potential.handle, ctypes.byref(atoms), 2, None, ctypes.byref(sums))
    assert error == 0
    assert sums.energy == expected.energy
    for name, array in found.items():
        np.testing.assert_array_equal(array[first:], getattr(expected, name), err_msg=name)
