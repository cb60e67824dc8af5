"""Fitted charges: exact quadratic form, neutral by construction, and they find the charge in the labels."""

import pytest
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.charge_products import (
    FittedCharges,
    electronegative_is_negative,
    element_pairs,
    unit_predictions,
)
from mliap_hybrid.fitting.charge_sources import find_charges
from mliap_hybrid.fitting.checkpoint import load_model
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.labelled import TRUE_CHARGE, small_settings
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure

pytestmark = pytest.mark.usefixtures("undrawn_figures")


@pytest.mark.parametrize("cell", [TRICLINIC_CELL, None], ids=["periodic", "isolated"])
def test_unit_energies_make_the_energy_of_any_charges(cell):
    elements = (8, 11, 17)
    batch = frame_to_batch(random_structure(9, ["O", "Na", "Cl"], cell, seed=2), 3.0)
    units = unit_predictions(batch, elements, 0.9)
    charges = torch.tensor([-0.7, 0.4, 1.3], dtype=torch.float64)  # not neutral either
    products = torch.stack([charges[a] * charges[b] for a, b in element_pairs(3)])
    of_atoms = charges[torch.searchsorted(torch.tensor(elements), batch.numbers)]
    expected = gaussian_charge_energy(batch, of_atoms, 0.9)
    torch.testing.assert_close(units.energies @ products, expected.energies)
    torch.testing.assert_close(units.forces @ products, expected.forces)
    torch.testing.assert_close(units.virials @ products, expected.virials)


def test_total_charges_stay_whatever_the_parameters_are():
    counts = torch.tensor([[2.0, 1.0, 1.0], [4.0, 2.0, 2.0], [0.0, 1.0, 1.0]], dtype=torch.float64)
    charges = FittedCharges(torch.tensor([0.0, 1.0, -1.0]), counts)
    assert charges.coordinates.shape == (1,)
    charges.coordinates.data += 0.37
    torch.testing.assert_close(counts.float() @ charges(), torch.zeros(3), rtol=0, atol=1e-6)
    assert (charges() - charges.start).abs().max() > 0.1


def test_sign_follows_electronegativity():
    assert electronegative_is_negative({11: -0.5, 17: 0.5}) == {11: 0.5, 17: -0.5}
    assert electronegative_is_negative({11: 0.5, 17: -0.5}) == {11: 0.5, 17: -0.5}


def test_charge_in_the_labels_is_found(tmp_path):
    """Labels are Lennard-Jones plus charges of 0.6 e; the fit starts from 1 e."""
    settings = small_settings(
        tmp_path,
        features={"set": "gmp-classic"},
        electrostatics={"charges": "fitted"},
        repulsion={"kind": "none"},
        optimisation={"epochs": 150, "learning_rate": 1e-2, "charge_learning_rate": 2e-2},
    )
    train(settings, Display())
    charges = load_model(settings.run).table("charge")
    assert charges[11] == pytest.approx(TRUE_CHARGE, abs=0.06)
    assert charges[11] + charges[17] == pytest.approx(0.0, abs=1e-6)


def test_elements_without_pauling_value_do_not_break_the_sign():
    assert set(electronegative_is_negative({2: 0.0, 11: 0.5, 17: -0.5})) == {2, 11, 17}


def test_a_start_where_there_are_no_oxidation_states(tmp_path):
    """pymatgen finds none for an alloy with oxygen: the fit starts from electronegativities, formal charges refuse."""
    batch = frame_to_batch(random_structure(8, ["Al", "Au", "Mg", "O"], TRICLINIC_CELL, seed=2), 3.0)
    elements = tuple(torch.unique(batch.numbers).tolist())
    settings = small_settings(tmp_path, electrostatics={"charges": "fitted"})
    charges = dict(zip(elements, find_charges(settings, [batch], [], elements).tolist(), strict=True))
    assert charges[8] < 0 < charges[12]
    assert sum(charges[z] for z in batch.numbers.tolist()) == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(InputError, match="pymatgen finds none; give a table instead"):
        find_charges(small_settings(tmp_path, electrostatics={"charges": "formal"}), [batch], [], elements)
