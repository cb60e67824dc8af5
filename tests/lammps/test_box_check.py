"""A box is refused where an atom can see two images of one neighbour, and nowhere else."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.run_checks import check_box, shortest_lattice_vector

HEXAGONAL = 13.1 * np.array([[1.0, 0.0, 0.0], [0.5, 0.75**0.5, 0.0], [0.0, 0.0, 1.0]])
PERIODICITIES = list(product([True, False], repeat=3))


def random_cells(seed: int) -> list[np.ndarray]:
    """Cells of all shapes: cubes that were strained, and the same lattices with badly chosen edges."""
    random = np.random.default_rng(seed)
    cells = []
    for _ in range(20):
        cell = np.diag(random.uniform(4.0, 12.0, 3)) + random.normal(0.0, 1.5, (3, 3))
        skew = np.eye(3, dtype=int)
        skew[1, 0], skew[2, 0], skew[2, 1] = random.integers(-3, 4, 3)
        cells += [cell, skew @ cell]
    return [cell for cell in cells if abs(np.linalg.det(cell)) > 20.0]


def images_of_one_neighbour(vector: np.ndarray, cell: np.ndarray, periodic: tuple[bool, ...], cutoff: float) -> int:
    """How often an atom sees another that is half a lattice vector away."""
    pair = Atoms("Ar2", positions=[np.zeros(3), 0.5 * vector], cell=cell, pbc=periodic)
    i, j = neighbor_list("ij", pair, cutoff)
    return int(((i == 0) & (j == 1)).sum())


@pytest.mark.parametrize("periodic", PERIODICITIES[:-1])
def test_refused_exactly_where_a_neighbour_is_seen_twice(periodic: tuple[bool, ...]) -> None:
    steps = np.array([n for n in product(range(-9, 10), repeat=3) if any(n)])
    steps = steps[~steps[:, ~np.array(periodic)].any(axis=1)]
    for cell in random_cells(1):
        vectors = steps @ cell
        shortest = vectors[np.linalg.norm(vectors, axis=1).argmin()]
        length = float(np.linalg.norm(shortest))
        assert shortest_lattice_vector(cell, periodic, 1.001 * length) == pytest.approx(length)
        data = SimpleNamespace(cell=cell, periodic=periodic)
        assert images_of_one_neighbour(shortest, cell, periodic, 0.4999 * length) == 0
        check_box(data, 0.4999 * length)
        assert images_of_one_neighbour(shortest, cell, periodic, 0.5001 * length) == 2
        with pytest.raises(InputError, match="two images of one neighbour"):
            check_box(data, 0.5001 * length)


def test_a_hexagonal_box() -> None:
    """Its faces are 11.3 Å apart, the images of an atom 13.1 Å."""
    data = SimpleNamespace(cell=HEXAGONAL, periodic=(True, True, True))
    check_box(data, 6.5)
    with pytest.raises(InputError, match=r"repeats itself after 13\.100 Å"):
        check_box(data, 6.6)


def test_no_periodicity_and_no_box() -> None:
    check_box(SimpleNamespace(cell=np.eye(3), periodic=(False, False, False)), 50.0)
    check_box(SimpleNamespace(), 50.0)
