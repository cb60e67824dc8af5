"""The matrices give back the long-range term and are each other's derivatives."""

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.physics import interaction_lattice
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.physics.interaction_matrices import interaction_matrices
from mliap_hybrid.structure import join_batches
from mliap_hybrid.testing.finite_differences import relative_difference
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure

CELLS = {"cubic": np.eye(3) * 8.0, "triclinic": TRICLINIC_CELL, "isolated": None}
SMEARING = 0.9


@pytest.fixture(params=[*CELLS, "slab"])
def atoms(request) -> Atoms:
    found = random_structure(6, ["Na", "Cl"], CELLS.get(request.param, TRICLINIC_CELL), seed=11)
    if request.param == "slab":
        found.pbc = [True, False, True]
    return found


def charges_of(n_atoms: int, total: float = 0.7) -> torch.Tensor:
    charges = torch.from_numpy(np.random.default_rng(4).normal(size=n_atoms))
    return charges + (total - charges.sum()) / n_atoms


def test_charges_times_matrices_are_the_long_range_term(atoms):
    batch = frame_to_batch(atoms, 1.0)
    q = charges_of(batch.n_atoms)
    matrices = interaction_matrices(batch, SMEARING)
    expected = gaussian_charge_energy(batch, q, SMEARING)
    energy = 0.5 * q @ matrices.potential @ q
    forces = -q[:, None] * torch.einsum("ijx,j->ix", matrices.field, q)
    virial = 0.5 * torch.einsum("i,j,ijxy->xy", q, q, matrices.virial)
    assert float(energy) == pytest.approx(float(expected.energies[0]), abs=1e-11)
    assert relative_difference(matrices.potential @ q, expected.potentials) < 1e-12
    assert relative_difference(forces, expected.forces) < 1e-11
    assert relative_difference(virial, expected.virials[0]) < 1e-11


def test_field_and_virial_are_derivatives_of_the_potential_matrix(atoms):
    matrices = interaction_matrices(frame_to_batch(atoms, 1.0), SMEARING)

    def potential(positions, cell) -> torch.Tensor:
        moved = Atoms(atoms.numbers, positions=positions, cell=cell, pbc=atoms.pbc)
        return interaction_matrices(frame_to_batch(moved, 1.0), SMEARING, with_virial=False).potential

    step = 1e-4
    cell, i = np.asarray(atoms.cell), 2
    for x in range(3):
        up, down = atoms.positions.copy(), atoms.positions.copy()
        up[i, x] += step
        down[i, x] -= step
        derivative = (potential(up, cell) - potential(down, cell))[i] / (2.0 * step)  # (n_atoms,)
        assert float((derivative - matrices.field[i, :, x]).abs().max()) < 1e-6
    for x, y in np.ndindex(3, 3):
        ends = []
        for sign in (1.0, -1.0):
            strain = np.eye(3)
            strain[x, y] += sign * step
            ends.append(potential(atoms.positions @ strain.T, cell @ strain.T))
        derivative = (ends[0] - ends[1]) / (2.0 * step)  # (n_atoms, n_atoms)
        assert float((derivative + matrices.virial[:, :, x, y]).abs().max()) < 2e-6


def test_symmetries(atoms):
    matrices = interaction_matrices(frame_to_batch(atoms, 1.0), SMEARING)
    assert torch.allclose(matrices.potential, matrices.potential.T, rtol=0, atol=1e-12)
    assert torch.allclose(matrices.field, -matrices.field.transpose(0, 1), rtol=0, atol=1e-12)
    assert torch.allclose(matrices.virial, matrices.virial.transpose(0, 1), rtol=0, atol=1e-12)
    # The energy is an integral of the squared field: no set of charges that sum to zero has a negative one.
    neutral = torch.eye(6, dtype=torch.float64) - 1.0 / 6.0
    assert float(torch.linalg.eigvalsh(neutral @ matrices.potential @ neutral).min()) > -1e-10


def test_the_split_between_pairs_and_waves_does_not_matter(atoms, monkeypatch):
    q = charges_of(6)
    batch = frame_to_batch(atoms, 1.0)
    found = []
    for fraction in (0.0, 0.12, 0.3):
        monkeypatch.setattr(interaction_lattice, "SCREENING_FRACTION", fraction)
        matrices = interaction_matrices(batch, SMEARING)
        found.append((matrices.potential @ q, matrices.field.sum(1), matrices.virial.sum((0, 1))))
    for other in found[1:]:
        for value, reference in zip(other, found[0], strict=True):
            assert relative_difference(value, reference) < 1e-11


def test_refusals():
    atoms = random_structure(4, ["Na", "Cl"], CELLS["cubic"], seed=1)
    batch = frame_to_batch(atoms, 1.0)
    with pytest.raises(ValueError, match="one structure, got 2"):
        interaction_matrices(join_batches([batch, batch]), SMEARING)
    atoms.pbc = [True, False, False]
    with pytest.raises(InputError, match="periodic in 1 direction"):
        interaction_matrices(frame_to_batch(atoms, 1.0), SMEARING)
    assert interaction_matrices(batch, SMEARING, with_virial=False).virial is None
