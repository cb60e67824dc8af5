"""Arrays of LAMMPS' data objects in the memory of the processor, without torch where LAMMPS runs there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def host_array(array: Any) -> NDArray[Any]:
    """The same numbers as a numpy array: the memory itself where it is that of the processor.

    Parameters
    ----------
    array : numpy array, or array on a device that speaks DLPack (cupy)
    """
    if isinstance(array, np.ndarray):
        return array
    from mliap_hybrid.lammps.exchange import as_tensor  # here, since a run on processors does without torch

    found: NDArray[Any] = as_tensor(array).cpu().numpy()
    return found


def listed_atoms(data: Any) -> NDArray[np.integer]:
    """Local index of each atom that the model acts on.

    Parameters
    ----------
    data : object
        The data object of LAMMPS.

    Returns
    -------
    int array, shape (n_list_atoms,)
    """
    n_listed = int(data.nlistatoms)
    return host_array(data.iatoms)[:n_listed] if n_listed else np.zeros(0, dtype=np.int32)
