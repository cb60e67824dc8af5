"""The differentiable long-range energy, and what it is for: exact forces of charges that follow the atoms."""

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.physics.interaction_matrices import interaction_matrices
from mliap_hybrid.physics.long_range import long_range_energies
from mliap_hybrid.structure import Batch, join_batches
from mliap_hybrid.testing.finite_differences import forces_by_differences, relative_difference, virial_by_differences
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure

CUTOFF, SMEARING = 4.0, 0.9
CELLS = {
    "8 Å": np.eye(3) * 8.0,
    "20 Å": np.eye(3) * 20.0,
    "triclinic": TRICLINIC_CELL,
    "triclinic 20 Å": TRICLINIC_CELL * 20.0 / 8.5,
    "isolated": None,
    "slab": TRICLINIC_CELL,
}


@pytest.fixture(params=CELLS)
def atoms(request) -> Atoms:
    cell = CELLS[request.param]
    made = random_structure(7, ["Na", "Cl"], None if cell is None else TRICLINIC_CELL, seed=5)
    if cell is not None:
        made.set_cell(cell)  # neighbours stay neighbours, also in a large cell
    if request.param == "slab":
        made.pbc = [True, True, False]
    return made


def charges_of(pair_vectors: torch.Tensor, batch: Batch, total: float) -> torch.Tensor:
    """Charges that grow with a smooth count of neighbours, shifted to a total: (n_atoms,) e."""
    distances = pair_vectors.norm(dim=1)  # (n_pairs,)
    window = (1.0 - (distances / CUTOFF) ** 2).clamp(min=0.0) ** 3
    counts = window.new_zeros(batch.n_atoms).index_add(0, batch.pair_i, window)  # (n_atoms,)
    raw = torch.where(batch.numbers == 11, 0.8, -0.9) + torch.where(batch.numbers == 11, 0.5, -0.2) * counts
    return raw + (total - raw.sum()) / batch.n_atoms


@pytest.mark.parametrize("total", [0.0, 1.0], ids=["neutral", "charged"])
def test_forces_and_virial_of_charges_that_follow_the_atoms(atoms, total):
    def energy(positions, lattice) -> float:
        batch = frame_to_batch(Atoms(atoms.numbers, positions=positions, cell=lattice, pbc=atoms.pbc), CUTOFF)
        charges = charges_of(batch.pair_vectors(), batch, total)
        return float(gaussian_charge_energy(batch, charges, SMEARING).energies[0])

    batch = frame_to_batch(atoms, CUTOFF)
    positions = batch.positions.clone().requires_grad_()
    strain = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
    deformation = torch.eye(3, dtype=torch.float64) + strain
    moved, cells = positions @ deformation.T, batch.cells @ deformation.T
    charges = charges_of(batch.pair_vectors(moved, cells), batch, total)
    total_energy = long_range_energies(batch, charges, SMEARING, moved, cells).sum()
    slopes = torch.autograd.grad(total_energy, [positions, strain])
    lattice = np.asarray(atoms.cell)
    assert relative_difference(-slopes[0], forces_by_differences(energy, atoms.positions, lattice)) < 1e-6
    assert relative_difference(-slopes[1], virial_by_differences(energy, atoms.positions, lattice, 3e-5)) < 1e-6


def test_response_is_potential_minus_its_mean(atoms):
    """The formula of training and LAMMPS: dE/d(raw charge) = phi_i - mean(phi), the rest at fixed charges."""
    batch = frame_to_batch(atoms, CUTOFF)
    vectors = batch.pair_vectors().requires_grad_()  # (n_pairs, 3)
    charges = charges_of(vectors, batch, 0.0)
    fixed = gaussian_charge_energy(batch, charges, SMEARING)
    response = fixed.potentials - fixed.potentials.mean()
    (gradients,) = torch.autograd.grad(charges, vectors, response)  # (n_pairs, 3)
    forces = fixed.forces.index_add(0, batch.pair_i, gradients).index_add(0, batch.pair_j, -gradients)

    positions = batch.positions.clone().requires_grad_()
    charges = charges_of(batch.pair_vectors(positions), batch, 0.0)
    (slope,) = torch.autograd.grad(long_range_energies(batch, charges, SMEARING, positions).sum(), positions)
    assert relative_difference(forces, -slope) < 1e-12
    assert relative_difference(fixed.forces, -slope) > 1e-2  # the response is no small matter


def test_gradients_of_a_batch():
    batches = [
        frame_to_batch(random_structure(n, ["Na", "Cl"], c, seed=n), 1.0) for n, c in ((3, np.eye(3) * 8.0), (4, None))
    ]
    batch = join_batches(batches)
    charges = torch.tensor([1.0, -0.5, 0.2, 0.7, -0.1, 0.4, -0.6], dtype=torch.float64, requires_grad=True)
    positions = batch.positions.clone().requires_grad_()
    cells = batch.cells.clone().requires_grad_()

    def weighted(charges, positions, cells) -> torch.Tensor:
        # The molecule's cell is not one of the variables.
        lattice = torch.stack([cells[0], batch.cells[1]])
        energies = long_range_energies(batch, charges, SMEARING, positions, lattice)
        return (energies * torch.tensor([1.0, -2.0], dtype=torch.float64)).sum()

    assert torch.autograd.gradcheck(weighted, (charges, positions, cells), eps=1e-5, atol=1e-6)


def test_second_derivatives_are_refused():
    batch = frame_to_batch(random_structure(3, ["Na", "Cl"], None, seed=1), 1.0)
    charges = torch.ones(3, dtype=torch.float64, requires_grad=True)
    energy = long_range_energies(batch, charges, 1.0).sum()
    with pytest.raises(RuntimeError, match="differentiable once"):
        torch.autograd.grad(energy, charges, create_graph=True)


def test_single_precision_charges_get_single_precision_gradients():
    batch = frame_to_batch(random_structure(3, ["Na", "Cl"], None, seed=1), 1.0)
    charges = torch.tensor([1.0, -1.0, 0.3], requires_grad=True)
    energies = long_range_energies(batch, charges, 1.0)
    energies.sum().backward()
    assert energies.dtype == torch.float64
    assert charges.grad is not None
    assert torch.allclose(charges.grad.double(), interaction_matrices(batch, 1.0).potential @ charges.detach().double())
