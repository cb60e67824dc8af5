"""Bonds remember: vibrations and recrossings are no reactions."""

import numpy as np
import pytest
from ase import Atoms
from ase.data import covalent_radii

from mliap_hybrid.errors import InputError
from mliap_hybrid.reactions.bonds import BondCriteria, BondTracker
from mliap_hybrid.reactions.of_trajectory import pairs_near

SUM_OF_RADII = 2 * covalent_radii[1]
CLOSE, BETWEEN, APART = 0.2 + SUM_OF_RADII, 0.5 + SUM_OF_RADII, 0.7 + SUM_OF_RADII


def bonded(distances, criteria=BondCriteria(), interval=1.0):
    """Whether two hydrogen atoms are bonded at each of these distances."""
    tracker = BondTracker(2, criteria.persistence)
    frames = [Atoms("H2", positions=[[0, 0, 0], [0, 0, distance]]) for distance in distances]
    return [len(tracker.advance(*pairs_near(frame, criteria), k * interval)) == 1 for k, frame in enumerate(frames)]


def test_between_the_two_distances_a_pair_stays_what_it_was():
    assert bonded([CLOSE, BETWEEN, CLOSE, BETWEEN]) == [True] * 4
    assert bonded([APART, BETWEEN, APART, BETWEEN]) == [False] * 4
    assert bonded([BETWEEN, CLOSE, BETWEEN, APART, BETWEEN]) == [False, True, True, False, False]


@pytest.mark.parametrize(("beyond", "side"), [(0.25, "form"), (0.65, "break")])
def test_the_distances_are_beyond_the_sum_of_the_radii(beyond, side):
    first = APART if side == "form" else CLOSE
    inside, outside = (bonded([first, SUM_OF_RADII + beyond + shift])[1] for shift in (-1e-6, 1e-6))
    assert (inside, outside) == (True, False)


def test_what_comes_back_before_the_persistence_is_no_change():
    patient = BondCriteria(persistence=2.0)
    assert bonded([CLOSE, APART, CLOSE, APART, APART, CLOSE], patient) == [True] * 6
    assert bonded([CLOSE, APART, APART, APART, CLOSE], patient) == [True, True, True, False, False]
    assert bonded([APART, CLOSE, BETWEEN, BETWEEN], patient) == [False, False, False, True]


def test_the_time_counts_and_not_the_frames():
    patient = BondCriteria(persistence=2.0)
    assert bonded([CLOSE, APART, APART, APART, APART, APART], patient, interval=0.5) == [True] * 5 + [False]


def test_bonds_reach_through_the_walls_of_a_skewed_cell():
    cell = np.array([[6.0, 0, 0], [2.0, 6.0, 0], [0, 1.0, 6.0]])
    atoms = Atoms("OH", positions=[[0.1, 0.1, 0.1], [0.1, 0.1, 0.1] - np.array([0, 0, 0.97])], cell=cell, pbc=True)
    atoms.wrap()
    assert np.linalg.norm(atoms.positions[1] - atoms.positions[0]) > 4.0
    assert BondTracker(2, 0.0).advance(*pairs_near(atoms, BondCriteria()), 0.0).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    "wrong", [{"form": 0.7}, {"form": -0.1}, {"persistence": -1.0}, {"break_apart": np.nan}, {"persistence": np.nan}]
)
def test_impossible_criteria_are_refused(wrong):
    with pytest.raises(InputError, match="expected"):
        BondCriteria(**wrong)


def test_unknown_radii_are_refused():
    with pytest.raises(InputError, match="radius of X is not known"):
        pairs_near(Atoms("HX", positions=[[0, 0, 0], [0, 0, 1]]), BondCriteria())
