"""Labels of charges, dipole moments and Born charges: units, shapes, and one sentence for each mistake."""

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from mliap_hybrid.config import LabelKeys, LabelUnits
from mliap_hybrid.data.duplicates import _key
from mliap_hybrid.data.frames import Frame, has_entry
from mliap_hybrid.data.reading import frame_to_batch, read_frames
from mliap_hybrid.errors import InputError
from mliap_hybrid.structure import join_batches
from mliap_hybrid.testing.labelled import small_settings
from mliap_hybrid.units import BOHR, HARTREE

KEYS = LabelKeys(charges="charges", dipole="dipole", born_charges="born", total_charge="total_charge")
BORN = np.arange(18.0).reshape(2, 3, 3)


def molecule(**changes) -> Atoms:
    """A charged pair with all labels; changes replace entries of `info` and `arrays`."""
    atoms = Atoms("NaCl", positions=[[0, 0, 0], [0, 0, 2.4]])
    labels = {"charges": np.array([1.6, -0.6]), "born": BORN.reshape(2, 9), "dipole": [0.1, 0.2, -1.5]}
    labels |= {"total_charge": 1.0} | changes
    for name, value in labels.items():
        if name in ("charges", "born"):
            atoms.set_array(name, np.asarray(value))
        else:
            atoms.info[name] = value
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.zeros((2, 3)))
    return atoms


def test_labels_come_through_a_file(tmp_path):
    ase.io.write(tmp_path / "molecule.extxyz", molecule())
    (frame,) = read_frames([tmp_path / "molecule.extxyz"])
    batch = frame_to_batch(frame, 3.0, KEYS)
    torch.testing.assert_close(batch.charges, torch.tensor([1.6, -0.6], dtype=torch.float64))
    torch.testing.assert_close(batch.labels["dipole"], torch.tensor([[0.1, 0.2, -1.5]], dtype=torch.float64))
    torch.testing.assert_close(batch.labels["born_charges"], torch.tensor(BORN))
    assert batch.total_charges.tolist() == [1.0]
    assert has_entry(frame, "born")
    assert has_entry(frame, "dipole")
    assert not has_entry(frame, "moment")
    joined = join_batches([batch, batch])
    assert joined.labels["dipole"].shape == (2, 3)
    assert joined.labels["born_charges"].shape == (4, 3, 3)


def test_dipole_moments_are_in_e_times_the_length_of_the_file():
    batch = frame_to_batch(molecule(), 3.0, KEYS, LabelUnits(length="bohr"))
    torch.testing.assert_close(batch.labels["dipole"][0], torch.tensor([0.1, 0.2, -1.5], dtype=torch.float64) * BOHR)
    torch.testing.assert_close(batch.labels["born_charges"], torch.tensor(BORN))


def test_born_charges_in_rows_of_nine_or_three_by_three():
    square, flat = (frame_to_batch(molecule(born=born), 3.0, KEYS) for born in (BORN, BORN.reshape(2, 9)))
    assert torch.equal(square.labels["born_charges"], flat.labels["born_charges"])
    assert square.labels["born_charges"][1, 0, 2] == 11.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dipole": [0.1, 0.2]}, r"'dipole' has shape \(2,\), but data.keys.dipole needs shape \(3,\)"),
        ({"dipole": [0.1, np.nan, 0.0]}, "'dipole' is nan"),
        ({"born": np.zeros((2, 6))}, r"'born' has shape \(2, 6\), but data.keys.born_charges needs shape \(2, 3, 3\)"),
        ({"born": np.full((2, 9), np.inf)}, "'born' of atom 0 is inf"),
        ({"total_charge": "one"}, "'total_charge' is 'one'; expected numbers"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_mistake_is_one_sentence(changes, message):
    with pytest.raises(InputError, match=message):
        frame_to_batch(Frame(molecule(**changes), "a file, frame 0"), 3.0, KEYS)


def test_a_crystal_has_no_dipole_moment():
    atoms = molecule()
    atoms.set_cell([9.0, 9.0, 9.0])
    atoms.pbc = True
    with pytest.raises(InputError, match="a dipole moment needs a molecule, found pbc"):
        frame_to_batch(atoms, 3.0, KEYS)


FIELDS = LabelKeys(electric_field="field")


def test_electric_fields():
    """In the energy of the file per e and length; not another frame where all else is the same."""
    batch = frame_to_batch(molecule(field=[0.1, 0.0, -0.2]), 3.0, FIELDS)
    expected = torch.tensor([[0.1, 0.0, -0.2]], dtype=torch.float64)
    torch.testing.assert_close(batch.electric_fields, expected)
    batch = frame_to_batch(molecule(field=[0.1, 0.0, -0.2]), 3.0, FIELDS, LabelUnits(energy="Ha", length="bohr"))
    torch.testing.assert_close(batch.electric_fields, expected * HARTREE / BOHR)
    with pytest.raises(InputError, match=r"data.keys.electric_field needs shape \(3,\)"):
        frame_to_batch(molecule(field=[0.1, 0.2]), 3.0, FIELDS)
    with pytest.raises(InputError, match=r"data\.keys\.electric_field"):
        frame_to_batch(molecule(), 3.0, FIELDS)
    batches = [frame_to_batch(molecule(field=[x, 0.0, 0.0]), 3.0, FIELDS) for x in (0.0, 0.1)]
    assert join_batches([*batches, frame_to_batch(molecule(), 3.0)]).electric_fields[:, 0].tolist() == [0.0, 0.1, 0.0]
    assert len({_key(batch) for batch in batches}) == 2


@pytest.mark.parametrize("charges", ["none", "fitted"])
def test_fields_need_charges_that_they_act_on(tmp_path, charges):
    with pytest.raises(InputError, match="electric_field needs charges that are fixed or predicted"):
        small_settings(
            tmp_path,
            data={"keys": {"stress": "stress", "electric_field": "field"}},
            electrostatics={"charges": charges},
        )
