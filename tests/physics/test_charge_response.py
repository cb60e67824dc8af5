"""Exact forces of charges that follow the atoms, from the energy at fixed charges and its potentials."""

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.structure import Batch
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


def unconstrained_charges(pair_vectors: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Charges that grow with a smooth count of neighbours: (n_atoms,) e."""
    distances = pair_vectors.norm(dim=1)  # (n_pairs,)
    window = (1.0 - (distances / CUTOFF) ** 2).clamp(min=0.0) ** 3
    counts = window.new_zeros(batch.n_atoms).index_add(0, batch.pair_i, window)  # (n_atoms,)
    return torch.where(batch.numbers == 11, 0.8, -0.9) + torch.where(batch.numbers == 11, 0.5, -0.2) * counts


def shifted(unconstrained: torch.Tensor, total: float) -> torch.Tensor:
    """The charges (n_atoms,) with the right sum."""
    return unconstrained + (total - unconstrained.sum()) / len(unconstrained)


@pytest.mark.parametrize("total", [0.0, 1.0], ids=["neutral", "charged"])
def test_forces_and_virial_of_charges_that_follow_the_atoms(atoms, total):
    """The formula of training and LAMMPS: dE/d(unconstrained charge) = phi_i - mean(phi), the rest at fixed charges."""

    def energy(positions, lattice) -> float:
        batch = frame_to_batch(Atoms(atoms.numbers, positions=positions, cell=lattice, pbc=atoms.pbc), CUTOFF)
        charges = shifted(unconstrained_charges(batch.pair_vectors(), batch), total)
        return float(gaussian_charge_energy(batch, charges, SMEARING).energies[0])

    batch = frame_to_batch(atoms, CUTOFF)
    vectors = batch.pair_vectors().requires_grad_()  # (n_pairs, 3)
    unconstrained = unconstrained_charges(vectors, batch)  # (n_atoms,)
    fixed = gaussian_charge_energy(batch, shifted(unconstrained, total).detach(), SMEARING)
    response = fixed.potentials - fixed.potentials.mean()
    (gradients,) = torch.autograd.grad(unconstrained, vectors, response)  # (n_pairs, 3)
    forces = fixed.forces.index_add(0, batch.pair_i, gradients).index_add(0, batch.pair_j, -gradients)
    virial = fixed.virials[0] - vectors.detach().T @ gradients

    lattice = np.asarray(atoms.cell)
    expected = forces_by_differences(energy, atoms.positions, lattice)
    assert relative_difference(forces, expected) < 1e-6
    assert relative_difference(fixed.forces, expected) > 1e-2  # the response is no small matter
    assert relative_difference(virial, virial_by_differences(energy, atoms.positions, lattice, 3e-5)) < 1e-6
