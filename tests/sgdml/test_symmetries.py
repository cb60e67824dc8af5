"""Permutation symmetries of molecules, found in made-up and in real frames."""

from pathlib import Path

import numpy as np
import pytest

from mliap_hybrid.sgdml.symmetries import distance_matrices, find_symmetries, match_pairs
from mliap_hybrid.sgdml.symmetries_group import close_group, cycle_notation, cycles, without_conflicts
from mliap_hybrid.testing.gdml_molecules import AMMONIA_GROUP, ammonia

RMD17 = Path(__file__).parents[3] / "shared" / "data" / "rmd17"


def as_set(permutations):
    return {tuple(row) for row in np.asarray(permutations).tolist()}


def test_hydrogens_that_change_places():
    frames = ammonia(60, permuted=True)
    found = find_symmetries(frames.positions.numpy(), frames.numbers.numpy())
    assert as_set(found) == as_set(AMMONIA_GROUP)


def test_match_of_two_frames_is_the_permutation_between_them():
    random = np.random.default_rng(0)
    first, permutation = random.normal(size=(6, 3)), np.array([1, 2, 0, 4, 5, 3])
    matches, differences = match_pairs(distance_matrices(np.stack([first, first[permutation]])), np.full(6, 1))
    assert matches[0, 1].tolist() == permutation.tolist()
    assert differences[0, 1] < 1e-12


def test_what_never_happens_is_no_symmetry():
    """One geometry, trembling, whose hydrogens are all different."""
    random = np.random.default_rng(0)
    start = np.array([[0.0, 0.0, 0.0], [0.9, 0.0, 0.0], [0.0, 1.1, 0.0], [0.0, 0.0, 1.4]])
    positions = start + 0.01 * random.normal(size=(40, 4, 3))
    assert as_set(find_symmetries(positions, np.array([7, 1, 1, 1]))) == {(0, 1, 2, 3)}


def test_elements_are_kept():
    """The frames of ammonia with three different elements have no symmetry."""
    frames = ammonia(60, permuted=True)
    assert len(find_symmetries(frames.positions.numpy(), np.array([7, 1, 9, 17]))) == 1


def test_order_of_the_frames_does_not_matter():
    frames = ammonia(40, permuted=True)
    positions, numbers = frames.positions.numpy(), frames.numbers.numpy()
    assert as_set(find_symmetries(positions[::-1], numbers)) == as_set(find_symmetries(positions, numbers))


def test_nearest_images_and_copies_of_frames():
    frames = ammonia(40, permuted=True)
    positions, cell = frames.positions.numpy().copy(), 7.0 * np.eye(3)
    positions[:, 2] += [7.0, -14.0, 0.0]
    found = find_symmetries(np.concatenate([positions, positions[:5]]), frames.numbers.numpy(), cell)
    assert as_set(found) == as_set(AMMONIA_GROUP)


def test_groups_too_large_are_cut_down(caplog):
    frames = ammonia(60, permuted=True)
    found = find_symmetries(frames.positions.numpy(), frames.numbers.numpy(), largest=4)
    assert len(found) <= 4
    assert as_set(close_group(found)) == as_set(found)
    assert "more than 4 permutations" in caplog.text


@pytest.mark.parametrize(
    ("molecule", "generators"),
    [
        ("ethanol", {"(H5 H6 H7)", "(H3 H4) (H6 H7)"}),
        ("malonaldehyde", {"(H6 H7)", "(C0 C2) (O3 O4) (H5 H8)"}),
        ("aspirin", {"(H18 H19)", "(H18 H19 H20)"}),
        ("benzene", {"(C0 C1 C2 C3 C4 C5) (H6 H7 H8 H9 H10 H11)", "(C1 C5) (C2 C4) (H7 H11) (H8 H10)"}),
    ],
)
def test_molecules_of_rmd17(molecule, generators):
    """The groups that the literature gives: 6, 4, 6 and 12 permutations."""
    if not RMD17.is_dir():
        pytest.skip("rmd17 is not in ../shared/data")
    data = np.load(RMD17 / f"rmd17_{molecule}_train_01.npz")
    numbers = data["nuclear_charges"].astype(int)
    found = find_symmetries(data["coords"][:150], numbers)
    names = {1: "H", 6: "C", 8: "O"}
    notations = {cycle_notation(row, [names[number] for number in numbers]) for row in found}
    assert len(found) == {"ethanol": 6, "malonaldehyde": 4, "aspirin": 6, "benzene": 12}[molecule]
    assert generators <= notations


def test_closure():
    swap, turn = [1, 0, 2, 3], [1, 2, 3, 0]
    assert len(close_group(np.array([turn]))) == 4
    assert len(close_group(np.array([swap, turn]))) == 24
    assert close_group(np.array([swap, turn]), largest=23) is None
    group = close_group(np.array([swap, turn]), largest=24)
    assert group[0].tolist() == [0, 1, 2, 3]
    products = as_set(
        group[:, None, :][np.arange(24)[:, None], 0][:, :, :].reshape(24, 4)[:, None].repeat(24, 1).reshape(-1, 4)
    )
    assert products == as_set(group)


def test_cycles():
    assert cycles([0, 2, 1, 4, 5, 3]) == [[1, 2], [3, 4, 5]]
    assert cycle_notation([0, 2, 1, 4, 5, 3], "CHHOOO") == "(H1 H2) (O3 O4 O5)"
    assert cycle_notation([0, 1, 2], "CCC") == "()"


def test_cycles_in_conflict_with_longer_ones_are_dropped():
    generators = np.array([[1, 2, 0, 3, 4, 5], [1, 0, 2, 3, 4, 5], [0, 1, 2, 3, 5, 4]])
    assert as_set(without_conflicts(generators)) == {(1, 2, 0, 3, 4, 5), (0, 1, 2, 3, 5, 4)}
