"""The residuals against a potential that is known: how fast each vanishes, and what makes it not vanish."""

import numpy as np
import pytest
import torch

from mliap_hybrid.model.curvature import curvature
from mliap_hybrid.weak_supervision.consistency import (
    EXPANSIONS,
    SPATIAL_VARIANTS,
    Needs,
    Surface,
    central,
    even_part,
    first_order,
    mean_square,
    needs_of,
    second_order,
    spatial_residuals,
    taylor_residuals,
    trapezoid,
    with_labels,
    work,
)

CLUSTER = torch.tensor(
    [[0.0, 0.1, 0.0], [1.1, 0.0, 0.1], [0.4, 1.0, -0.1], [0.3, 0.4, 1.2], [1.2, 1.1, 0.9]], dtype=torch.float64
)
"""(n_atoms, 3), Å: five atoms, off every minimum."""

N_ATOMS = len(CLUSTER)
PAIRS = torch.triu_indices(N_ATOMS, N_ATOMS, offset=1)
SIZES = np.array([0.0025, 0.005, 0.01, 0.02])  # Å


def energy(positions):
    """Harmonic bonds from the first atom, Morse pairs among the others: (n_structures,) of (n_structures * 5, 3)."""
    r = positions.unflatten(0, (-1, N_ATOMS))  # (n_structures, 5, 3)
    distances = (r[:, PAIRS[0]] - r[:, PAIRS[1]]).norm(dim=2)  # (n_structures, n_pairs)
    harmonic = 0.5 * 12.0 * (distances - 1.05) ** 2
    morse = 2.0 * (1.0 - torch.exp(-1.7 * (distances - 1.3))) ** 2
    return torch.where(PAIRS[0] == 0, harmonic, morse).sum(1)


def forces(positions):
    r = positions.detach().requires_grad_()
    return -torch.autograd.grad(energy(r).sum(), r)[0]


def with_curl(positions):
    """And every atom feels a force round the z axis: no energy has this gradient."""
    return forces(positions) + 20.0 * torch.stack([-positions[:, 1], positions[:, 0], 0.0 * positions[:, 2]], dim=1)


def directions(n_structures, seed=0):
    """Displacements (n_structures * 5, 3) of B, C and D, of size one, and of M, the mirror image of C."""
    random = np.random.default_rng(seed)
    displacements = {name: torch.from_numpy(random.uniform(-1.0, 1.0, (n_structures * N_ATOMS, 3))) for name in "BCD"}
    return displacements | {"M": -displacements["C"]}


def surface(size, displacements, force_field=forces, edges=("AB", "BA", "AC", "CA", "BC", "CB", "CD", "DC")):
    """Points and edges of as many clusters as there are displacements for."""
    n_structures = len(displacements["B"]) // N_ATOMS
    centre = CLUSTER.repeat(n_structures, 1)
    points = {"A": centre} | {name: centre + size * d for name, d in displacements.items()}
    structure_of_atom = torch.arange(n_structures).repeat_interleave(N_ATOMS)
    field = {name: force_field(r) for name, r in points.items()}
    return Surface(
        energies={name: energy(r) for name, r in points.items()},
        works={e: work(points[e[1]] - points[e[0]], field[e[0]], structure_of_atom, n_structures) for e in edges},
        curvatures={"AC": curvature(energy, centre, points["C"] - centre)},
    )


def exponent(residuals_of):
    """Slope of the rms residual over the size of the displacements, in logarithms; the same directions at each size."""
    rms = [residuals_of(size).square().mean().sqrt().item() for size in SIZES]
    return np.polyfit(np.log(SIZES), np.log(rms), 1)[0]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("zeroth", 1.0),
        ("first", 2.0),
        ("trapezoid", 3.0),
        ("second", 3.0),
        ("central", 3.0),
        ("curvature", 4.0),
    ],
)
def test_taylor_residual_falls_as_its_order_says(order, expected):
    found = exponent(lambda size: taylor_residuals(surface(size, directions(30)), order))
    assert found == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("variant", SPATIAL_VARIANTS)
def test_spatial_residual_has_no_linear_term_if_and_only_if_forces_are_a_gradient(variant):
    conservative = exponent(lambda size: spatial_residuals(surface(size, directions(30)), variant))
    assert conservative == pytest.approx(2.0, abs=0.05)
    trapezoids = exponent(lambda size: spatial_residuals(surface(size, directions(30)), variant, "trapezoid"))
    assert trapezoids == pytest.approx(3.0, abs=0.05)
    curled = exponent(lambda size: spatial_residuals(surface(size, directions(30), with_curl), variant))
    assert curled == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("variant", SPATIAL_VARIANTS)
def test_spatial_residual_is_exact_for_a_linear_energy(variant):
    """Zero for the forces of the field, and not for their opposite: each sign counts."""
    field = torch.tensor([[0.3, -1.1, 0.7]], dtype=torch.float64).expand(N_ATOMS, 3)
    random = np.random.default_rng(4)
    points = {name: torch.from_numpy(random.uniform(-0.1, 0.1, (N_ATOMS, 3))) for name in "ABCD"}
    energies = {name: -(r * field).sum()[None] for name, r in points.items()}
    atoms = torch.zeros(N_ATOMS, dtype=torch.int64)
    works = {p + q: work(points[q] - points[p], field, atoms, 1) for p in points for q in points}
    right, opposite = (
        spatial_residuals(Surface(energies, {edge: sign * w for edge, w in works.items()}, {}), variant)
        for sign in (1.0, -1.0)
    )
    assert right.abs().max() < 1e-14
    assert opposite.abs().min() > 1e-2


@pytest.mark.parametrize("expansion", [first_order, trapezoid, second_order, central, even_part])
def test_expansions_of_numbers_worked_by_hand(expansion):
    """E = x^2 from x = 1 to x = 3: F(1) = -2, F(3) = -6, H = 2, mirror image -1."""
    one = Surface(
        {"A": torch.tensor([1.0]), "C": torch.tensor([9.0]), "M": torch.tensor([1.0])},
        {"AC": torch.tensor([2.0 * -2.0]), "CA": torch.tensor([-2.0 * -6.0])},
        {"AC": torch.tensor([2.0 * 2.0 * 2.0])},
    )
    assert expansion(one, "AC").item() == (5.0 if expansion is first_order else 9.0)


def test_central_difference_needs_the_odd_part_and_curvature_the_even_part_alone():
    """E(C) = 7, E(M) = 3: half the difference is 2, the mean 5; signs of force and curvature count."""
    energies = {"A": torch.tensor([1.0]), "C": torch.tensor([7.0]), "M": torch.tensor([3.0])}
    one = Surface(energies, {"AC": torch.tensor([-1.5])}, {"AC": torch.tensor([6.0])})
    assert taylor_residuals(one, "central").item() == 2.0 - 1.5
    assert taylor_residuals(one, "curvature").item() == 5.0 - 1.0 - 3.0


def test_curvature_by_differences():
    d = torch.from_numpy(np.random.default_rng(0).normal(size=(N_ATOMS, 3)))
    h = 1e-4
    expected = (energy(CLUSTER + h * d) - 2 * energy(CLUSTER) + energy(CLUSTER - h * d)) / h**2
    torch.testing.assert_close(curvature(energy, CLUSTER, d), expected, rtol=1e-5, atol=0)


def test_variants_on_numbers_worked_by_hand():
    """Energies and works without any relation, so that each term of each variant shows."""
    energies = {name: torch.tensor([value]) for name, value in zip("ABCD", (1.0, 2.0, 4.0, 8.0), strict=True)}
    works = {"AB": 0.1, "AC": 0.2, "BC": 0.3, "CA": 0.4, "CB": 0.5, "DC": 0.6}
    one = Surface(energies, {edge: torch.tensor([value]) for edge, value in works.items()}, {})
    expected = {
        "A": [4.0 - (2.0 - 0.3)],
        "B": [(1.0 - 0.2) - (2.0 - 0.3)],
        "C": [2.0 - (4.0 - 0.5)],
        "D": [(8.0 - 0.6) - (2.0 - 0.3)],
        "all": [4.0 - (2.0 - 0.3), 1.0 - (4.0 - 0.4), 2.0 - (1.0 - 0.1)],
        "two-point": [1.0 - (4.0 - 0.4)],
    }
    for variant, values in expected.items():
        torch.testing.assert_close(spatial_residuals(one, variant)[:, 0], torch.tensor(values))


def test_batch_of_equal_structures_gives_the_loss_of_one():
    def losses(n_copies):
        displacements = {name: d.repeat(n_copies, 1) for name, d in directions(1).items()}
        atoms = torch.full((n_copies,), float(N_ATOMS))
        of_batch = surface(0.03, displacements)
        residuals = [taylor_residuals(of_batch, order) for order in EXPANSIONS]
        residuals += [spatial_residuals(of_batch, variant) for variant in SPATIAL_VARIANTS]
        return torch.stack([mean_square(r, atoms, 0.03) for r in residuals])

    torch.testing.assert_close(losses(6), losses(1), rtol=1e-12, atol=0)


def test_weak_labels_stand_for_the_model_at_the_structure_itself():
    model = surface(0.02, directions(1))
    energies, works = torch.tensor([7.0]), torch.tensor([0.25])
    residual = taylor_residuals(with_labels(model, energies, works), "first")
    torch.testing.assert_close(residual, (model.energies["C"] - 6.75)[None])
    # Labels that are the model's own change nothing.
    own = with_labels(model, model.energies["A"], model.works["AC"])
    for order in ("first", "trapezoid", "second", "central", "curvature"):
        assert torch.equal(taylor_residuals(own, order), taylor_residuals(model, order))


def test_weak_labels_without_forces_take_the_forces_of_the_model():
    model = surface(0.02, directions(2))
    labelled = with_labels(
        model,
        model.energies["A"] + 1.0,
        torch.tensor([0.5, float("nan")], dtype=torch.float64),
        torch.tensor([True, False]),
    )
    assert labelled.works["AC"].tolist() == [0.5, model.works["AC"][1].item()]
    assert torch.equal(labelled.works["CA"], model.works["CA"])


def test_only_structures_that_count_enter_the_mean():
    residuals = torch.tensor([[2.0, float("nan")], [4.0, 1.0]])
    atoms = torch.tensor([2.0, 5.0])
    of_first = (4.0 + 16.0) / 2 / (2.0 * 0.5**2)
    assert mean_square(residuals, atoms, 0.5, torch.tensor([True, False])).item() == pytest.approx(of_first)
    assert mean_square(residuals, atoms, 0.5, torch.tensor([False, False])).item() == 0.0
    assert mean_square(residuals[:, :1], atoms[:1], 0.5).item() == pytest.approx(of_first)


def test_weight_is_that_of_an_error_of_the_forces():
    """Forces that are wrong by noise, small random displacements: the mean is the mean squared error of a component."""
    n_structures, size = 3000, 1e-3
    random = np.random.default_rng(5)
    error = torch.from_numpy(random.normal(scale=0.7, size=(n_structures * N_ATOMS, 3)))
    of_batch = surface(size, directions(n_structures), lambda r: forces(r) + error)
    found = mean_square(taylor_residuals(of_batch, "central"), torch.full((n_structures,), float(N_ATOMS)), size)
    assert found.item() == pytest.approx(0.49, rel=0.1)


def test_what_each_choice_needs():
    assert needs_of("none", "none") == Needs((), (), ())
    assert needs_of("first", "none") == Needs(("A", "C"), ("AC",), ())
    assert needs_of("trapezoid", "none") == Needs(("A", "C"), ("AC", "CA"), ())
    assert needs_of("central", "none") == Needs(("A", "C", "M"), ("AC",), ())
    assert needs_of("curvature", "none") == Needs(("A", "C", "M"), ("AC",), ())
    assert needs_of("none", "A") == Needs(("B", "C"), ("BC",), ())
    assert needs_of("none", "A", "trapezoid") == Needs(("B", "C"), ("BC", "CB"), ())
    assert needs_of("second", "D") == Needs(("A", "B", "C", "D"), ("AC", "BC", "DC"), ("AC",))
