"""Potentials and fields of charges and dipoles: against the long-range energy, and each dipole as two charges."""

import numpy as np
import pytest
import torch
from torch import Tensor

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.model.terms.electrostatics import CoulombMatrices
from mliap_hybrid.physics import potentials_and_fields
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.physics.ewald_operator import EwaldSum
from mliap_hybrid.physics.interaction_matrices import interaction_matrices
from mliap_hybrid.physics.potentials_and_fields import isolated_potentials_and_fields, lattice_potentials_and_fields
from mliap_hybrid.structure import Batch, join_batches
from mliap_hybrid.testing.finite_differences import relative_difference
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure

SMEARING = 0.9
CELLS = {"triclinic": TRICLINIC_CELL, "long": np.diag([5.0, 6.0, 20.0]), "isolated": None}


def structure(cell: np.ndarray | None, n_atoms: int = 6) -> Batch:
    return frame_to_batch(random_structure(n_atoms, ["Na", "Cl"], cell, seed=3), cutoff=4.0)


@pytest.fixture(params=CELLS)
def batch(request) -> Batch:
    return structure(CELLS[request.param])


def random_charges(n_atoms: int) -> Tensor:
    """(n_atoms,) e, of a sum that is not zero."""
    return torch.randn(n_atoms, generator=torch.manual_seed(1), dtype=torch.float64) + 0.2


def random_dipoles(n_atoms: int) -> Tensor:
    """(n_atoms, 3) e Å."""
    return torch.randn(n_atoms, 3, generator=torch.manual_seed(2), dtype=torch.float64)


def solve(batch: Batch, positions: Tensor, charges: Tensor, dipoles: Tensor) -> tuple[Tensor, Tensor]:
    """Of any sites in the cell of a structure, or in none."""
    if batch.periodic.any():
        return lattice_potentials_and_fields(positions, charges, dipoles, batch.cells[0], SMEARING)
    return isolated_potentials_and_fields(positions, charges, dipoles, SMEARING)


def test_of_charges_they_are_those_of_the_energy(batch):
    """phi_i = dE/dq_i, and the force q_i E_i."""
    charges = random_charges(batch.n_atoms)
    potentials, fields = solve(batch, batch.positions, charges, torch.zeros_like(batch.positions))
    expected = gaussian_charge_energy(batch, charges, SMEARING)
    assert relative_difference(potentials, expected.potentials) < 1e-11
    assert relative_difference(charges[:, None] * fields, expected.forces) < 1e-10


def test_a_dipole_is_two_charges(batch):
    """Of +-|mu| / h, at h / 2 to both sides of the atom."""
    charges, dipoles, h = random_charges(batch.n_atoms), random_dipoles(batch.n_atoms), 5e-3
    lengths = dipoles.norm(dim=1, keepdim=True)  # (n_atoms, 1)
    arms, ends = 0.5 * h * dipoles / lengths, lengths[:, 0] / h  # (n_atoms, 3), (n_atoms,)
    sites = torch.cat([batch.positions, batch.positions + arms, batch.positions - arms])  # (3 n_atoms, 3)
    expected = solve(batch, sites, torch.cat([charges, ends, -ends]), torch.zeros_like(sites))
    found = solve(batch, batch.positions, charges, dipoles)
    of_charges = solve(batch, batch.positions, charges, torch.zeros_like(dipoles))
    for a, b, without in zip(found, expected, of_charges, strict=True):
        assert relative_difference(a, b[: batch.n_atoms]) < 1e-4
        assert relative_difference(a, without) > 0.1


def test_fields_are_minus_the_gradient_of_potentials(batch):
    """At an uncharged site, along a direction."""
    charges, dipoles = random_charges(batch.n_atoms), random_dipoles(batch.n_atoms)
    charges[0], dipoles[0] = 0.0, 0.0
    direction, h = torch.tensor([0.5, -0.7, 0.4], dtype=torch.float64), 1e-4
    ends = []
    for sign in (1.0, -1.0):
        positions = batch.positions.clone()
        positions[0] += sign * h * direction
        ends.append(float(solve(batch, positions, charges, dipoles)[0][0]))
    fields = solve(batch, batch.positions, charges, dipoles)[1]
    assert float(fields[0] @ direction) == pytest.approx(-(ends[0] - ends[1]) / (2 * h), rel=1e-6)


def test_charges_feel_dipoles_as_dipoles_feel_charges(batch):
    """Reciprocity: sum q phi(mu) = -sum mu.E(q)."""
    charges, dipoles = random_charges(batch.n_atoms), random_dipoles(batch.n_atoms)
    charges = charges - charges.mean()  # a background, which neutralises charges alone, has no field
    of_dipoles, _ = solve(batch, batch.positions, torch.zeros_like(charges), dipoles)
    _, of_charges = solve(batch, batch.positions, charges, torch.zeros_like(dipoles))
    assert float(charges @ of_dipoles) == pytest.approx(-float((dipoles * of_charges).sum()), rel=1e-11)


def test_chunks_do_not_matter(monkeypatch):
    batch = structure(TRICLINIC_CELL)
    charges, dipoles = random_charges(batch.n_atoms), random_dipoles(batch.n_atoms)
    whole = solve(batch, batch.positions, charges, dipoles)
    monkeypatch.setattr(potentials_and_fields, "CHUNK_ELEMENTS", 100)
    for a, b in zip(solve(batch, batch.positions, charges, dipoles), whole, strict=True):
        assert relative_difference(a, b) < 1e-12


def test_structures_of_a_batch_do_not_see_each_other():
    batches = [structure(TRICLINIC_CELL), structure(None, 4)]
    charges, dipoles = random_charges(10), random_dipoles(10)
    together = EwaldSum(join_batches(batches), SMEARING).potentials_and_fields(charges, dipoles)
    each = zip(batches, charges.split([6, 4]), dipoles.split([6, 4]), strict=True)
    alone = [solve(batch, batch.positions, q, mu) for batch, q, mu in each]
    for k in (0, 1):
        assert torch.equal(together[k], torch.cat([part[k] for part in alone]))
    slab = random_structure(3, ["Na", "Cl"], TRICLINIC_CELL, seed=1)
    slab.pbc = [True, True, False]
    with pytest.raises(InputError, match="periodic in 3 or 0 directions, found 2"):
        EwaldSum(frame_to_batch(slab, 4.0), SMEARING).potentials_and_fields(charges[:3])


def test_matrices_of_a_training_give_those_of_charges():
    """In single precision, of several structures."""
    batches = [structure(TRICLINIC_CELL), structure(None, 4)]
    charges = random_charges(10)
    matrices = CoulombMatrices.of([interaction_matrices(batch, SMEARING) for batch in batches])
    found = matrices.potentials_and_fields(charges.float())
    expected = EwaldSum(join_batches(batches), SMEARING).potentials_and_fields(charges)
    for a, b in zip(found, expected, strict=True):
        assert relative_difference(a, b) < 1e-5
    with pytest.raises(ValueError, match="expected charges alone"):
        matrices.potentials_and_fields(charges.float(), random_dipoles(10))
