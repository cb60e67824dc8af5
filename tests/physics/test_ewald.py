"""The long-range term against lattice sums, other codes, and its own derivatives."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from ase import Atoms
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.io.ase import AseAtomsAdaptor

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.physics import ewald_isolated, ewald_reciprocal
from mliap_hybrid.physics.coulomb import (
    self_energies,
    smeared_kernel,
    smeared_kernel_derivative,
    smearing_correction_derivative,
    smearing_correction_energies,
    smearing_correction_kernel,
)
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


def crystal(symbols: str, cell, scaled, charges: list[float], length: float, constant: float):
    """Atoms, charges, and the constant M of the energy -M k_e / length of all atoms of the cell."""
    return Atoms(symbols, cell=cell, scaled_positions=scaled, pbc=True), charges, length, constant


BCC, FCC = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2.0, np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2.0
CUPRITE = [[0, 0, 0], [0.5, 0.5, 0.5], *(np.array(p) / 4.0 for p in ([1, 1, 1], [1, 3, 3], [3, 1, 3], [3, 3, 1]))]
# Salts: lengths are nearest distances, the cubic lattice constant for cuprite (Johnson and Templeton, J. Chem. Phys.
# 34, 2004 (1961); more digits: the usual tables). Fluorite is caesium
# chloride and twice zinc blende. Wigner lattices, ions in a uniform background: lengths are radii of the sphere of an
# ion's volume (Coldwell-Horsfall and Maradudin, J. Math. Phys. 1, 395 (1960)), the lattice constant for the simple
# cubic one (Makov and Payne, Phys. Rev. B 51, 4014 (1995)).
RADIUS = (3.0 / (4.0 * np.pi)) ** (1.0 / 3.0)
MADELUNG = {
    "rock salt": crystal("NaCl", FCC, [[0, 0, 0], [0.5, 0.5, 0.5]], [1.0, -1.0], 0.5, 1.7475645946),
    "caesium chloride": crystal(
        "CsCl", np.eye(3), [[0, 0, 0], [0.5, 0.5, 0.5]], [1.0, -1.0], np.sqrt(0.75), 1.7626747731
    ),
    "zinc blende": crystal("ZnS", FCC, [[0, 0, 0], [0.25, 0.25, 0.25]], [1.0, -1.0], np.sqrt(3.0 / 16.0), 1.6380550534),
    "fluorite": crystal(
        "CaF2",
        FCC,
        [[0, 0, 0], [0.25, 0.25, 0.25], [0.75, 0.75, 0.75]],
        [2.0, -1.0, -1.0],
        np.sqrt(3.0 / 16.0),
        5.0387848799,
    ),
    "cuprite": crystal("O2Cu4", np.eye(3), CUPRITE, [-2.0] * 2 + [1.0] * 4, 1.0, 2.0 * 10.2594570331),
    "body-centred Wigner lattice": crystal("H", BCC, [[0, 0, 0]], [1.0], RADIUS * 0.5 ** (1 / 3), 0.895929255682),
    "face-centred Wigner lattice": crystal("H", FCC, [[0, 0, 0]], [1.0], RADIUS * 0.25 ** (1 / 3), 0.895873615195),
    "simple cubic Wigner lattice": crystal("H", np.eye(3), [[0, 0, 0]], [1.0], 1.0, 2.837297479481 / 2.0),
}


@pytest.mark.parametrize("name", MADELUNG)
@pytest.mark.parametrize("smearing", [0.21, 0.34])
def test_madelung_constants(name, smearing):
    atoms, charges, length, constant = MADELUNG[name]
    batch = frame_to_batch(atoms, cutoff=9.0 * smearing)
    energy = point_charge_energy(batch, torch.tensor(charges, dtype=torch.float64), smearing)
    assert -energy * length / COULOMB_CONSTANT == pytest.approx(constant, abs=1e-9)


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


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
@pytest.mark.parametrize("excess", [0.0, 1.3], ids=["neutral", "charged"])
def test_both_forms_of_the_definition_agree(cell, excess):
    """The sum over waves minus pair and self terms is the energy of point charges: the same for every smearing."""
    atoms = random_structure(8, ["Na", "Cl"], cell, seed=3)
    charges = torch.from_numpy(np.random.default_rng(1).normal(size=8))
    charges += (excess - charges.sum()) / 8
    batch = frame_to_batch(atoms, cutoff=10.0)
    energies = [point_charge_energy(batch, charges, smearing) for smearing in (0.5, 0.8, 1.1)]
    assert energies == pytest.approx([energies[0]] * 3, abs=1e-10)


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


@pytest.mark.parametrize(
    ("kernel", "derivative"),
    [(smeared_kernel, smeared_kernel_derivative), (smearing_correction_kernel, smearing_correction_derivative)],
)
def test_derivatives_are_those_of_the_kernels(kernel, derivative):
    distances = torch.linspace(0.3, 4.0, 12, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(kernel(distances, 0.7).sum(), distances)
    assert relative_difference(derivative(distances.detach(), 0.7), expected) < 1e-13


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


def test_energy_is_half_of_charges_times_potentials_in_a_mixed_batch():
    """Many structures of different size and cell, so that several stacks are made, each filled up."""
    random = np.random.default_rng(8)
    frames = [
        random_structure(int(n), ["Na", "Cl"], TRICLINIC_CELL * (n / 7) ** (1 / 3), seed=int(n)) for n in range(2, 22)
    ]
    batches = [frame_to_batch(frame, 1.0) for frame in frames]
    charges = [torch.from_numpy(random.normal(size=batch.n_atoms)) for batch in batches]
    result = gaussian_charge_energy(join_batches(batches), torch.cat(charges), 1.0)
    halves = 0.5 * join_batches(batches).sum_over_structures(torch.cat(charges) * result.potentials)
    assert torch.allclose(result.energies, halves, rtol=1e-12, atol=1e-11)
    alone = [gaussian_charge_energy(batch, q, 1.0) for batch, q in zip(batches, charges, strict=True)]
    assert torch.allclose(result.energies, torch.cat([r.energies for r in alone]), rtol=0.0, atol=1e-11)
    assert torch.allclose(result.forces, torch.cat([r.forces for r in alone]), rtol=0.0, atol=1e-11)
    assert torch.allclose(result.virials, torch.cat([r.virials for r in alone]), rtol=0.0, atol=1e-11)


@pytest.mark.parametrize("chunk", [1, 1000])
def test_chunks_do_not_matter(chunk, monkeypatch):
    charges = torch.tensor([1.0, -1.2, 0.4, -0.6, 0.4], dtype=torch.float64)
    for cell, module, name in (
        (TRICLINIC_CELL, ewald_reciprocal, "CHUNK_ELEMENTS"),
        (None, ewald_isolated, "CHUNK_PAIRS"),
    ):
        batch = frame_to_batch(random_structure(5, ["Na", "Cl"], cell, seed=7), 1.0)
        whole = gaussian_charge_energy(batch, charges, 0.8)
        monkeypatch.setattr(module, name, chunk)
        parts = gaussian_charge_energy(batch, charges, 0.8)
        assert torch.allclose(parts.energies, whole.energies, rtol=1e-13)
        assert torch.allclose(parts.forces, whole.forces, rtol=0.0, atol=1e-12)
        assert torch.allclose(parts.virials, whole.virials, rtol=0.0, atol=1e-12)


def test_a_looser_tolerance_costs_that_much_accuracy():
    batch = frame_to_batch(random_structure(8, ["Na", "Cl"], TRICLINIC_CELL, seed=3), 1.0)
    charges = torch.from_numpy(np.random.default_rng(1).normal(size=8))
    exact = gaussian_charge_energy(batch, charges, 1.0).forces
    errors = [
        relative_difference(gaussian_charge_energy(batch, charges, 1.0, t).forces, exact) for t in (1e-3, 1e-6, 1e-9)
    ]
    assert 1e-5 < errors[0] < 1e-2
    assert 1e-8 < errors[1] < 1e-5
    assert errors[2] < 1e-8


def test_long_cells_and_atoms_alone():
    """An ion alone feels no force; a cell three times as long, along any axis, has three times its energy."""
    atoms = Atoms("Na", positions=[[1.0, 2.0, 3.0]], cell=TRICLINIC_CELL, pbc=True)
    one = gaussian_charge_energy(frame_to_batch(atoms, 1.0), torch.ones(1), 1.0)
    assert float(one.forces.abs().max()) < 1e-12
    for axis in range(3):
        repeats = [3 if x == axis else 1 for x in range(3)]
        long = gaussian_charge_energy(frame_to_batch(atoms.repeat(repeats), 1.0), torch.ones(3), 1.0)
        assert float(long.energies[0]) == pytest.approx(3.0 * float(one.energies[0]), abs=1e-11)
        assert torch.allclose(long.virials, 3.0 * one.virials, rtol=0.0, atol=1e-10)


def test_structures_of_a_batch_do_not_see_each_other():
    a = frame_to_batch(random_structure(4, ["Na", "Cl"], CELLS["cubic"], seed=1), 1.0)
    b = frame_to_batch(random_structure(6, ["Na", "Cl"], None, seed=2), 1.0)
    q_a, q_b = torch.randn(4, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    both = gaussian_charge_energy(join_batches([a, b]), torch.cat([q_a, q_b]), 1.0)
    alone = [gaussian_charge_energy(a, q_a, 1.0), gaussian_charge_energy(b, q_b, 1.0)]
    assert torch.allclose(both.energies, torch.cat([r.energies for r in alone]), atol=1e-12)
    assert torch.allclose(both.forces, torch.cat([r.forces for r in alone]), atol=1e-12)
    assert torch.allclose(both.virials, torch.cat([r.virials for r in alone]), atol=1e-12)


def test_atoms_spread_over_processors():
    """Three threads stand for processors, the last one without atoms."""
    atoms = random_structure(20, ["Na", "Cl"], TRICLINIC_CELL, seed=8)
    positions, cell = torch.from_numpy(atoms.positions)[None], torch.from_numpy(atoms.cell.array)[None]
    charges = torch.linspace(-1.0, 1.3, 20, dtype=torch.float64)[None]
    expected = ewald_reciprocal.lattice_sum(positions, charges, cell, 1.0)
    parts = [slice(0, 8), slice(8, 20), slice(20, 20)]
    barrier = threading.Barrier(len(parts), timeout=60)
    shares: list[torch.Tensor] = [torch.empty(0)] * len(parts)

    def on(rank):
        def reduce(of_own_atoms):
            shares[rank] = of_own_atoms
            barrier.wait()
            total = torch.stack(shares).sum(0)
            barrier.wait()  # nobody writes the next share before all have read these
            return total

        own = parts[rank]
        return ewald_reciprocal.lattice_sum(positions[:, own], charges[:, own], cell, 1.0, reduce=reduce)

    with ThreadPoolExecutor(len(parts)) as pool:
        results = list(pool.map(on, range(len(parts))))
    for name in ("potentials", "forces"):
        found = torch.cat([getattr(result, name) for result in results], dim=1)
        torch.testing.assert_close(found, getattr(expected, name), rtol=0, atol=1e-12)
    for result in results:
        torch.testing.assert_close(result.energies, expected.energies, rtol=1e-13, atol=0)
        torch.testing.assert_close(result.virials, expected.virials, rtol=0, atol=1e-11)


def test_one_periodic_direction_is_refused():
    atoms = random_structure(4, ["Na", "Cl"], CELLS["cubic"], seed=1)
    atoms.pbc = [True, False, False]
    with pytest.raises(InputError, match="periodic in 1 direction"):
        gaussian_charge_energy(frame_to_batch(atoms, 1.0), torch.zeros(4, dtype=torch.float64), 1.0)
