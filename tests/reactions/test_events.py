"""Molecules and reactions, beside what is counted by hand and by another way."""

from collections import Counter

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.data import covalent_radii

from mliap_hybrid.errors import InputError
from mliap_hybrid.reactions.bonds import BondCriteria, BondTracker
from mliap_hybrid.reactions.events import RateCounter, Reaction, reactions_between
from mliap_hybrid.reactions.molecules import molecules_of
from mliap_hybrid.reactions.of_trajectory import analyse, pairs_near
from mliap_hybrid.reactions.trajectory import TimedFrame

EDGE = 12.0


def line_of(positions, symbols="HHH"):
    """Atoms on a line in a cell."""
    return Atoms(symbols, positions=[[x, 0, 0] for x in positions], cell=np.eye(3) * EDGE, pbc=True)


def timed(structures, interval=0.1):
    return [TimedFrame(atoms, k, k * interval) for k, atoms in enumerate(structures)]


def bonds_of(atoms, criteria=BondCriteria()):
    return BondTracker(len(atoms), criteria.persistence).advance(*pairs_near(atoms, criteria), 0.0)


def by_search(atoms, beyond):
    """Formulas of molecules, by a search from atom to atom over all distances."""
    distances, radii = atoms.get_all_distances(mic=True), covalent_radii[atoms.numbers]
    left, found = set(range(len(atoms))), []
    while left:
        molecule_, new = set(), {left.pop()}
        while new:
            molecule_ |= new
            new = {j for i in new for j in left if distances[i, j] < radii[i] + radii[j] + beyond}
            left -= new
        found.append(atoms[sorted(molecule_)].get_chemical_formula("hill"))
    return Counter(found)


@pytest.mark.parametrize("seed", range(4))
def test_counts_equal_those_of_a_search(seed):
    random = np.random.default_rng(seed)
    atoms = Atoms(
        random.choice([1, 6, 8], 120), positions=random.uniform(0, EDGE, (120, 3)), cell=np.eye(3) * EDGE, pbc=True
    )
    bonds = bonds_of(atoms, BondCriteria(0.3, 0.6))
    assert molecules_of(atoms.numbers, bonds).counts() == by_search(atoms, 0.3)


def test_formulas_of_known_molecules():
    for name, formula in {"CH3CH2OH": "C2H6O", "H2O": "H2O", "HCN": "CHN", "CO2": "CO2"}.items():
        atoms = molecule(name)
        bonds = bonds_of(atoms)
        assert molecules_of(atoms.numbers, bonds).formulas == [formula]


APART_TOGETHER_APART = [line_of(x) for x in ([0, 0.74, 4.0], [0, 0.75, 1.5], [0, 1.4, 2.14], [0, 4.0, 4.74])]
"""H2 + H -> H + H2 through a moment in which all three are together."""


def test_exchange_of_an_atom():
    found = analyse(timed(APART_TOGETHER_APART), BondCriteria())
    assert [event.equation for _, event in found.events] == ["H + H2 -> H3", "H3 -> H + H2"]
    found = analyse(timed([APART_TOGETHER_APART[0], *APART_TOGETHER_APART[2:]]), BondCriteria())
    assert [sorted(counts.items()) for counts in found.counts] == [[("H", 1), ("H2", 1)]] * 3
    (event,) = found.events
    assert event[0] == pytest.approx(0.1)
    assert event[1] == Reaction(("H", "H2"), ("H", "H2"), (0, 1, 2))


def test_dissociation_and_its_rate():
    structures = [line_of([0, 0.74, 6.0])] * 3 + [line_of([0, 3.0, 6.0])]
    found = analyse(timed(structures), BondCriteria())
    (rate,) = found.rates
    assert (rate.equation, rate.count, rate.unit) == ("H2 -> 2 H", 1, "1/ps")
    assert rate.constant == pytest.approx(1 / 0.3)  # one molecule for three times 0.1 ps


def test_rate_of_two():
    structures = [line_of([0, 3.0, 6.0])] * 2 + [line_of([0, 0.74, 6.0])]
    (rate,) = analyse(timed(structures), BondCriteria()).rates
    assert (rate.equation, rate.unit) == ("2 H -> H2", "cm^3/(mol s)")
    per_pair = 1 / (3 * 0.2e-12) * (EDGE * 1e-8) ** 3  # cm^3/s: three pairs of atoms for 0.2 ps
    assert rate.constant == pytest.approx(6.02214076e23 * per_pair, rel=1e-9)


def test_no_rate_of_two_in_a_box_that_is_open():
    structures = [line_of([0, 3.0, 6.0])] * 2 + [line_of([0, 0.74, 6.0])]
    for atoms in structures:
        atoms.pbc = [True, True, False]
    (rate,) = analyse(timed(structures), BondCriteria()).rates
    assert (rate.equation, rate.constant) == ("2 H -> H2", None)


def test_no_rate_without_a_volume_or_of_three():
    counter = RateCounter()
    counter.add([Reaction(("H", "H"), ("H2",), ()), Reaction(("H", "H", "O"), ("H2O",), ())])
    counter.pass_time({"H": 2, "O": 1}, 1.0, 0.0)
    assert [rate.constant for rate in counter.rates()] == [None, None]


def test_a_vibration_is_no_reaction_and_without_memory_it_is():
    distances = 0.8 + 0.15 * np.sin(np.arange(60))  # across 0.87 Å, where a bond forms
    structures = [line_of([0, x, 6.0]) for x in distances]
    assert not analyse(timed(structures), BondCriteria()).events
    assert len(analyse(timed(structures), BondCriteria(0.25, 0.25)).events) > 10


def test_atoms_that_only_move_do_nothing():
    before = molecules_of(np.array([1, 1, 8]), np.array([[0, 2]]))
    after = molecules_of(np.array([1, 1, 8]), np.array([[1, 2]]))
    assert reactions_between(before, before) == []
    (event,) = reactions_between(before, after)
    assert event.equation == "H + HO -> H + HO"


def test_frames_in_another_order_are_refused():
    frames = timed([line_of([0, 0.74, 6.0])] * 2)
    with pytest.raises(InputError, match="order of time"):
        analyse(frames[::-1], BondCriteria())


def test_frames_without_atoms_are_refused():
    with pytest.raises(InputError, match="the frame of step 0 has no atoms"):
        analyse(timed([Atoms()]), BondCriteria())
