"""Which molecule each atom of a frame belongs to, where the frame says it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.data.frames import Frame, lookup
from mliap_hybrid.errors import InputError

COLUMNS = ("molecule", "mol_id", "mol-id")
"""Names of the IDs where no other one is given; the last is ASE's, of LAMMPS' data files."""


def molecule_ids(frame: Frame, key: str | None = None) -> Tensor | None:
    """Molecule of each atom (n_atoms,) int64, 0 for none; None where the frame says nothing of molecules.

    Parameters
    ----------
    frame : Frame
    key : str, optional
        Name of the IDs, which then must be there.

    Raises
    ------
    InputError
        If they are missing, or are no numbers of molecules.
    """
    if key is not None:
        values = np.asarray(lookup(frame, key, "data.keys.molecules"))
    else:
        column = next((name for name in COLUMNS if name in frame.atoms.arrays), None)
        if column is None:
            return None
        values, key = np.asarray(frame.atoms.arrays[column]), column
    if values.shape != (len(frame.atoms),) or values.dtype.kind not in "iu" or (values < 0).any():
        raise InputError(
            f"{frame.source}: '{key}' is no molecule ID; expected one whole number for each of the {len(frame.atoms)} "
            f"atoms, 0 for none, found {values.dtype} of shape {values.shape}"
        )
    return torch.from_numpy(values.astype(np.int64))
