"""TorchSim moves structures by the numbers of the ASE calculator."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from mliap_hybrid.ase import HybridCalculator
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.terms.repulsion import ZBLRepulsion
from mliap_hybrid.model.terms.standard import standard_model
from mliap_hybrid.testing.models import charge_predicting_model, sodium_chloride_model
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure, rock_salt

ts = pytest.importorskip(
    "torch_sim", minversion="0.6", reason="TorchSim 0.6 is not installed (Python 3.12, pip install torch-sim-atomistic)"
)

CPU, EXACT = torch.device("cpu"), torch.float64


def state_of(structures):
    return ts.io.atoms_to_state(structures, CPU, EXACT)


def adapter(path, **options):
    from mliap_hybrid.torch_sim import HybridTorchSimModel

    return HybridTorchSimModel(path, **options)


@pytest.fixture
def path(tmp_path):
    export_model(sodium_chloride_model(), tmp_path / "model.pt")
    return tmp_path / "model.pt"


def left_handed(atoms):
    """The same crystal with two cell vectors exchanged."""
    return Atoms(atoms.symbols, atoms.positions, cell=atoms.cell[[1, 0, 2]], pbc=True)


def assert_like_ase(found, structures, calculator):
    first = 0
    for index, atoms in enumerate(structures):
        atoms.calc = calculator
        assert found["energy"][index].item() == pytest.approx(atoms.get_potential_energy(), abs=1e-8)
        forces = found["forces"][first : first + len(atoms)]
        np.testing.assert_allclose(forces, atoms.get_forces(), rtol=0, atol=1e-8)
        if "stress" in found:
            np.testing.assert_allclose(found["stress"][index], atoms.get_stress(voigt=False), rtol=0, atol=1e-8)
        first += len(atoms)


def test_crystals_of_one_batch(path):
    tilted = random_structure(6, ["Na", "Cl"], TRICLINIC_CELL, seed=8, closest=2.0)
    structures = [rock_salt(1), tilted, left_handed(tilted), rock_salt(2, seed=3)]
    found = adapter(path)(state_of(structures))
    assert found["stress"].shape == (4, 3, 3)
    assert_like_ase(found, structures, HybridCalculator(path))


def test_the_validation_of_torch_sim(tmp_path):
    from torch_sim.models.interface import validate_model_outputs

    elements = (1, 6, 12, 14, 26)  # of the structures that it makes
    features = GaussianMultipoles(orders=(0, 1, 2), widths=(0.6, 1.0), cutoff=4.5, elements=elements)
    network = AtomicNetwork(features.n_features, (4,), n_elements=len(elements)).double()
    model = standard_model(features, dict.fromkeys(elements, -1.0), network, explicit=(ZBLRepulsion(4.5),))
    export_model(model.double().eval(), tmp_path / "model.pt")
    validate_model_outputs(adapter(tmp_path / "model.pt"), CPU, EXACT)


def test_molecules_have_no_stress(path):
    structures = [random_structure(n, ["Na", "Cl"], None, seed=n, closest=2.0) for n in (3, 5)]
    found = adapter(path)(state_of(structures))
    assert set(found) == {"energy", "forces"}
    assert_like_ase(found, structures, HybridCalculator(path))


def test_total_charges(tmp_path):
    export_model(charge_predicting_model(total_charge_input=True), tmp_path / "model.pt")
    structures = [random_structure(5, ["Na", "Cl"], None, seed=seed, closest=2.0) for seed in (1, 2)]
    charged = HybridCalculator(tmp_path / "model.pt", total_charge=1.0)
    assert_like_ase(adapter(tmp_path / "model.pt", total_charge=1.0)(state_of(structures)), structures, charged)
    state = state_of(structures)
    state = ts.SimState.from_state(state, _system_extras={"charge": torch.tensor([1.0, -1.0], dtype=EXACT)})
    found = adapter(tmp_path / "model.pt")(state)
    assert_like_ase({"energy": found["energy"][:1], "forces": found["forces"][:5]}, structures[:1], charged)
    assert found["energy"][1].item() != pytest.approx(structures[1].get_potential_energy(), abs=1e-3)


def test_a_run_of_two_structures(path):
    start = state_of([rock_salt(1), rock_salt(1, seed=5)])
    nve = ts.Integrator.nve
    final = ts.integrate(start, adapter(path), integrator=nve, n_steps=10, timestep=0.001, temperature=300)
    assert (final.positions - start.positions).abs().max() > 1e-3
    found = {"energy": final.energy, "forces": final.forces}
    assert_like_ase(found, final.to_atoms(), HybridCalculator(path))


def test_elements_that_the_model_does_not_know(path):
    with pytest.raises(InputError, match="Si"):
        adapter(path)(state_of([bulk("Si")]))
