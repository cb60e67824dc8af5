"""The long-range term: whoever solves for it, with matrices of the training and without, it is the same energy."""

from __future__ import annotations

import pytest
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.model.terms.electrostatics import CoulombMatrices, Electrostatics
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.physics.ewald_operator import EwaldSum
from mliap_hybrid.physics.interaction_matrices import interaction_matrices
from mliap_hybrid.structure import Batch, join_batches
from mliap_hybrid.testing.finite_differences import relative_difference
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure

SMEARING = 0.9


@pytest.fixture(scope="module")
def batches() -> list[Batch]:
    """A crystal, a slab and a molecule."""
    slab = random_structure(5, ["Na", "Cl"], TRICLINIC_CELL, seed=2)
    slab.pbc = [True, False, True]
    frames = [random_structure(6, ["Na", "Cl"], TRICLINIC_CELL, seed=1), slab]
    return [frame_to_batch(atoms, 4.5) for atoms in [*frames, random_structure(4, ["Na", "Cl"], None, seed=3)]]


@pytest.fixture
def charges() -> torch.Tensor:
    return torch.randn(15, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def matrices_of(batches: list[Batch], with_virials: bool = True) -> CoulombMatrices:
    """In double precision."""
    return CoulombMatrices(tuple(interaction_matrices(batch, SMEARING, with_virials) for batch in batches))


def test_energies_of_atoms_sum_up_to_those_of_structures(batches, charges):
    batch = join_batches(batches)
    expected = gaussian_charge_energy(batch, charges, SMEARING)
    found = Electrostatics(SMEARING).contribution(batch.geometry(), {"charge": charges})
    torch.testing.assert_close(batch.sum_over_structures(found.energies), expected.energies, rtol=0, atol=1e-11)
    torch.testing.assert_close(found.energies, 0.5 * charges * expected.potentials)
    assert torch.equal(found.forces, expected.forces)
    assert torch.equal(found.virials, expected.virials)
    assert torch.equal(found.parameter_gradients["charge"], expected.potentials)
    assert torch.equal(Electrostatics(SMEARING).energy(batch.geometry(), {"charge": charges}), found.energies)


def test_matrices_solve_as_the_sum_does(batches, charges):
    batch = join_batches(batches)
    found, expected = matrices_of(batches).solve(charges), EwaldSum(batch, SMEARING).solve(charges)
    for name in ("energies", "potentials", "forces", "virials"):
        assert relative_difference(getattr(found, name), getattr(expected, name)) < 1e-11, name


def test_potentials_and_fields_of_matrices(batches, charges):
    """Those of the exact sum, and of slabs, which it leaves out, those that give the forces."""
    potentials, fields = matrices_of(batches).potentials_and_fields(charges)
    expected = gaussian_charge_energy(join_batches(batches), charges, SMEARING)
    assert relative_difference(potentials, expected.potentials) < 1e-11
    assert relative_difference(charges[:, None] * fields, expected.forces) < 1e-11
    whole = [batches[0], batches[2]]
    chosen = torch.cat([charges[:6], charges[11:]])
    by_matrices = matrices_of(whole).potentials_and_fields(chosen)
    by_sum = EwaldSum(join_batches(whole), SMEARING).potentials_and_fields(chosen)
    for found, exact in zip(by_matrices, by_sum, strict=True):
        assert relative_difference(found, exact) < 1e-11
    with pytest.raises(ValueError, match="interaction matrices hold no dipoles"):
        matrices_of(whole).potentials_and_fields(chosen, torch.zeros(10, 3))


def test_fields_of_matrices_carry_gradients(batches, charges):
    charges.requires_grad_()
    potentials, fields = matrices_of(batches).potentials_and_fields(charges)
    weights = torch.randn(15, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (found,) = torch.autograd.grad((weights * fields).sum() + potentials.square().sum(), charges)
    direction, ends = torch.randn(15, generator=torch.Generator().manual_seed(2), dtype=torch.float64), []
    for step in (1e-5, -1e-5):
        moved = matrices_of(batches).potentials_and_fields(charges.detach() + step * direction)
        ends.append(float((weights * moved[1]).sum() + moved[0].square().sum()))
    assert float(found @ direction) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-7)


def test_constants_of_the_term_are_these_matrices_made_small(batches, charges):
    term = Electrostatics(SMEARING)
    for with_virials in (True, False):
        each = [term.constants(batch.geometry(), with_virials) for batch in batches]
        constants = each[0].followed_by(each[1:])
        n_atoms = [batch.n_atoms for batch in batches]
        assert constants.n_bytes == term.memory_of_constants(n_atoms, with_virials) == sum(m.n_bytes for m in each)
        assert all(m.potential.dtype == torch.float32 for m in constants.matrices)
        geometry, values = join_batches(batches).geometry(), {"charge": charges.float()}
        found, expected = term.contribution(geometry, values, constants), term.contribution(geometry, values)
        for name in ("energies", "forces", "virials")[: 2 + with_virials]:
            assert relative_difference(getattr(found, name), getattr(expected, name)) < 1e-5, name
        if not with_virials:
            assert not found.virials.any()


def test_contributions_with_matrices_are_differentiable(batches, charges):
    """Training differentiates energies and forces by the charges."""
    term, geometry = Electrostatics(SMEARING), join_batches(batches).geometry()
    charges.requires_grad_()

    def loss(values):
        found = term.contribution(geometry, {"charge": values}, matrices_of(batches))
        terms = (found.energies, found.forces, found.virials, found.parameter_gradients["charge"])
        return sum(part.square().sum() for part in terms)

    (gradient,) = torch.autograd.grad(loss(charges), charges)
    direction = torch.randn(15, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    up, down = (float(loss(charges.detach() + step * direction)) for step in (1e-5, -1e-5))
    assert float(gradient @ direction) == pytest.approx((up - down) / 2e-5, rel=1e-7)
