"""The object that LAMMPS calls, on stand-ins for the three data objects it may be handed."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.unified import open_unified
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.model.terms.electrostatics import Electrostatics
from mliap_hybrid.physics.coulomb import self_energies, smearing_correction_energies
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.structure import Batch, with_total_charge
from mliap_hybrid.testing.mliap_data import KokkosData, PluginData, UpstreamData
from mliap_hybrid.testing.models import ION_CHARGES, charge_predicting_model, sodium_chloride_model
from mliap_hybrid.testing.rank_arrays import rank_arrays
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure, rock_salt
from mliap_hybrid.units import KCAL_PER_MOL

KINDS = ["plugin", "upstream", "kokkos"]
if torch.cuda.is_available():
    KINDS.append("kokkos-gpu")


@pytest.fixture(params=[None, ION_CHARGES], ids=["short-range", "charged"])
def model(request):
    return sodium_chloride_model(request.param)


@pytest.fixture
def unified(tmp_path, model):
    export_model(model, tmp_path / "model.pt", allow_small_box=True)
    return open_unified(str(tmp_path / "model.pt"))


def make_data(kind, arrays, atoms):
    if kind == "upstream":
        return UpstreamData(arrays)
    if kind.startswith("kokkos"):
        return KokkosData(arrays, "cuda" if kind.endswith("gpu") else "cpu")
    charges = np.array([ION_CHARGES[z] for z in atoms.numbers])
    return PluginData(arrays, atoms, q=charges)


def expected_local(model, batch: Batch):
    """Local energy, forces and virial: the prediction, minus the long-range term, plus the smearing correction."""
    total = predict(model, batch)
    energy, forces, virial = total.energies[0], total.forces, total.virials[0]
    electrostatics = model.term(Electrostatics)
    if electrostatics is not None:
        smearing = electrostatics.smearing
        q = torch.tensor([ION_CHARGES[z] for z in batch.numbers.tolist()], dtype=torch.float64)
        long_range = gaussian_charge_energy(batch, q, smearing)
        vectors = batch.pair_vectors().requires_grad_()
        products = q[batch.pair_i] * q[batch.pair_j]
        correction = smearing_correction_energies(vectors.norm(dim=1), products, smearing).sum()
        (g,) = torch.autograd.grad(correction, vectors)
        energy = energy - long_range.energies[0] + correction.detach() + self_energies(q, smearing).sum()
        forces = (forces - long_range.forces).index_add(0, batch.pair_i, g).index_add(0, batch.pair_j, -g)
        virial = virial - long_range.virials[0] - vectors.detach().T @ g
    return float(energy), forces.numpy(), virial.numpy()


def run(unified, kind, atoms, **options):
    arrays = rank_arrays(atoms, unified.model.cutoff, unified.element_types, **options)
    data = make_data(kind, arrays, atoms)
    unified.compute_descriptors(data)
    unified.compute_gradients(data)
    unified.compute_forces(data)
    return data.result(len(atoms))


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_model(unified, model, kind):
    atoms = rock_salt(1)
    energy, atomic, forces, virial = run(unified, kind, atoms)
    reference = expected_local(model, frame_to_batch(atoms, model.cutoff))
    assert energy == pytest.approx(reference[0], abs=1e-10)
    assert atomic.sum() == pytest.approx(energy, abs=1e-10)
    np.testing.assert_allclose(forces, reference[1], atol=1e-10)
    np.testing.assert_allclose(virial, reference[2], atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_ranks_add_up(unified, kind):
    atoms = rock_salt(1)
    whole = run(unified, kind, atoms)
    parts = [run(unified, kind, atoms, owned=owned) for owned in ([0, 3, 4], [], [7, 1, 2, 5, 6])]
    for k in (0, 2, 3):
        np.testing.assert_allclose(sum(part[k] for part in parts), whole[k], atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_rank_without_atoms_writes_zero(unified, kind):
    energy, atomic, forces, _ = run(unified, kind, rock_salt(1), owned=[])
    assert energy == 0.0
    assert len(atomic) == 0
    assert not forces.any()


@pytest.mark.parametrize("kind", KINDS)
def test_atoms_without_neighbours_keep_their_energy(unified, model, kind):
    atoms = Atoms("NaCl", positions=[[0, 0, 0], [0, 0, 15.0]], cell=[30, 30, 30], pbc=True)
    energy, atomic, forces, _ = run(unified, kind, atoms)
    reference = expected_local(model, frame_to_batch(atoms, model.cutoff))
    assert energy == pytest.approx(reference[0], abs=1e-10)
    assert np.isfinite(atomic).all()
    assert not forces.any()


@pytest.mark.parametrize("kind", KINDS)
def test_null_types_are_left_out(unified, model, kind):
    atoms = rock_salt(1)
    energy, atomic, forces, _ = run(unified, kind, atoms, null_elements=["Cl"])
    sodium = atoms[atoms.numbers == 11]
    reference = expected_local(model, frame_to_batch(sodium, model.cutoff))
    assert energy == pytest.approx(reference[0], abs=1e-10)
    assert len(atomic) == 4
    np.testing.assert_allclose(forces[atoms.numbers == 11], reference[1], atol=1e-10)
    assert not forces[atoms.numbers == 17].any()


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_of_ghosts_count_for_nothing(unified, kind):
    atoms = rock_salt(1)
    plain = run(unified, kind, atoms)
    with_ghosts = run(unified, kind, atoms, ghost_pairs=True)
    for a, b in zip(plain, with_ghosts, strict=True):
        np.testing.assert_allclose(b, a, atol=1e-10)


def test_units_real(unified):
    atoms = rock_salt(1)
    metal = run(unified, "plugin", atoms)
    data = make_data("plugin", rank_arrays(atoms, unified.model.cutoff, unified.element_types), atoms)
    data.unit_style = "real"
    unified.compute_forces(data)
    real = data.result(len(atoms))
    for a, b in zip(metal, real, strict=True):
        np.testing.assert_allclose(b, a / KCAL_PER_MOL, rtol=1e-12)
    data.unit_style = "lj"
    with pytest.raises(InputError, match="units lj"):
        unified.compute_forces(data)


@pytest.mark.parametrize("engine", ["kspace", "exact"])
@pytest.mark.parametrize(("neutrality", "total_charge"), [("shift", 0.7), ("increments", 0.0)])
def test_predicted_charges_equal_the_model(tmp_path, neutrality, total_charge, engine):
    """What comes back from the charges, through sums and exchanges of a run and whatever solves for their energy."""
    model = charge_predicting_model(neutrality)
    export_model(model, tmp_path / "model.pt", total_charge=total_charge, coulomb_engine=engine, allow_small_box=True)
    unified = open_unified(str(tmp_path / "model.pt"))
    atoms = random_structure(8, ["Na", "Cl"], TRICLINIC_CELL, seed=6, closest=2.0)
    arrays = rank_arrays(atoms, model.cutoff, unified.element_types, owned=[3, 7, 0, 1, 2, 4, 6, 5])
    data = PluginData(arrays, atoms, smearing=model.term(Electrostatics).smearing, total_charge=total_charge)
    unified.compute_forces(data)
    energy, atomic, forces, virial = data.result(len(atoms))
    expected = predict(model, with_total_charge(frame_to_batch(atoms, model.cutoff), total_charge))
    np.testing.assert_allclose(data.q[: len(atoms)], expected.charges[arrays.owner[: len(atoms)]], atol=1e-12)
    assert energy == pytest.approx(float(expected.energies[0]), abs=1e-10)
    assert atomic.sum() == pytest.approx(energy, abs=1e-10)
    np.testing.assert_allclose(forces, expected.forces, atol=1e-10)
    np.testing.assert_allclose(virial, expected.virials[0], atol=1e-10)


class TestWrongRuns:
    """Runs that LAMMPS would carry out without a word, and that are not those of the model."""

    @pytest.fixture
    def make(self, tmp_path):
        def make(atoms, total_charge=0.0, allow_small_box=True, q=None, kspace="pppm"):
            model = sodium_chloride_model(ION_CHARGES)
            path = tmp_path / "model.pt"
            export_model(model, path, total_charge=total_charge, allow_small_box=allow_small_box)
            unified = open_unified(str(path))
            charges = np.array([ION_CHARGES[z] for z in atoms.numbers])
            arrays = rank_arrays(atoms, model.cutoff, unified.element_types)
            data = PluginData(arrays, atoms, q=charges if q is None else q)
            data.kspace_style = kspace
            return unified, data

        return make

    def test_wrong_charge(self, make):
        atoms = rock_salt(1)
        q = np.where(atoms.numbers == 11, 1.0, -1.0)
        unified, data = make(atoms, q=q)
        with pytest.raises(InputError, match=r"atom 1 \(Na\) has the charge \+1\.000000 e in LAMMPS but \+0\.8"):
            unified.compute_forces(data)

    def test_no_charges(self, make):
        unified, data = make(rock_salt(1))
        data.q = None
        with pytest.raises(InputError, match="atom_style charge"):
            unified.compute_forces(data)

    def test_charge_sum(self, make):
        atoms = rock_salt(1)
        del atoms[0]
        unified, data = make(atoms)
        with pytest.raises(InputError, match=r"sum to -0\.8000 e"):
            unified.compute_forces(data)
        unified, data = make(atoms, total_charge=-0.8)
        unified.compute_forces(data)

    def test_no_kspace(self, make):
        unified, data = make(rock_salt(1), kspace=None)
        with pytest.raises(InputError, match="no kspace_style"):
            unified.compute_forces(data)

    def test_small_box(self, make):
        unified, data = make(rock_salt(1), allow_small_box=False)
        with pytest.raises(InputError, match=r"repeats itself after 5\.640 Å, smaller than the cutoff sphere"):
            unified.compute_forces(data)
        unified, data = make(rock_salt(2), allow_small_box=False)
        unified.compute_forces(data)


def test_predicted_charges_need_the_plugin(tmp_path):
    export_model(charge_predicting_model(), tmp_path / "model.pt", allow_small_box=True)
    unified = open_unified(str(tmp_path / "model.pt"))
    arrays = rank_arrays(rock_salt(1), 4.5, unified.element_types)
    with pytest.raises(InputError, match="plugin of mliap_hybrid"):
        unified.compute_forces(UpstreamData(arrays))


def test_a_run_starts_without_scipy():
    """Half a second of each start of LAMMPS, and of every test that has one."""
    code = "import sys, mliap_hybrid.lammps.unified; print({'scipy', 'pymatgen', 'matplotlib'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
