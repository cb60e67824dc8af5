"""A step of a model with predicted charges on a stand-in for LAMMPS' data: its response, without MPI."""

import numpy as np
import pytest
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.unified import open_unified
from mliap_hybrid.model.terms.electrostatics import Electrostatics
from mliap_hybrid.testing.definition import predict_by_definition
from mliap_hybrid.testing.mliap_data import PluginData
from mliap_hybrid.testing.models import charge_predicting_model
from mliap_hybrid.testing.rank_arrays import rank_arrays
from mliap_hybrid.testing.structures import rock_salt


@pytest.fixture(params=["shift", "increments"])
def neutrality(request):
    return request.param


@pytest.fixture
def unified(tmp_path, neutrality):
    export_model(charge_predicting_model(neutrality), tmp_path / "model.pt", allow_small_box=True)
    return open_unified(str(tmp_path / "model.pt"))


def step(unified, atoms: Atoms, total_charge: float = 0.0):
    """Energy, energies of the atoms, forces and virial of one step."""
    arrays = rank_arrays(atoms, unified.model.cutoff, unified.element_types)
    data = PluginData(arrays, atoms, smearing=unified.model.term(Electrostatics).smearing, total_charge=total_charge)
    unified.compute_descriptors(data)
    unified.compute_gradients(data)
    unified.compute_forces(data)
    return data.result(len(atoms))


def test_equals_the_definition(unified, neutrality):
    """Increments have the total charge of their elements, the shift any."""
    atoms, model = rock_salt(1, rattle=0.2), charge_predicting_model(neutrality)
    total = 0.5 if neutrality == "shift" else 0.0
    batch = frame_to_batch(atoms, model.cutoff)
    batch.total_charges[:] = total
    expected = predict_by_definition(model, batch)
    energy, atomic, forces, virial = step(unified, atoms, total)
    assert energy == pytest.approx(expected.energies.item(), abs=1e-9)
    assert atomic.sum() == pytest.approx(energy, abs=1e-9)
    np.testing.assert_allclose(forces, expected.forces, rtol=0, atol=1e-9)
    np.testing.assert_allclose(virial, expected.virials[0], rtol=0, atol=1e-9)


def test_forces_and_virial_are_derivatives_of_the_energy(unified):
    """Along a random displacement of all atoms, and a random strain."""
    atoms, size = rock_salt(1, rattle=0.2), 3e-5
    random = np.random.default_rng(0)
    displacements, strain = random.normal(size=(len(atoms), 3)), random.normal(size=(3, 3))
    _, _, forces, virial = step(unified, atoms)

    def energy(displaced: float, strained: float) -> float:
        deformation = np.eye(3) + strained * strain
        positions = (atoms.positions + displaced * displacements) @ deformation.T
        return step(unified, Atoms(atoms.numbers, positions=positions, cell=atoms.cell @ deformation.T, pbc=True))[0]

    by_displacement = (energy(size, 0.0) - energy(-size, 0.0)) / (2.0 * size)
    by_strain = (energy(0.0, size) - energy(0.0, -size)) / (2.0 * size)
    assert -(forces * displacements).sum() == pytest.approx(by_displacement, rel=1e-6)
    assert -(virial * strain).sum() == pytest.approx(by_strain, rel=1e-6)
