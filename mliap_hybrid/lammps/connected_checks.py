"""Checks of a run that the plugin makes in C++, as far as a connected instance of LAMMPS lets Python make them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.host_arrays import host_array, listed_atoms

EDGE = 1e-9
"""Share of the cutoff within which rounding decides whether a pair is in the list."""


def check_dielectric(data: Any) -> None:
    """Refuse a `dielectric` by which LAMMPS divides the Coulomb energy that the model leaves to it.

    Parameters
    ----------
    data : object
        The data object of LAMMPS, or one that was completed by an instance; one that does not know is taken as it is.

    Raises
    ------
    InputError
    """
    found = getattr(data, "dielectric", 1.0)
    if found != 1.0:
        raise InputError(
            f"the charges of the model interact with dielectric 1.0, not {found:g}; leave `dielectric` out"
        )


def check_pairs(data: Any, cutoff: float) -> None:
    """Refuse a neighbour list that lacks pairs of the model's atoms.

    A model of many bodies has no terms that could be left out: what hides a pair changes the energy of all around it.

    Parameters
    ----------
    data : object
        The data object of LAMMPS, or one that was completed by an instance; without positions it is taken as it is.
    cutoff : float, Å

    Raises
    ------
    InputError
        Naming the first atom that lacks neighbours.
    """
    positions = getattr(data, "x", None)
    listed = listed_atoms(data)
    if positions is None or len(listed) == 0:
        return
    from scipy.spatial import cKDTree  # here, since the start of a run without a connection would wait for it

    places = np.asarray(positions)[host_array(data.elems) >= 0]  # (n_of_model, 3)
    within = cKDTree(places).query_ball_point(positions[listed], (1.0 - EDGE) * cutoff, return_length=True) - 1
    centres = host_array(data.pair_i) if int(data.npairs) else listed[:0]
    found = np.bincount(centres, minlength=int(data.ntotal))[listed]  # (n_list_atoms,)
    (lacking,) = np.nonzero(found < within)
    if len(lacking):
        i = lacking[0]
        raise InputError(
            f"atom {int(data.tag[listed[i]])} has {within[i]} neighbours within the cutoff of the model, but LAMMPS "
            f"lists {found[i]} of them: the energy needs all pairs; leave out what hides them (neigh_modify exclude, "
            "a special_bonds factor of 0, a pair_coeff of another style), and hold atoms in place by fix setforce 0 0 0"
        )
