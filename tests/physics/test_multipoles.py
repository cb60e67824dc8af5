"""Potentials and fields of charges and dipoles: against energies, other sums, other codes, and pairs of charges."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.physics import multipoles_lattice
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.physics.ewald_operator import EwaldSum
from mliap_hybrid.physics.interaction_matrices import interaction_matrices
from mliap_hybrid.physics.multipoles_isolated import IsolatedMultipoles
from mliap_hybrid.physics.multipoles_lattice import LatticeMultipoles
from mliap_hybrid.structure import Batch, join_batches
from mliap_hybrid.testing.finite_differences import relative_difference
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure
from mliap_hybrid.units import COULOMB_CONSTANT

CELLS = {"cubic": np.eye(3) * 8.0, "triclinic": TRICLINIC_CELL, "isolated": None}
SMEARING = 0.9
N = 6


@pytest.fixture(params=CELLS)
def cell(request):
    return CELLS[request.param]


def atoms_in(cell, n_atoms=N, seed=11):
    return random_structure(n_atoms, ["Na", "Cl"], cell, seed=seed)


def normal(*shape, seed):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def batch_of(positions, cell) -> Batch:
    atoms = Atoms("H" * len(positions), positions=np.asarray(positions), cell=cell, pbc=cell is not None)
    return frame_to_batch(atoms, 1.0)


def solve(positions, cell, charges, dipoles=None):
    """Potentials (n,) and fields (n, 3) at all positions."""
    positions = torch.as_tensor(positions)
    dipoles = torch.zeros_like(positions) if dipoles is None else dipoles
    return sum_of(positions, cell).potentials_and_fields(charges, dipoles)


def sum_of(positions, cell, smearing=SMEARING):
    if cell is None:
        return IsolatedMultipoles(positions, torch.tensor([len(positions)]), smearing)
    return LatticeMultipoles(positions, torch.as_tensor(cell), smearing)


def as_two_charges(positions, charges, dipoles, distance=2e-3):
    """Each charge, and each dipole as two charges `distance` apart: (3 n, 3) and (3 n,), those of the atoms first."""
    arms = dipoles / dipoles.norm(dim=1, keepdim=True) * 0.5 * distance  # (n, 3)
    strengths = dipoles.norm(dim=1) / distance  # (n,)
    return torch.cat([positions, positions + arms, positions - arms]), torch.cat([charges, strengths, -strengths])


def test_potentials_of_charges_are_derivatives_of_their_energy(cell):
    """Those of ewald.py, which are checked there; a charged cell has its background."""
    atoms, charges = atoms_in(cell), normal(N, seed=1) + 0.2
    expected = gaussian_charge_energy(frame_to_batch(atoms, 1.0), charges, SMEARING)
    potentials, fields = solve(atoms.positions, cell, charges)
    assert relative_difference(potentials, expected.potentials) < 1e-12
    assert relative_difference(charges[:, None] * fields, expected.forces) < 1e-11
    steps = 1e-4 * torch.eye(N, dtype=torch.float64)
    batch = frame_to_batch(atoms, 1.0)
    for i in range(N):
        up, down = (
            float(gaussian_charge_energy(batch, charges + sign * steps[i], SMEARING).energies) for sign in (1, -1)
        )
        assert float(potentials[i]) == pytest.approx((up - down) / 2e-4, abs=1e-7)


def test_matrices_say_the_same(cell):
    atoms, charges = atoms_in(cell), normal(N, seed=2)
    matrices = interaction_matrices(frame_to_batch(atoms, 1.0), SMEARING)
    potentials, fields = solve(atoms.positions, cell, charges)
    assert relative_difference(potentials, matrices.potential @ charges) < 1e-12
    assert relative_difference(fields, -torch.einsum("ijx,j->ix", matrices.field, charges)) < 1e-11


def test_fields_are_gradients_of_the_potential(cell):
    """Of charges and dipoles, at a probe without either."""
    positions, step = torch.tensor(atoms_in(cell).positions), 1e-4
    charges, dipoles = normal(N, seed=3), normal(N, 3, seed=4)
    charges[-1], dipoles[-1] = 0.0, 0.0

    def at(place):
        potentials, fields = solve(torch.cat([positions[:-1], place[None]]), cell, charges, dipoles)
        return potentials[-1], fields[-1]

    _, field = at(positions[-1])
    for x in range(3):
        moved = step * torch.eye(3, dtype=torch.float64)[x]
        derivative = (at(positions[-1] + moved)[0] - at(positions[-1] - moved)[0]) / (2 * step)
        assert float(field[x]) == pytest.approx(-float(derivative), abs=1e-6)


def test_a_dipole_is_the_limit_of_two_charges(cell):
    """At its own centre, too, where the potential is none and the field that of its own Gaussian."""
    positions = torch.tensor(atoms_in(cell).positions)
    charges, dipoles = normal(N, seed=5), normal(N, 3, seed=6)
    potentials, fields = solve(positions, cell, charges, dipoles)
    expected = [part[:N] for part in solve(*as_two_charges_in(positions, charges, dipoles, cell))]
    assert relative_difference(potentials, expected[0]) < 2e-6
    assert relative_difference(fields, expected[1]) < 2e-6
    # The error of two charges falls with the square of their distance.
    nearer = [part[:N] for part in solve(*as_two_charges_in(positions, charges, dipoles, cell, 1e-3))]
    for found, far, near in zip((potentials, fields), expected, nearer, strict=True):
        assert float((found - far).norm() / (found - near).norm()) == pytest.approx(4.0, rel=0.05)


def as_two_charges_in(positions, charges, dipoles, cell, distance=2e-3):
    places, values = as_two_charges(positions, charges, dipoles, distance)
    return places, cell, values


def test_energy_of_two_atoms_is_that_of_one_in_what_the_other_makes(cell):
    """q phi - mu.E, against the energy of ewald.py with two charges for each dipole, less that of each atom alone."""
    positions = torch.tensor(atoms_in(cell, 2, seed=3).positions)
    charges, dipoles = normal(2, seed=7), normal(2, 3, seed=8)
    energies = []
    for chosen in ([0, 1], [0], [1]):
        places, values = as_two_charges(positions[chosen], charges[chosen], dipoles[chosen], 1e-2)
        energies.append(float(gaussian_charge_energy(batch_of(places, cell), values, SMEARING).energies[0]))
    between = energies[0] - energies[1] - energies[2]
    others = torch.tensor([0.0, 1.0], dtype=torch.float64)
    for here in (0, 1):
        there = (others == 1.0) if here == 0 else (others == 0.0)
        potentials, fields = solve(positions, cell, charges * there, dipoles * there[:, None])
        found = charges[here] * potentials[here] - dipoles[here] @ fields[here]
        assert float(found) == pytest.approx(between, rel=1e-4)


def test_who_acts_is_acted_upon(cell):
    """sum q' phi(q, mu) - mu'.E(q, mu) stays the same when the two sets change places: U is a symmetric form."""
    positions = torch.tensor(atoms_in(cell).positions)
    (q, mu), (q2, mu2) = ((normal(N, seed=s), normal(N, 3, seed=s + 1)) for s in (20, 30))

    def work(q_of, mu_of, q_in, mu_in):
        potentials, fields = solve(positions, cell, q_of, mu_of)
        return float(q_in @ potentials - (mu_in * fields).sum())

    assert work(q, mu, q2, mu2) == pytest.approx(work(q2, mu2, q, mu), rel=1e-12)


def test_polarising_costs_energy(cell):
    """The energy of Gaussians is an integral of the squared field: none of dipoles alone is negative."""
    positions, rows = torch.tensor(atoms_in(cell).positions), []
    for unit in torch.eye(3 * N, dtype=torch.float64):
        _, fields = solve(positions, cell, torch.zeros(N, dtype=torch.float64), unit.view(N, 3))
        rows.append(-fields.flatten())
    matrix = torch.stack(rows)
    torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=1e-12)
    assert float(torch.linalg.eigvalsh(matrix).min()) > 0.0


def test_supercells_and_moves_change_nothing():
    atoms, charges, dipoles = atoms_in(TRICLINIC_CELL), normal(N, seed=9), normal(N, 3, seed=10)
    potentials, fields = solve(atoms.positions, TRICLINIC_CELL, charges, dipoles)
    doubled = atoms.repeat((1, 2, 1))
    twice = solve(doubled.positions, doubled.cell.array, charges.repeat(2), dipoles.repeat(2, 1))
    torch.testing.assert_close(twice[0], potentials.repeat(2), rtol=0, atol=1e-11)
    torch.testing.assert_close(twice[1], fields.repeat(2, 1), rtol=0, atol=1e-11)
    atoms.positions += [10.3, -5.1, 7.7]
    atoms.wrap()
    moved = solve(atoms.positions, TRICLINIC_CELL, charges, dipoles)
    torch.testing.assert_close(moved[0], potentials, rtol=0, atol=1e-11)
    torch.testing.assert_close(moved[1], fields, rtol=0, atol=1e-11)


def test_a_molecule_in_a_large_cell_feels_the_field_of_its_images():
    """In a cubic cell of volume V, a neutral molecule of moment M has the field 4 pi k_e M / (3 V) more than alone."""
    positions = torch.tensor(atoms_in(None).positions)
    charges, dipoles = normal(N, seed=12), 0.3 * normal(N, 3, seed=13)
    charges -= charges.mean()
    moment = charges @ positions + dipoles.sum(0)  # (3,)
    _, alone = solve(positions, None, charges, dipoles)
    errors = []
    for edge in (20.0, 40.0):
        _, fields = solve(positions, edge * np.eye(3), charges, dipoles)
        expected = 4.0 * np.pi * COULOMB_CONSTANT * moment / (3.0 * edge**3)
        errors.append(relative_difference(fields - alone, expected.expand(N, 3)))
    assert errors[1] < 0.1
    assert errors[1] < 0.5 * errors[0]  # the next moments


def test_torch_pme_says_the_same():
    """Its potential at a probe, and the gradient of that, of charges and of dipoles as pairs of charges."""
    torchpme = pytest.importorskip("torchpme")
    positions = torch.tensor(atoms_in(TRICLINIC_CELL).positions)
    charges, dipoles = normal(N, seed=14), normal(N, 3, seed=15)
    charges[-1], dipoles[-1] = 0.0, 1e-30  # the probe
    charges[:-1] -= charges[:-1].mean()
    potentials, fields = solve(positions, TRICLINIC_CELL, charges, dipoles)

    places, values = as_two_charges(positions, charges, dipoles)
    places = torch.cat([places[: N - 1], places[N:], places[N - 1 : N]]).requires_grad_()
    values = torch.cat([values[: N - 1], values[N:], values[N - 1 : N]])
    # The reciprocal half of its sum has erf(r / (sqrt2 s)) / r, and half of the potential.
    potential = torchpme.CoulombPotential(smearing=SMEARING)
    calculator = torchpme.EwaldCalculator(potential, lr_wavelength=0.35, full_neighbor_list=True).to(torch.float64)
    empty = torch.zeros((0, 2), dtype=torch.int64)
    halves = calculator(
        values[:, None], torch.tensor(TRICLINIC_CELL), places, empty, torch.zeros(0, dtype=torch.float64)
    )  # (n, 1)
    at_probe = 2.0 * COULOMB_CONSTANT * halves[-1, 0]
    (gradients,) = torch.autograd.grad(at_probe, places)
    assert float(potentials[-1]) == pytest.approx(float(at_probe.detach()), abs=1e-5)
    torch.testing.assert_close(fields[-1], -gradients[-1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 500])
def test_chunks_do_not_matter(chunk, monkeypatch):
    atoms, charges, dipoles = atoms_in(TRICLINIC_CELL), normal(N, seed=16), normal(N, 3, seed=17)
    expected = solve(atoms.positions, TRICLINIC_CELL, charges, dipoles)
    monkeypatch.setattr(multipoles_lattice, "CHUNK_ELEMENTS", chunk * N)
    for kept in (12_000_000, 0):
        monkeypatch.setattr(multipoles_lattice, "KEPT_ELEMENTS", kept)
        for found, whole in zip(solve(atoms.positions, TRICLINIC_CELL, charges, dipoles), expected, strict=True):
            torch.testing.assert_close(found, whole, rtol=0, atol=1e-11)


def test_atoms_spread_over_processors():
    """Three threads stand for processors, the last one without atoms."""
    atoms = atoms_in(TRICLINIC_CELL, 12, seed=8)
    positions, cell = torch.tensor(atoms.positions), torch.tensor(TRICLINIC_CELL)
    charges, dipoles = normal(12, seed=18), normal(12, 3, seed=19)
    expected = solve(positions, cell, charges, dipoles)
    parts = [slice(0, 5), slice(5, 12), slice(12, 12)]
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
        part = LatticeMultipoles(positions[own], cell, SMEARING, reduce)
        return (*part.potentials_and_fields(charges[own], dipoles[own]), part.virials(charges[own], dipoles[own], None))

    with ThreadPoolExecutor(len(parts)) as pool:
        results = list(pool.map(on, range(len(parts))))
    for k in (0, 1):
        found = torch.cat([result[k] for result in results])
        torch.testing.assert_close(found, expected[k], rtol=0, atol=1e-11)
    whole = sum_of(positions, cell).virials(charges, dipoles, None)
    for result in results:
        torch.testing.assert_close(result[2], whole, rtol=0, atol=1e-10)


class TestExactOperator:
    """`EwaldSum`: the same for the structures of a batch."""

    @pytest.fixture
    def batch(self):
        frames = [atoms_in(TRICLINIC_CELL), atoms_in(None, 4, seed=2), atoms_in(CELLS["cubic"], 5, seed=3)]
        return join_batches([frame_to_batch(atoms, 1.0) for atoms in frames])

    def test_structures_do_not_see_each_other(self, batch):
        charges, dipoles = normal(15, seed=21), normal(15, 3, seed=22)
        potentials, fields = EwaldSum(batch, SMEARING).potentials_and_fields(charges, dipoles)
        for own, cell in ((slice(0, 6), TRICLINIC_CELL), (slice(6, 10), None), (slice(10, 15), CELLS["cubic"])):
            expected = solve(batch.positions[own], cell, charges[own], dipoles[own])
            torch.testing.assert_close(potentials[own], expected[0])
            torch.testing.assert_close(fields[own], expected[1])

    def test_solve_and_fields_belong_together(self, batch):
        charges = normal(15, seed=23)
        operator = EwaldSum(batch, SMEARING)
        solution = operator.solve(charges)
        potentials, fields = operator.potentials_and_fields(charges)
        torch.testing.assert_close(solution.potentials, potentials, rtol=0, atol=1e-10)
        torch.testing.assert_close(solution.energies, 0.5 * charges * potentials, rtol=0, atol=1e-10)
        torch.testing.assert_close(solution.forces, charges[:, None] * fields, rtol=0, atol=1e-10)

    def test_charges_and_dipoles_carry_gradients(self, batch):
        """Of U = 1/2 (q phi - mu.E), phi is the one by charges and -E the one by dipoles."""
        charges, dipoles = normal(15, seed=24).requires_grad_(), normal(15, 3, seed=25).requires_grad_()
        potentials, fields = EwaldSum(batch, SMEARING).potentials_and_fields(charges, dipoles)
        energy = 0.5 * (charges @ potentials - (dipoles * fields).sum())
        by_charges, by_dipoles = torch.autograd.grad(energy, [charges, dipoles])
        torch.testing.assert_close(by_charges, potentials.detach(), rtol=0, atol=1e-10)
        torch.testing.assert_close(by_dipoles, -fields.detach(), rtol=0, atol=1e-10)

    def test_slabs_are_refused(self):
        atoms = atoms_in(TRICLINIC_CELL)
        atoms.pbc = [True, True, False]
        operator = EwaldSum(frame_to_batch(atoms, 1.0), SMEARING)
        with pytest.raises(InputError, match="periodic in 3 or 0 directions, found 2"):
            operator.potentials_and_fields(normal(N, seed=0))
