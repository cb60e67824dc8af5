"""Energy of charges and dipoles: its derivatives, lattices of dipoles that are known, direct sums, other splittings."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from mliap_hybrid.neighbors import neighbor_pairs
from mliap_hybrid.physics import multipoles_isolated
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.physics.induction import pair_fields
from mliap_hybrid.physics.multipoles_batch import BatchMultipoles
from mliap_hybrid.physics.radial_derivatives import (
    point_radial,
    smeared_radial,
    smeared_radial_at_zero,
    thole_radial,
)
from mliap_hybrid.testing.finite_differences import forces_by_differences, relative_difference, virial_by_differences
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure
from mliap_hybrid.units import COULOMB_CONSTANT

N, SMEARING = 6, 0.9


def normal(*shape, seed):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def result_of(positions, cell, charges, dipoles, smearing=SMEARING):
    """Of one structure; `cell` None for a molecule."""
    periodic = torch.full((1, 3), cell is not None)
    box = torch.as_tensor(np.zeros((3, 3)) if cell is None else np.asarray(cell, dtype=float))[None]
    places = torch.as_tensor(np.asarray(positions, dtype=float))
    multipoles = BatchMultipoles(places, box, periodic, torch.tensor([len(places)]), smearing)
    return multipoles.result(charges, dipoles)


@pytest.mark.parametrize("cell", [TRICLINIC_CELL, None], ids=["crystal", "molecule"])
def test_forces_and_virial_are_derivatives_of_the_energy(cell):
    """At fixed charges and dipoles, with a net charge; the virial has nine different components."""
    atoms, charges, dipoles = random_structure(N, ["Na"], cell, seed=4), normal(N, seed=1) + 0.2, normal(N, 3, seed=2)

    def energy(positions, lattice):
        return float(result_of(positions, None if cell is None else lattice, charges, dipoles).energies.sum())

    found = result_of(atoms.positions, cell, charges, dipoles)
    forces = forces_by_differences(energy, atoms.positions, atoms.cell.array, step=1e-4)
    assert relative_difference(found.forces, forces) < 1e-7
    # Rows are those of places here, columns there.
    virial = virial_by_differences(energy, atoms.positions, atoms.cell.array, step=1e-5).T
    assert relative_difference(found.virials[0], virial) < 1e-7
    assert np.abs(virial - virial.T).max() > 0.1


@pytest.mark.parametrize("cell", [TRICLINIC_CELL, None], ids=["crystal", "molecule"])
def test_potentials_and_fields_are_derivatives_of_the_energy(cell):
    atoms, charges, dipoles = random_structure(N, ["Na"], cell, seed=4), normal(N, seed=1), normal(N, 3, seed=2)
    charges.requires_grad_()
    dipoles.requires_grad_()
    found = result_of(atoms.positions, cell, charges, dipoles)
    by_charges, by_dipoles = torch.autograd.grad(found.energies.sum(), [charges, dipoles])
    assert relative_difference(by_charges, found.potentials.detach()) < 1e-12
    assert relative_difference(by_dipoles, -found.fields.detach()) < 1e-12


def test_charges_alone_are_those_of_ewald(rng_batches):
    batch, charges = rng_batches
    counts = batch.atoms_per_structure()
    multipoles = BatchMultipoles(batch.positions, batch.cells, batch.periodic, counts, SMEARING)
    found = multipoles.result(charges, torch.zeros_like(batch.positions))
    expected = gaussian_charge_energy(batch, charges, SMEARING)
    assert relative_difference(batch.sum_over_structures(found.energies), expected.energies) < 1e-12
    assert relative_difference(found.forces, expected.forces) < 1e-11
    assert relative_difference(found.virials, expected.virials) < 1e-11


@pytest.fixture
def rng_batches():
    from mliap_hybrid.data.reading import frame_to_batch
    from mliap_hybrid.structure import join_batches

    frames = [random_structure(n, ["Na"], cell, seed=n) for n, cell in ((4, None), (6, TRICLINIC_CELL), (5, None))]
    return join_batches([frame_to_batch(atoms, 1.0) for atoms in frames]), normal(15, seed=3)


def energy_of_points(positions, cell, charges, dipoles, smearing, cutoff):
    """Gaussians in the whole crystal, and what points have more: pairs within the cutoff, less each atom itself."""
    gaussians = result_of(positions, cell, charges, dipoles, smearing)
    i, j, shifts = neighbor_pairs(np.asarray(positions), np.asarray(cell), [True] * 3, cutoff)
    places, box = torch.as_tensor(np.asarray(positions)), torch.as_tensor(np.asarray(cell))
    vectors = places[j] + shifts.double() @ box - places[i]
    distances = vectors.norm(dim=1)
    b0, b1, b2 = smeared_radial(distances, smearing, 2)
    more = [COULOMB_CONSTANT * (p - g) for p, g in zip(point_radial(distances), (b1, b2), strict=True)]
    along = (dipoles[j] * vectors).sum(1)
    potentials = COULOMB_CONSTANT * (1.0 / distances - b0) * charges[j] - more[0] * along
    fields = pair_fields(vectors, tuple(more), charges[j], dipoles[j])
    of_pairs = 0.5 * (charges[i] * potentials - (dipoles[i] * fields).sum(1)).sum()
    own = charges.square() * smeared_radial_at_zero(smearing, 0) + dipoles.square().sum(1) * smeared_radial_at_zero(
        smearing, 1
    )
    return float(gaussians.energies.sum() + of_pairs - 0.5 * COULOMB_CONSTANT * own.sum())


def test_the_splitting_width_does_not_matter():
    """Charges and dipoles as points in a triclinic cell: the width of the Gaussians drops out."""
    atoms = random_structure(N, ["Na"], TRICLINIC_CELL, seed=5)
    charges, dipoles = normal(N, seed=6), normal(N, 3, seed=7)
    charges -= charges.mean()
    energies = [
        energy_of_points(atoms.positions, TRICLINIC_CELL, charges, dipoles, smearing, 9.0 * smearing)
        for smearing in (0.5, 0.8, 1.1)
    ]
    assert energies[1] == pytest.approx(energies[0], rel=1e-11)
    assert energies[2] == pytest.approx(energies[0], rel=1e-11)


def in_lattice(positions, cell, dipoles):
    """Energy of a dipole in units of k_e mu^2 / a^3, a the lattice constant of 2 Å."""
    dipoles = torch.as_tensor(np.asarray(dipoles, dtype=float))
    energy = energy_of_points(
        np.asarray(positions) * 2.0, np.asarray(cell) * 2.0, torch.zeros(len(dipoles)).double(), dipoles, 0.25, 2.5
    )
    return energy / len(dipoles) / COULOMB_CONSTANT * 2.0**3


def test_lattices_of_dipoles_are_those_of_luttinger_and_tisza():
    """Phys. Rev. 70, 954 (1946): f of U = -f mu^2 / (2 a^3) is 5.351 where rows of one direction alternate in a simple
    cubic lattice; the sum over rows (n of each, out to six lattice constants) gives more digits. Cubic lattices with
    all dipoles parallel, in a conductor, have the field 4 pi / 3 of Lorentz.
    """
    unit = np.eye(3)
    rows = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]
    alternating = np.array([1.0, -1.0, -1.0, 1.0])[:, None] * [0.0, 0.0, 1.0]
    found = in_lattice(rows, np.diag([2.0, 2.0, 1.0]), alternating)
    assert found == pytest.approx(-0.5 * 5.351, abs=2e-3)
    x, y, z = np.meshgrid(np.arange(-6, 7), np.arange(-6, 7), np.arange(-3000, 3001), indexing="ij")
    distances = np.sqrt(x**2 + y**2 + z**2 + np.where(x**2 + y**2 + z**2 == 0, 1e60, 0.0))
    signs = np.where((x + y) % 2 == 0, 1.0, -1.0)
    assert found == pytest.approx(0.5 * np.sum(signs * (1.0 - 3.0 * (z / distances) ** 2) / distances**3), abs=2e-6)
    assert in_lattice([[0, 0, 0]], unit, [[0.0, 0.0, 1.0]]) == pytest.approx(-2.0 * np.pi / 3.0, abs=1e-9)
    centred = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    tilted = [[0.6, 0.0, 0.8]] * 4
    assert in_lattice(centred, unit, tilted) == pytest.approx(-4.0 * 2.0 * np.pi / 3.0, abs=1e-9)


def test_two_points_far_away_interact_as_the_textbook_says():
    """Charge and dipole -k_e q mu / r^2, two dipoles in a row -2 k_e mu^2 / r^3; charge and dipole fall as r^-2."""
    z = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).double()
    none = torch.zeros(2).double()
    self_energy = result_of([[0, 0, 0]], None, none[:1], z[1:]).energies.sum()
    for r in (12.0, 24.0):
        at = [[0, 0, 0], [0, 0, r]]
        charge = torch.tensor([1.0, 0.0]).double()
        of_charge = result_of([[0, 0, 0]], None, charge[:1], z[:1]).energies.sum()
        found = result_of(at, None, charge, z).energies.sum() - self_energy - of_charge
        assert float(found) == pytest.approx(-COULOMB_CONSTANT / r**2, rel=1e-10)
        found = result_of(at, None, none, z[1:].expand(2, 3)).energies.sum() - 2.0 * self_energy
        assert float(found) == pytest.approx(-2.0 * COULOMB_CONSTANT / r**3, rel=1e-10)


@pytest.mark.parametrize("cell", [TRICLINIC_CELL, None], ids=["crystal", "molecule"])
def test_all_of_it_turns_with_the_atoms(cell):
    atoms, charges, dipoles = random_structure(N, ["Na"], cell, seed=4), normal(N, seed=1), normal(N, 3, seed=2)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    found = result_of(atoms.positions, cell, charges, dipoles)
    box = None if cell is None else cell @ turn.T
    turned = result_of(atoms.positions @ turn.T, box, charges, dipoles @ torch.from_numpy(turn).T)
    assert relative_difference(turned.energies, found.energies) < 1e-12
    assert relative_difference(turned.forces, found.forces.numpy() @ turn.T) < 1e-12
    assert relative_difference(turned.virials[0], turn @ found.virials[0].numpy() @ turn.T) < 1e-12
    # A net torque on a molecule is that on its dipoles: nothing turns by itself.
    if cell is None:
        torques = np.cross(atoms.positions, found.forces) + np.cross(dipoles, found.fields)
        assert np.abs(torques.sum(0)).max() < 1e-10
        assert np.abs(found.forces.numpy().sum(0)).max() < 1e-12


def test_blocks_of_pairs_do_not_matter(monkeypatch):
    atoms, charges, dipoles = random_structure(N, ["Na"], None, seed=4), normal(N, seed=1), normal(N, 3, seed=2)
    expected = result_of(atoms.positions, None, charges, dipoles)
    monkeypatch.setattr(multipoles_isolated, "CHUNK_PAIRS", 7)
    found = result_of(atoms.positions, None, charges, dipoles)
    assert relative_difference(found.forces, expected.forces) < 1e-13
    assert relative_difference(found.fields, expected.fields) < 1e-13


def test_radial_parts_follow_from_each_other():
    """B_n = -B_{n-1}' / r, for Gaussians and for Thole's damping, whose first is 1 - exp(-v) over r^3."""
    r = torch.linspace(0.6, 4.0, 30, dtype=torch.float64, requires_grad=True)
    volumes = torch.full_like(r, 1.3).detach()
    for radial in (smeared_radial(r, 0.8, 3), list(thole_radial(r, volumes, 0.39))):
        for lower, higher in itertools.pairwise(radial):
            (derivative,) = torch.autograd.grad(lower.sum(), r, retain_graph=True)
            assert relative_difference(-derivative / r.detach(), higher.detach()) < 1e-10
    near = smeared_radial(torch.tensor([0.05]).double(), 0.8, 2)
    for n in range(3):
        assert float(near[n]) == pytest.approx(smeared_radial_at_zero(0.8, n), rel=5e-3)
    far = torch.tensor([30.0]).double()
    for found in (smeared_radial(far, 0.8, 2)[1:], thole_radial(far, torch.tensor([1.0]).double(), 0.39)):
        for value, point in zip(found, point_radial(far), strict=True):
            assert float(value) == pytest.approx(float(point), rel=1e-12)
