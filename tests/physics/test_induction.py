"""Induced dipoles: dense solutions, published polarisabilities, many bodies, and that they cannot run away."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.none import NoFeatures
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.terms.dipoles import Dipoles
from mliap_hybrid.model.terms.standard import element_parameter
from mliap_hybrid.physics.conjugate_gradients import conjugate_gradients, with_response
from mliap_hybrid.physics.damping import GaussianDamping, TholeDamping
from mliap_hybrid.testing.finite_differences import relative_difference
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure
from mliap_hybrid.units import COULOMB_CONSTANT, KCAL_PER_MOL

OF_ATOMS = {1: 0.496, 6: 1.334, 7: 1.073, 8: 0.837}
"""Å^3."""
DAMPINGS = {"thole": TholeDamping(0.39), "gaussian": GaussianDamping(0.6)}
each_damping = pytest.mark.parametrize("damping", DAMPINGS)


def model_of(charges, polarisabilities, damping, cutoff=30.0, reach=None, strengths=None, tolerance=1e-12):
    """Dipoles alone."""
    elements = sorted(charges)
    parameters = [
        element_parameter("charge", "e", charges, tuple(elements)),
        element_parameter("polarisability", "Å^3", polarisabilities, tuple(elements)),
    ]
    if reach is not None:
        parameters.append(element_parameter("bond_dipole", "e", strengths, tuple(elements)))
    term = Dipoles(cutoff, 0.9, reach, DAMPINGS[damping], tolerance)
    return HybridModel(NoFeatures(elements, cutoff), [term], parameters).double()


def solved(model, atoms):
    """Energy, eV, and dipoles (n_atoms, 3), e Å."""
    batch = frame_to_batch(atoms, model.cutoff)
    total = Evaluator(model).total(batch.geometry())
    return float(total.energies.sum()), total.dipoles.numpy()


def kernels(damping, r, alpha_i, alpha_j):
    """l_3 and l_5 by hand, of one pair."""
    if damping == "thole":
        v = 0.39 * r**3 / np.sqrt(alpha_i * alpha_j)
        return 1.0 - np.exp(-v), 1.0 - (1.0 + v) * np.exp(-v)
    from math import erf

    x = r / np.sqrt(2.0 * 0.36 * (alpha_i ** (2.0 / 3.0) + alpha_j ** (2.0 / 3.0)))
    l3 = erf(x) - 2.0 / np.sqrt(np.pi) * x * np.exp(-(x**2))
    return l3, l3 - 4.0 / (3.0 * np.sqrt(np.pi)) * x**3 * np.exp(-(x**2))


def by_hand(damping, positions, alphas, charges=None):
    """The matrix A (3 n, 3 n) and the field of the charges (3 n,), from damped tensors of pairs, without k_e."""
    n = len(positions)
    matrix, field = np.zeros((n, 3, n, 3)), np.zeros((n, 3))
    for i, j in itertools.product(range(n), repeat=2):
        if i == j:
            matrix[i, :, i] = np.eye(3) / alphas[i]
            continue
        vector = positions[i] - positions[j]
        r = np.linalg.norm(vector)
        l3, l5 = kernels(damping, r, alphas[i], alphas[j])
        matrix[i, :, j] = l3 / r**3 * np.eye(3) - 3.0 * l5 / r**5 * np.outer(vector, vector)
        if charges is not None:
            field[i] += charges[j] * l3 / r**3 * vector
    return matrix.reshape(3 * n, 3 * n), field.ravel()


@each_damping
def test_a_molecule_has_the_dipoles_of_a_dense_solution(damping):
    atoms = random_structure(9, ["O", "H", "C"], None, seed=3, closest=1.0)
    charges, alphas = {1: 0.3, 6: 0.1, 8: -0.4}, {z: OF_ATOMS[z] for z in (1, 6, 8)}
    energy, dipoles = solved(model_of(charges, alphas, damping), atoms)
    values = [np.array([table[z] for z in atoms.numbers]) for table in (alphas, charges)]
    matrix, field = by_hand(damping, atoms.positions, *values)
    expected = np.linalg.solve(matrix, field)
    np.testing.assert_allclose(dipoles.ravel(), expected, rtol=0, atol=1e-10)
    assert energy == pytest.approx(-0.5 * COULOMB_CONSTANT * field @ expected, abs=1e-9)


@each_damping
def test_a_crystal_has_the_dipoles_of_a_dense_solution(damping, monkeypatch):
    """Its matrix, column by column: symmetric, positive, and solved to the tolerance that was asked for."""
    atoms = random_structure(8, ["O", "H"], TRICLINIC_CELL, seed=6, closest=1.8)
    model = model_of({1: 0.4, 8: -0.4}, {1: 0.5, 8: 0.9}, damping, cutoff=6.0, tolerance=1e-8)
    seen = {}

    def dense(apply, right, *rest):
        columns = [apply(unit.view(-1, 3)).flatten() for unit in torch.eye(right.numel(), dtype=torch.float64)]
        seen["matrix"] = torch.stack(columns, dim=1)
        seen["exact"] = torch.linalg.solve(seen["matrix"], right.flatten()).view(-1, 3)
        seen["found"] = conjugate_gradients(apply, right, *rest)
        return seen["found"]

    monkeypatch.setattr("mliap_hybrid.model.terms.dipoles.conjugate_gradients", dense)
    solved(model, atoms)
    assert relative_difference(seen["matrix"], seen["matrix"].T) < 1e-12
    assert float(torch.linalg.eigvalsh(seen["matrix"]).min()) > 0.0
    assert relative_difference(seen["found"], seen["exact"]) < 1e-8


def polarisability(damping, atoms):
    """Eigenvalues (3,), Å^3, ascending, of the tensor of a molecule."""
    matrix, _ = by_hand(damping, atoms.positions, [OF_ATOMS[z] for z in atoms.numbers])
    n = len(atoms)
    return np.linalg.eigvalsh(np.linalg.inv(matrix).reshape(n, 3, n, 3).sum((0, 2)))


def water(angle=108.5, length=0.9572):
    half = np.radians(angle / 2.0)
    arms = length * np.array([[np.sin(half), 0.0, np.cos(half)], [-np.sin(half), 0.0, np.cos(half)]])
    return Atoms("OHH", positions=[[0, 0, 0], *arms])


def test_water_has_the_polarisability_of_amoeba():
    """1.672, 1.225 and 1.328 Å^3 (Ren and Ponder, J. Phys. Chem. B 107, 5933 (2003))."""
    np.testing.assert_allclose(polarisability("thole", water()), [1.225, 1.328, 1.672], rtol=0, atol=1e-3)
    # Gaussians come close, with the same numbers of atoms.
    np.testing.assert_allclose(polarisability("gaussian", water()), [1.225, 1.328, 1.672], rtol=0, atol=0.11)


@each_damping
def test_two_atoms_have_the_polarisability_of_silberstein_damped(damping):
    """2 alpha / (1 - alpha (3 l_5 - l_3) / r^3) along their line, 2 alpha / (1 + alpha l_3 / r^3) across."""
    r, alpha = 1.8, OF_ATOMS[6]
    l3, l5 = kernels(damping, r, alpha, alpha)
    expected = [2.0 * alpha / (1.0 + alpha * l3 / r**3)] * 2 + [2.0 * alpha / (1.0 - alpha * (3.0 * l5 - l3) / r**3)]
    np.testing.assert_allclose(
        polarisability(damping, Atoms("C2", positions=[[0, 0, 0], [0, 0, r]])), expected, rtol=1e-12
    )


def test_a_distant_ion_polarises_an_atom_as_the_textbook_says():
    """-k_e alpha q^2 / (2 r^4), and r^-4 is how it falls."""
    model = model_of({2: 0.0, 3: 1.0}, {2: 0.2, 3: 1e-6}, "gaussian", cutoff=60.0)
    for r in (20.0, 40.0):
        energy, dipoles = solved(model, Atoms("HeLi", positions=[[0, 0, 0], [0, 0, r]]))
        assert energy == pytest.approx(-0.5 * COULOMB_CONSTANT * 0.2 / r**4, rel=1e-5)
        np.testing.assert_allclose(dipoles[0], [0.0, 0.0, -0.2 / r**2], atol=1e-12)


def clusters(random, n_clusters, n_atoms, box, closest):
    """Positions (n, n_atoms, 3), Å, none of two atoms closer than that."""
    positions = random.random((n_clusters, n_atoms, 3)) * box
    distances = np.linalg.norm(positions[:, :, None] - positions[:, None], axis=-1) + 1e3 * np.eye(n_atoms)
    return positions[distances.min((1, 2)) > closest]


def lowest_eigenvalue(damping, positions, alphas):
    """Of alpha^(1/2) A alpha^(1/2), of clusters (n, n_atoms, 3) with polarisabilities (n, n_atoms): (n,)."""
    n = positions.shape[1]
    r, alpha = torch.from_numpy(positions), torch.from_numpy(alphas)
    vectors = r[:, :, None] - r[:, None]  # (n, n_atoms, n_atoms, 3)
    distances = vectors.norm(dim=-1) + torch.eye(n)
    alpha_i, alpha_j = (part.expand(distances.shape) for part in (alpha[:, :, None], alpha[:, None]))
    flat = [part.reshape(-1) for part in (distances, alpha_i, alpha_j)]
    b1, b2 = (part.view(distances.shape)[..., None, None] for part in DAMPINGS[damping].radial(*flat))
    others = (1.0 - torch.eye(n))[..., None, None]
    tensors = others * (b1 * torch.eye(3) - b2 * vectors[..., :, None] * vectors[..., None, :])
    scaled = tensors * (alpha_i * alpha_j).sqrt()[..., None, None] + (1.0 - others) * torch.eye(3)
    return torch.linalg.eigvalsh(scaled.permute(0, 1, 3, 2, 4).reshape(-1, 3 * n, 3 * n))[:, 0].numpy()


def test_no_close_contact_lets_dipoles_run_away():
    """Ten thousand random clusters, atoms 0.3 Å and more apart: Gaussians stay above their bound for any atoms, also
    for sodium beside hydrogen; Thole's damping does with those of molecules.
    """
    random = np.random.default_rng(0)
    bound, seen = 1.0 - np.sqrt(2.0 / np.pi) / (3.0 * (np.sqrt(2.0) * 0.6) ** 3), 0
    for n_clusters, n_atoms, box in ((6000, 3, 1.5), (4000, 6, 2.5), (1500, 12, 3.5)):
        positions = clusters(random, n_clusters, n_atoms, box, 0.3)
        volumes = random.uniform(0.3, 1.5, positions.shape[:2])
        of_molecules = random.choice(list(OF_ATOMS.values()), positions.shape[:2]) * volumes ** (4.0 / 3.0)
        assert lowest_eigenvalue("thole", positions, of_molecules).min() > 0.3
        for of_any in (of_molecules, random.choice([0.15, 0.5, 4.0, 24.0], positions.shape[:2])):
            assert lowest_eigenvalue("gaussian", positions, of_any).min() > bound > 0.56
        seen += len(positions)
    assert seen > 10_000


def test_a_catastrophe_is_told():
    """Undamped, as good as: atoms closer than (4 alpha^2)^(1/6) have no stable dipoles."""
    atoms = Atoms("He2", positions=[[0, 0, 0], [0, 0, 1.5]])
    atoms.numbers[1] = 10
    model = model_of({2: 0.1, 10: 0.0}, {2: 3.0, 10: 3.0}, "thole")
    model.terms["dipoles"].damping = TholeDamping(50.0)
    with pytest.raises(InputError, match="polarisation catastrophe"):
        solved(model, atoms)


def trimer():
    """Three waters in a ring, 2.80 Å from O to O, two free hydrogens up and one down."""
    molecules, corners = (
        [],
        [2.80 / np.sqrt(3.0) * np.array([np.cos(t), np.sin(t), 0.0]) for t in np.arange(3) * 2.0943951],
    )
    for k, up in enumerate((1.0, 1.0, -1.0)):
        here = corners[k]
        along = corners[(k + 1) % 3] - here
        along = along / np.linalg.norm(along)
        free = 0.55 * here / np.linalg.norm(here) + [0.0, 0.0, up]
        free = free - free @ along * along
        free = np.cos(np.radians(104.5)) * along + np.sin(np.radians(104.5)) * free / np.linalg.norm(free)
        molecules.append(Atoms("OHH", positions=[here, here + 0.9572 * along, here + 0.9572 * free]))
    return molecules


@each_damping
def test_three_waters_hold_together_more_than_their_pairs(damping):
    """What three bodies have beyond two, within 30 % of -2.12 kcal/mol: MP2/aug-cc-pVDZ of this ring, counterpoise
    corrected (Hartree-Fock: -2.10), computed by PySCF. Charges have the dipole moment of water, 1.855 D.
    """
    molecules = trimer()
    charge = 1.855 / 4.80320 / (2.0 * 0.9572 * np.cos(np.radians(52.25)))
    model = model_of({1: charge, 8: -2.0 * charge}, {1: 0.496, 8: 0.837}, damping)
    model.terms["dipoles"].between_molecules = True

    def energy(members):
        joined = molecules[members[0]].copy()
        for member in members[1:]:
            joined += molecules[member]
        return solved(model, joined)[0]

    one, two, three = (sum(energy(w) for w in itertools.combinations(range(3), n)) for n in (1, 2, 3))
    assert abs(one) < 1e-20  # nothing induces in its own molecule
    assert (three - two + one) / KCAL_PER_MOL == pytest.approx(-2.12, rel=0.3)


def test_responses_are_those_of_the_solution():
    """with_response: derivatives of x = A^-1 b by numbers that A and b are made of."""
    random = torch.Generator().manual_seed(0)
    matrix = torch.randn(6, 6, generator=random, dtype=torch.float64)
    matrix = matrix @ matrix.T + 6.0 * torch.eye(6)
    other = torch.randn(6, 6, generator=random, dtype=torch.float64)
    other = other + other.T
    right = torch.randn(2, 3, generator=random, dtype=torch.float64)
    weights = torch.randn(2, 3, generator=random, dtype=torch.float64)
    t = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)

    def value(t):
        return (weights * torch.linalg.solve(matrix + t * other, ((1.0 + t**2) * right).flatten()).view(2, 3)).sum()

    def solve(b):
        fixed = matrix + t.detach() * other
        one = [torch.ones(2).double(), lambda v: v.sum()[None], lambda v: v.expand(2), 1e-13]
        return conjugate_gradients(lambda x: (fixed @ x.flatten()).view(2, 3), b, *one)

    b = (1.0 + t**2) * right
    x = solve(b.detach())
    left = b - ((matrix + t * other) @ x.flatten()).view(2, 3)
    (found,) = torch.autograd.grad((weights * with_response(x, left, solve)).sum(), t)
    (expected,) = torch.autograd.grad(value(t), t)
    assert float(found) == pytest.approx(float(expected), rel=1e-10)
