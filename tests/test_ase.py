"""The ASE calculator gives the model's numbers, and ASE's own differences agree with them."""

import pickle

import numpy as np
import pytest
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress

from mliap_hybrid.ase import HybridCalculator
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.testing.models import charge_predicting_model, direct_force_model, sodium_chloride_model
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure


def test_energy_forces_and_stress(tmp_path):
    model = sodium_chloride_model()
    export_model(model, tmp_path / "model.pt")
    atoms = random_structure(6, ["Na", "Cl"], TRICLINIC_CELL, seed=8, closest=2.0)
    atoms.calc = HybridCalculator(tmp_path / "model.pt")
    prediction = predict(model, frame_to_batch(atoms, model.cutoff))
    assert atoms.get_potential_energy() == pytest.approx(float(prediction.energies[0]), abs=1e-9)
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    np.testing.assert_allclose(atoms.get_forces(), prediction.forces.numpy(), atol=1e-9)
    scale = np.abs(atoms.get_forces()).max()
    np.testing.assert_allclose(atoms.get_forces(), calculate_numerical_forces(atoms, eps=1e-4), atol=1e-6 * scale)
    stress = atoms.get_stress()
    np.testing.assert_allclose(stress, calculate_numerical_stress(atoms, eps=1e-4), atol=1e-6 * np.abs(stress).max())


def test_charges_and_dipole_moment(tmp_path):
    export_model(charge_predicting_model(), tmp_path / "model.pt", total_charge=1.0)
    atoms = random_structure(6, ["Na", "Cl"], None, seed=8, closest=2.0)
    atoms.calc = HybridCalculator(tmp_path / "model.pt")
    charges = atoms.get_charges()
    assert charges.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(atoms.get_dipole_moment(), charges @ atoms.positions)
    scale = np.abs(atoms.get_forces()).max()
    np.testing.assert_allclose(atoms.get_forces(), calculate_numerical_forces(atoms, eps=2e-5), atol=1e-6 * scale)
    atoms.calc = HybridCalculator(tmp_path / "model.pt", total_charge=-1.0)
    assert atoms.get_charges().sum() == pytest.approx(-1.0)


def test_crystals_and_models_without_charges_have_no_dipole_moment(tmp_path):
    export_model(charge_predicting_model(), tmp_path / "charged.pt")
    export_model(sodium_chloride_model(None), tmp_path / "uncharged.pt")
    atoms = random_structure(6, ["Na", "Cl"], TRICLINIC_CELL, seed=8, closest=2.0)
    atoms.calc = HybridCalculator(tmp_path / "charged.pt")
    atoms.get_charges()
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_dipole_moment()
    atoms.calc = HybridCalculator(tmp_path / "uncharged.pt")
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_charges()


def test_direct_forces_have_no_energy_that_they_conserve(tmp_path):
    model = direct_force_model()
    export_model(model, tmp_path / "model.pt", allow_non_conservative=True)
    atoms = random_structure(6, ["Na", "Cl"], TRICLINIC_CELL, seed=8, closest=2.0)
    atoms.calc = HybridCalculator(tmp_path / "model.pt")
    assert not atoms.calc.is_conservative
    prediction = predict(model, frame_to_batch(atoms, model.cutoff))
    np.testing.assert_allclose(atoms.get_forces(), prediction.forces.numpy(), atol=1e-9)
    assert atoms.get_potential_energy() == pytest.approx(float(prediction.energies[0]), abs=1e-9)
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_potential_energy(force_consistent=True)


@pytest.mark.parametrize("neutrality", ["shift", "increments"])
def test_electric_field(tmp_path, neutrality):
    """Forces and stress are differences of the energy in the field; copies have the field; responses on request."""
    export_model(charge_predicting_model(neutrality), tmp_path / "model.pt")
    atoms = random_structure(6, ["Na", "Cl"], TRICLINIC_CELL, seed=8, closest=2.0)
    atoms.calc = HybridCalculator(tmp_path / "model.pt", electric_field=[0.1, 0.2, -0.1])
    forces, stress = atoms.get_forces(), atoms.get_stress()
    np.testing.assert_allclose(forces, calculate_numerical_forces(atoms, eps=1e-4), atol=2e-5)
    expected = calculate_numerical_stress(atoms, eps=1e-5)
    np.testing.assert_allclose(stress, expected, atol=1e-6 * np.abs(expected).max() + 1e-7)
    again = atoms.copy()
    again.calc = pickle.loads(pickle.dumps(atoms.calc))
    np.testing.assert_allclose(again.get_forces(), forces, atol=1e-12)
    energy = atoms.get_potential_energy()
    moment = atoms.calc.get_property("polarization", atoms) * atoms.get_volume()
    atoms.calc.electric_field = np.zeros(3)
    assert energy - atoms.get_potential_energy() == pytest.approx(-moment @ [0.1, 0.2, -0.1], abs=1e-9)
    assert atoms.calc.get_property("born_effective_charges", atoms).shape == (6, 3, 3)
    with pytest.raises(PropertyNotImplementedError):
        atoms.calc.get_property("polarisability", atoms)


def test_electric_field_that_cannot_be(tmp_path):
    export_model(sodium_chloride_model(None), tmp_path / "model.pt")
    with pytest.raises(InputError, match="acts on charges, but the model has none"):
        HybridCalculator(tmp_path / "model.pt", electric_field=[0, 0, 1])
    with pytest.raises(InputError, match="expected three numbers in V/Å"):
        HybridCalculator(tmp_path / "model.pt", electric_field=[0, np.nan, 1])


def test_missing_file():
    with pytest.raises(InputError, match="cannot read the model file"):
        HybridCalculator("nowhere.pt")
