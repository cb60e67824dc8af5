"""Total charges and spins of frames under the names that people give them."""

import pytest
from ase import Atoms
from ase.build import molecule

from mliap_hybrid.config import LabelKeys
from mliap_hybrid.data.frames import Frame
from mliap_hybrid.data.suspect_frames import suspicious_frames
from mliap_hybrid.data.total_charges import find_charges_and_spins
from mliap_hybrid.errors import InputError


def frames_of(*infos, atoms="H2O"):
    frames = []
    for index, info in enumerate(infos):
        structure = molecule(atoms)
        structure.info = dict(info)
        frames.append(Frame(structure, f"frame {index}"))
    return frames


@pytest.mark.parametrize("name", ["charge", "total_charge", "Qtot", "net_charge"])
def test_charges_under_their_names(name):
    found = find_charges_and_spins(frames_of({name: 1}, {name: -1.0}, {}))
    assert found.charges == [1.0, -1.0, None]
    assert f"'{name}'" in found.sentences[0]


def test_contradictions_are_refused():
    with pytest.raises(InputError, match=r"frame 1: 'total_charge' 1, 'charge' 0 contradict each other"):
        find_charges_and_spins(frames_of({"charge": 1}, {"charge": 0, "total_charge": 1}))
    assert find_charges_and_spins(frames_of({"charge": 0, "total_charge": 1}), "charge").charges == [0.0]
    with pytest.raises(InputError, match="'charge' is 'one'; expected a number"):
        find_charges_and_spins(frames_of({"charge": "one"}))


@pytest.mark.parametrize(
    ("values", "charges", "expected", "words"),
    [
        ([1, 3, 2], [0, 0, 1], [1, 3, 2], "multiplicities 2S + 1"),
        ([0, 2, 1], [0, 0, 1], [1, 3, 2], "unpaired electrons 2S"),
        ([0, 1, 0.5], [0, 0, 1], [1, 3, 2], "spins S"),
        ([0, 0], [0, 0], [1, 1], "unpaired electrons 2S"),
    ],
)
def test_what_a_spin_is_follows_from_the_electrons(values, charges, expected, words):
    frames = frames_of(*({"spin": value, "charge": charge} for value, charge in zip(values, charges, strict=True)))
    found = find_charges_and_spins(frames)
    assert found.multiplicities == expected
    assert any(words in sentence for sentence in found.sentences)


def test_what_cannot_be_told_is_left_out():
    """One, of even electrons: a singlet as 2S + 1, a triplet as S. Of S = 1.5 nothing fits."""
    for values, words in (([1, 1], "both multiplicities 2S + 1 and spins S fit"), ([1, 1.5], "none of 2S + 1")):
        found = find_charges_and_spins(frames_of(*({"spin": value} for value in values)))
        assert found.multiplicities == [None, None]
        assert any(words in sentence and "left out" in sentence for sentence in found.sentences), found.sentences


def test_multiplicities_that_no_molecule_has():
    found = find_charges_and_spins(frames_of({"multiplicity": 1}, {"multiplicity": 2}))
    assert any("1 multiplicities do not fit the number of electrons; first frame 1" in text for text in found.sentences)
    found = find_charges_and_spins(frames_of({"spin_multiplicity": 1}, {"spin_multiplicity": 2, "charge": 1}))
    assert found.multiplicities == [1, 2]
    assert not any("Warning" in text for text in found.sentences)


def test_charges_that_nobody_reads_are_told():
    frames = [
        Frame(Atoms("H", info={"charge": 1, "energy": -1.0}), "ion"),
        Frame(Atoms("H", info={"charge": 0}), "atom"),
    ]
    (sentence,) = [text for text in suspicious_frames(frames, LabelKeys()) if "total charge" in text]
    assert "1 of 2 frames have a total charge ('charge')" in sentence
    assert not any("total charge" in text for text in suspicious_frames(frames, LabelKeys(total_charge="charge")))
