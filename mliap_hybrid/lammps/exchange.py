"""Arrays in and out of the data object that LAMMPS hands over, whichever of three kinds it is.

This package's plugin and LAMMPS' own ML-IAP give numpy arrays; a KOKKOS build on a GPU gives arrays in device memory.
`eatoms` can be set but not read in LAMMPS' own, and read but not set in KOKKOS. Outside the plugin an array that would
be empty raises ValueError when it is asked for, or is None if it never had a row: sizes are to be asked for first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.structure import AtomTags


def as_tensor(array: Any) -> Tensor:
    """The same memory as a tensor, without a copy.

    Parameters
    ----------
    array : numpy array, or array on a device that speaks DLPack (cupy)

    Returns
    -------
    Tensor
        On the array's device.
    """
    if isinstance(array, np.ndarray):
        return torch.from_numpy(array)
    return torch.from_dlpack(array)


def device_of(data: Any) -> torch.device | None:
    """Device of LAMMPS' arrays; None on a rank that has neither atoms nor ghosts."""
    if int(data.npairs):
        return as_tensor(data.rij).device
    return as_tensor(data.elems).device if int(data.ntotal) else None


def atom_tags(data: Any, listed: Tensor) -> AtomTags | None:
    """Which atoms the centres and neighbours are, and of which molecules.

    Parameters
    ----------
    data : object
        The data object of LAMMPS; LAMMPS' own ones have no `tag`.
    listed : Tensor, shape (n_centres,), int64
        Local index of each centre.

    Returns
    -------
    AtomTags or None
        None where the IDs are not known. Molecules are left out where the atom style has none.
    """
    if getattr(data, "tag", None) is None:
        return None
    tags = as_tensor(data.tag).to(listed.device).long() - 1  # (n_total,)
    neighbours = as_tensor(data.pair_j) if int(data.npairs) else listed[:0]  # (n_pairs,)
    molecules = getattr(data, "molecule", None)
    if molecules is None:
        return AtomTags(tags[listed], tags.index_select(0, neighbours))
    of_atoms = as_tensor(molecules).to(listed.device).long()  # (n_total,)
    return AtomTags(
        tags[listed],
        tags.index_select(0, neighbours),
        of_atoms[listed],
        of_atoms.index_select(0, neighbours),
    )


def write_energies(data: Any, energies: Tensor) -> None:
    """Hand over the energy of every listed atom, and their sum.

    LAMMPS clears neither between steps, so both are written on every call, also when there is nothing to compute.

    Parameters
    ----------
    data : object
        The data object of LAMMPS.
    energies : Tensor, shape (n_list_atoms,), float64
        In LAMMPS' unit.
    """
    data.energy = float(energies.sum())
    if len(energies) == 0:
        return
    try:
        view = data.eatoms
    except AttributeError:  # LAMMPS' own data object: the property has no getter
        data.eatoms = energies.cpu().numpy()
    else:
        as_tensor(view).copy_(energies)


def write_pair_forces(data: Any, forces: Tensor) -> None:
    """Hand over the force on the centre of every pair; LAMMPS gives its opposite to the neighbour.

    Parameters
    ----------
    data : object
        The data object of LAMMPS.
    forces : Tensor, shape (n_pairs, 3), float64
        dE/dr_p with r_p = r_j - r_i, in LAMMPS' unit.
    """
    if len(forces) == 0:
        return
    forces = forces.contiguous()
    data.update_pair_forces(forces if forces.is_cuda else forces.numpy())


def synchronise(device: torch.device) -> None:
    """Wait for the device: torch and KOKKOS use different streams. Nothing to do on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
