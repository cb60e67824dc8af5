"""Neighbour pairs against a brute-force sum over images."""

import itertools

import numpy as np
import pytest

from mliap_hybrid.errors import InputError
from mliap_hybrid.neighbors import _search_cutoff, neighbor_pairs
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure


def brute_force(positions, cell, periodic, cutoff):
    reach = [4 if p else 0 for p in periodic]
    found = set()
    for shift in itertools.product(*(range(-n, n + 1) for n in reach)):
        for i, j in itertools.product(range(len(positions)), repeat=2):
            distance = np.linalg.norm(positions[j] + np.array(shift) @ cell - positions[i])
            if 0 < distance < cutoff:
                found.add((i, j, *shift))
    return found


@pytest.mark.parametrize("cutoff", [3.0, 9.5])
@pytest.mark.parametrize(
    "periodic", [(True, True, True), (False, False, False), (True, True, False)], ids=["bulk", "molecule", "slab"]
)
def test_equals_brute_force(periodic, cutoff):
    atoms = random_structure(5, ["Na", "Cl"], TRICLINIC_CELL, seed=1)
    periodic = np.array(periodic)
    i, j, shifts = (t.numpy() for t in neighbor_pairs(atoms.positions, TRICLINIC_CELL, periodic, cutoff))
    found = {(a, b, *map(int, s)) for a, b, s in zip(i, j, shifts, strict=True)}
    cell = np.where(periodic[:, None], TRICLINIC_CELL, 0.0)
    assert found == brute_force(atoms.positions, cell, periodic, cutoff)
    assert len(found) == len(i)
    assert (np.diff(i) >= 0).all()


def test_an_atom_in_a_small_cell_sees_its_own_images():
    i, _, _ = neighbor_pairs(np.zeros((1, 3)), np.eye(3) * 3.0, np.ones(3, dtype=bool), cutoff=3.1)
    assert len(i) == 6


@pytest.mark.parametrize(
    ("positions", "cell", "message"),
    [
        ([[0, 0, 0], [np.nan, 0, 0]], np.eye(3) * 9, "atom 1 has the position"),
        ([[0, 0, 0], [0, 0, -1e10]], np.eye(3) * 9, r"atom 1 has the position .*; expected less than 1e\+09"),
        ([[0, 0, 0], [0, 0, 0]], np.eye(3) * 9, "two atoms at one place"),
        ([[0, 0, 0], [9.0, 0, 0]], np.eye(3) * 9, "two atoms at one place"),
        ([[0, 0, 0]], np.diag([9.0, 9.0, 0.0]), "has no volume"),
        ([[0, 0, 0]], np.diag([9.0, 9.0, np.nan]), "expected finite numbers"),
    ],
)
def test_broken_structures_are_refused(positions, cell, message):
    with pytest.raises(InputError, match=message):
        neighbor_pairs(np.array(positions, dtype=float), cell, np.ones(3, dtype=bool), 4.0)


@pytest.mark.parametrize(
    ("edge", "cutoff", "message"),
    [
        (0.05, 5.0, r"about 4\.2e\+06 pairs of atoms closer than 5 Å, more than 20000 for each"),
        (1e7, 5.0, r"extends over 1e\+07 Å"),
        (4.0, 1e-9, "the cutoff is 1e-09 Å"),
        (4.0, np.inf, "the cutoff is inf Å"),
    ],
)
def test_what_would_fill_the_memory_is_refused_before(edge, cutoff, message):
    with pytest.raises(InputError, match=message):
        neighbor_pairs(np.zeros((1, 3)), edge * np.eye(3), np.ones(3, dtype=bool), cutoff)


def test_large_clusters_are_none_of_these():
    grid = np.stack(np.meshgrid(*3 * [np.arange(30.0)]), axis=-1).reshape(-1, 3)
    pair_i, _, _ = neighbor_pairs(grid * 2.5, np.zeros((3, 3)), np.zeros(3, dtype=bool), 2.6)
    assert len(pair_i) == 6 * 30**3 - 6 * 30**2


def test_no_atoms_have_no_pairs():
    """A rank of LAMMPS may have none."""
    i, j, shifts = neighbor_pairs(np.zeros((0, 3)), 10.0 * np.eye(3), np.ones(3, dtype=bool), 5.0)
    assert len(i) == len(j) == 0
    assert shifts.shape == (0, 3)


@pytest.mark.parametrize("periodic", [(False, False, False), (True, False, True), (False, False, True)])
def test_a_wide_sheet_is_searched_in_larger_boxes(periodic, monkeypatch):
    positions = np.random.default_rng(0).random((40, 3)) * [12.0, 12.0, 0.3]
    arguments = positions, np.diag([12.0, 12.0, 8.0]), np.array(periodic), 1.5
    expected = brute_force(*arguments)
    monkeypatch.setattr("mliap_hybrid.neighbors.MOST_CELLS", 60)
    assert _search_cutoff(*arguments) > 2.0
    pair_i, pair_j, shifts = neighbor_pairs(*arguments)
    assert {(int(i), int(j), *map(int, s)) for i, j, s in zip(pair_i, pair_j, shifts, strict=True)} == expected


def test_others_are_searched_as_they_are():
    positions = np.random.default_rng(0).random((50, 3)) * 40.0
    assert _search_cutoff(positions, np.zeros((3, 3)), np.zeros(3, dtype=bool), 5.0) == 5.0
    assert _search_cutoff(positions, 40.0 * np.eye(3), np.ones(3, dtype=bool), 5.0) == 5.0
