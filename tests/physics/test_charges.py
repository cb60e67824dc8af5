"""Sources of fixed charges, and the refusal of those that do not fit the structures."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.physics.charges import (
    charges_from_table,
    check_total_charge,
    electronegativity_charges,
    formal_charges,
    nearest_neutral,
    reference_charges,
)


def batch_of(atoms, charges=None, total=0.0):
    batch = frame_to_batch(atoms, 3.0)
    charges = None if charges is None else torch.tensor(charges, dtype=torch.float64)
    charged = replace(batch, total_charges=torch.tensor([total], dtype=torch.float64))
    return charged if charges is None else charged.with_labels(charges=charges)


SALT = bulk("NaCl", "rocksalt", a=5.64)


def test_formal_charges_are_oxidation_states():
    assert formal_charges([batch_of(SALT)]) == {11: 1.0, 17: -1.0}
    assert formal_charges([batch_of(bulk("MgO", "rocksalt", a=4.2))]) == {12: 2.0, 8: -2.0}


def test_formal_charges_may_not_exist():
    with pytest.raises(InputError, match="give a table"):
        formal_charges([batch_of(Atoms("NaK", positions=[[0, 0, 0], [0, 0, 3.0]]))])


def test_formal_charges_sum_to_the_total_charge():
    ammonium = Atoms("NH4", positions=[[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1]])
    assert formal_charges([batch_of(ammonium, total=1.0)]) == {7: -3.0, 1: 1.0}
    cluster = Atoms("Na9Cl8", positions=[[3.0 * i, 0, 0] for i in range(17)])
    assert formal_charges([batch_of(cluster, total=1.0)]) == {11: 1.0, 17: -1.0}


@pytest.mark.parametrize("formula", ["H2O2", "Na2O2", "O2", "CuAu"])
def test_oxidation_states_of_zero_are_none(formula):
    atoms = Atoms(formula)
    atoms.positions[:, 0] = 3.0 * np.arange(len(atoms))
    with pytest.raises(InputError, match=r"pymatgen finds (none|only zeros); give a table instead.*charges: fitted"):
        formal_charges([batch_of(atoms)])


def test_electronegativities_are_a_start():
    charges = electronegativity_charges([batch_of(SALT)])
    assert charges[11] == pytest.approx(0.25 * (3.16 - 0.93))
    assert charges[17] == pytest.approx(-charges[11])
    neon = Atoms("NaClNe", positions=[[0, 0, 0], [3, 0, 0], [6, 0, 0]])
    assert electronegativity_charges([batch_of(neon)]) == charges | {10: 0.0}


def test_reference_charges_are_neutral_means():
    batches = [batch_of(SALT, [0.60, -0.58]), batch_of(SALT, [0.56, -0.54])]
    charges = reference_charges(batches)
    assert charges[11] == pytest.approx(0.57)
    assert charges[17] == pytest.approx(-0.57)
    with pytest.raises(InputError, match=r"data\.keys\.charges"):
        reference_charges([batch_of(SALT)])


def test_nearest_neutral_of_several_compositions():
    batches = [batch_of(Atoms("NaCl", positions=[[0, 0, 0], [0, 0, 2.5]])), batch_of(Atoms("Na"), total=1.0)]
    charges = nearest_neutral(torch.tensor([0.5, -0.5], dtype=torch.float64), [11, 17], batches)
    assert charges.tolist() == pytest.approx([1.0, -1.0])


def test_a_charge_sum_that_is_not_the_systems():
    with pytest.raises(InputError, match=r"Na1Cl1.*sum to \+0\.1000 e, but its total charge is \+0\.0000 e"):
        check_total_charge({11: 1.0, 17: -0.9}, [batch_of(SALT)])
    check_total_charge({11: 1.0, 17: -0.9}, [batch_of(SALT, total=0.1)])


def test_tables():
    assert charges_from_table({"Cl": -1, "Na": 1.0}, [11, 17]) == {11: 1.0, 17: -1.0}
    with pytest.raises(InputError, match="no charge given for Cl"):
        charges_from_table({"Na": 1.0}, [11, 17])
    with pytest.raises(InputError, match="'NA' is not an element: did you mean"):
        charges_from_table({"NA": 1.0}, [11])
