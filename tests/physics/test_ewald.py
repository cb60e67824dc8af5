"""The long-range term against lattice sums, other codes, and its own derivatives."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.io.ase import AseAtomsAdaptor

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.physics.coulomb import self_energies, smearing_correction_energies
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.structure import Batch, join_batches
from mliap_hybrid.testing.finite_differences import forces_by_differences, relative_difference, virial_by_differences
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure
from mliap_hybrid.units import COULOMB_CONSTANT

PYMATGEN_CONSTANT = EwaldSummation.CONV_FACT
CELLS = {"cubic": np.eye(3) * 8.0, "triclinic": TRICLINIC_CELL, "long": np.diag([5.0, 6.0, 20.0])}


def point_charge_energy(batch: Batch, charges: torch.Tensor, smearing: float) -> float:
    """E_Coulomb = E_long_range - correction, the correction over pairs up to the batch's cutoff."""
    products = charges[batch.pair_i] * charges[batch.pair_j]
    correction = smearing_correction_energies(batch.pair_vectors().norm(dim=1), products, smearing).sum()
    correction += self_energies(charges, smearing).sum()
    return float(gaussian_charge_energy(batch, charges, smearing).energies[0] - correction)


# Energy per formula unit is -M k_e q^2 / d, d the nearest distance; Hamilton and Pask, and Wikipedia's 10-digit values.
MADELUNG = {
    "rocksalt": (bulk("NaCl", "rocksalt", a=2.0), [1.0, -1.0], 1.0, 1.7475645946),
    "cesiumchloride": (bulk("CsCl", "cesiumchloride", a=2.0), [1.0, -1.0], np.sqrt(3.0), 1.7626747731),
    "zincblende": (bulk("ZnS", "zincblende", a=4.0), [1.0, -1.0], np.sqrt(3.0), 1.6380550534),
    "fluorite": (bulk("CaF2", "fluorite", a=4.0), [2.0, -1.0, -1.0], np.sqrt(3.0), 5.0387848781),
}


@pytest.mark.parametrize("crystal", MADELUNG)
@pytest.mark.parametrize("smearing", [0.5, 0.9])
def test_madelung_constants(crystal, smearing):
    atoms, charges, distance, constant = MADELUNG[crystal]
    batch = frame_to_batch(atoms, cutoff=9.0 * smearing)
    energy = point_charge_energy(batch, torch.tensor(charges, dtype=torch.float64), smearing)
    assert -energy * distance / COULOMB_CONSTANT == pytest.approx(constant, rel=2e-9)


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
@pytest.mark.parametrize("excess", [0.0, 1.3], ids=["neutral", "charged"])
def test_equals_the_ewald_sum_of_another_code(cell, excess):
    atoms = random_structure(8, ["Na", "Cl"], cell, seed=3)
    charges = np.random.default_rng(1).normal(size=8)
    charges += (excess - charges.sum()) / 8
    batch = frame_to_batch(atoms, cutoff=9.0)
    energy = point_charge_energy(batch, torch.from_numpy(charges), smearing=1.0)

    structure = AseAtomsAdaptor.get_structure(atoms)
    structure.add_site_property("charge", list(charges))
    structure.add_oxidation_state_by_site(list(charges))
    oracle = EwaldSummation(structure, acc_factor=16.0, eta=0.25).total_energy
    assert energy == pytest.approx(oracle * COULOMB_CONSTANT / PYMATGEN_CONSTANT, abs=1e-9)


def test_equals_torch_pme():
    torchpme = pytest.importorskip("torchpme")
    atoms = random_structure(10, ["Na", "Cl"], TRICLINIC_CELL, seed=5)
    charges = torch.from_numpy(np.random.default_rng(2).normal(size=10))
    charges -= charges.mean()
    batch = frame_to_batch(atoms, cutoff=9.0)
    smearing = 1.0
    # With only the reciprocal half of its sum and our smearing, torch-pme has erf(r/(sqrt2 s))/r without self energy.
    potential = torchpme.CoulombPotential(smearing=smearing)
    calculator = torchpme.EwaldCalculator(potential, lr_wavelength=0.35, full_neighbor_list=True).to(torch.float64)
    empty = torch.zeros((0, 2), dtype=torch.int64)
    phi = calculator(
        charges[:, None], batch.cells[0], batch.positions, empty, torch.zeros(0, dtype=torch.float64)
    )  # (n_atoms, 1)
    oracle = COULOMB_CONSTANT * (charges[:, None] * phi).sum()
    oracle = oracle + (COULOMB_CONSTANT * charges**2 / (np.sqrt(2.0 * np.pi) * smearing)).sum()
    ours = gaussian_charge_energy(batch, charges, smearing).energies[0]
    assert float(ours) == pytest.approx(float(oracle), abs=1e-8)


@pytest.mark.parametrize("cell", [*CELLS.values(), None], ids=[*CELLS, "isolated"])
@pytest.mark.parametrize("excess", [0.0, -0.7], ids=["neutral", "charged"])
def test_derivatives(cell, excess):
    atoms = random_structure(5, ["Na", "Cl"], cell, seed=7)
    charges = torch.tensor([1.0, -1.2, 0.4, -0.6, 0.4], dtype=torch.float64) + excess / 5

    def energy(positions, lattice, q=charges):
        moved = Atoms(atoms.numbers, positions=positions, cell=lattice, pbc=atoms.pbc)
        return float(gaussian_charge_energy(frame_to_batch(moved, 1.0), q, 0.8).energies[0])

    result = gaussian_charge_energy(frame_to_batch(atoms, 1.0), charges, 0.8)
    lattice = np.asarray(atoms.cell)
    forces = forces_by_differences(energy, atoms.positions, lattice)
    virial = virial_by_differences(energy, atoms.positions, lattice)
    steps = 1e-5 * torch.eye(5, dtype=torch.float64)
    potentials = [
        (energy(atoms.positions, lattice, charges + d) - energy(atoms.positions, lattice, charges - d)) / 2e-5
        for d in steps
    ]
    assert relative_difference(result.forces, forces) < 1e-6
    assert relative_difference(result.virials[0], virial) < 1e-6
    assert relative_difference(result.potentials, np.array(potentials)) < 1e-7


def test_two_isolated_charges_attract_as_coulomb_says():
    batch = frame_to_batch(Atoms("NaCl", positions=[[0, 0, 0], [0, 0, 10.0]]), 1.0)
    charges = torch.tensor([1.0, -1.0], dtype=torch.float64)
    result = gaussian_charge_energy(batch, charges, 0.5)
    self_energy = 2.0 * COULOMB_CONSTANT / (np.sqrt(2.0 * np.pi) * 0.5)
    assert float(result.energies[0]) == pytest.approx(self_energy - COULOMB_CONSTANT / 10.0, abs=1e-12)
    assert float(result.forces[0, 2]) == pytest.approx(COULOMB_CONSTANT / 100.0, abs=1e-12)


def test_is_extensive_and_blind_to_translation():
    atoms = random_structure(6, ["Na", "Cl"], TRICLINIC_CELL, seed=9)
    charges = torch.tensor([1.0, -1.0, 0.5, -0.5, 0.3, -0.3], dtype=torch.float64)
    once = gaussian_charge_energy(frame_to_batch(atoms, 1.0), charges, 1.0)
    moved = atoms.copy()
    moved.positions += [100.3, -55.1, 7.7]
    moved.wrap()
    assert gaussian_charge_energy(frame_to_batch(moved, 1.0), charges, 1.0).energies == pytest.approx(
        float(once.energies[0]), abs=1e-10
    )
    twice = gaussian_charge_energy(frame_to_batch(atoms.repeat((2, 1, 1)), 1.0), charges.repeat(2), 1.0)
    assert float(twice.energies[0]) == pytest.approx(2.0 * float(once.energies[0]), abs=1e-10)
    assert torch.allclose(twice.forces[:6], once.forces, atol=1e-10)


def test_structures_of_a_batch_do_not_see_each_other():
    a = frame_to_batch(random_structure(4, ["Na", "Cl"], CELLS["cubic"], seed=1), 1.0)
    b = frame_to_batch(random_structure(6, ["Na", "Cl"], None, seed=2), 1.0)
    q_a, q_b = torch.randn(4, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    both = gaussian_charge_energy(join_batches([a, b]), torch.cat([q_a, q_b]), 1.0)
    alone = [gaussian_charge_energy(a, q_a, 1.0), gaussian_charge_energy(b, q_b, 1.0)]
    assert torch.allclose(both.energies, torch.cat([r.energies for r in alone]), atol=1e-12)
    assert torch.allclose(both.forces, torch.cat([r.forces for r in alone]), atol=1e-12)
    assert torch.allclose(both.virials, torch.cat([r.virials for r in alone]), atol=1e-12)


def test_slabs_are_refused():
    atoms = random_structure(4, ["Na", "Cl"], CELLS["cubic"], seed=1)
    atoms.pbc = [True, True, False]
    with pytest.raises(InputError, match="periodic in 2 directions"):
        gaussian_charge_energy(frame_to_batch(atoms, 1.0), torch.zeros(4, dtype=torch.float64), 1.0)
