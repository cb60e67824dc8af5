"""Atoms of one element in any order: each goes to the place that it has in the training geometries, or is refused."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.molecules.descriptor import InverseDistances
from mliap_hybrid.model.molecules.gdml import GDMLModel
from mliap_hybrid.model.molecules.order import MoleculeOrder
from mliap_hybrid.sgdml.closed_form import model_of_molecules
from mliap_hybrid.testing.gdml_molecules import shuffled
from mliap_hybrid.units import KCAL_PER_MOL

ETHANOL = dict(np.load(Path(__file__).parents[1] / "fixtures" / "gdml_ethanol.npz"))
POSITIONS = torch.tensor(ETHANOL["R"])  # (140, 9, 3), C C O H H H H H H; the models were trained on the first ones
TAGS = np.arange(10_000)


@cache
def ethanol(case="forces", symmetric=True):
    """A model of the fixture: of 40 geometries in vacuum, or of 25 in a cell."""
    permutations = ETHANOL[f"{case}_perms"] if symmetric else np.arange(9)[None]
    return GDMLModel(
        numbers=torch.tensor(ETHANOL["z"]),
        sigma=float(ETHANOL[f"{case}_sig"]),
        descriptors=torch.tensor(ETHANOL[f"{case}_R_desc"].T.copy()),
        weights=torch.tensor(ETHANOL[f"{case}_R_d_desc_alpha"] * ETHANOL[f"{case}_std"]) * KCAL_PER_MOL,
        permutations=torch.tensor(permutations),
        constant=float(ETHANOL[f"{case}_c"]) * KCAL_PER_MOL,
        cell=torch.tensor(ETHANOL["cell"]) if case == "cell" else None,
    )


def rigid(numbers, positions, n_train=20, spread=0.04, seed=0):
    """A model without weights whose training geometries are small distortions of one."""
    random = np.random.default_rng(seed)
    geometries = torch.tensor(np.asarray(positions) + spread * random.standard_normal((n_train, len(numbers), 3)))
    descriptor = InverseDistances(len(numbers))
    values = descriptor.values(descriptor.vectors(geometries))
    return GDMLModel(torch.tensor(numbers), 5.0, values, torch.zeros_like(values), torch.arange(len(numbers))[None])


def shuffles(n_molecules, seed=0):
    """Orders (n_molecules, 9) that exchange C with C and H with H."""
    random = np.random.default_rng(seed)
    carbons = random.permuted(np.tile([0, 1], (n_molecules, 1)), axis=1)
    hydrogens = random.permuted(np.tile(np.arange(3, 9), (n_molecules, 1)), axis=1)
    return torch.tensor(np.concatenate([carbons, np.full((n_molecules, 1), 2), hydrogens], axis=1))


def in_order(positions, orders):
    return positions.gather(1, orders[:, :, None].expand(-1, -1, 3))


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("case", ["forces", "cell"])
def test_the_order_of_training_is_kept(case, symmetric):
    """Also by a model without permutations, whose training geometries saw the methyl group turn."""
    found = MoleculeOrder(ethanol(case, symmetric)).places(POSITIONS, TAGS)
    assert torch.equal(found, torch.arange(9).expand(140, 9))


def test_any_order_of_like_atoms_has_the_energy_and_the_forces_of_the_molecule():
    model, frames = ethanol(), POSITIONS.repeat(8, 1, 1)
    orders = shuffles(len(frames))
    mixed = in_order(frames, orders)
    places = MoleculeOrder(model).places(mixed, TAGS)
    expected, found = model.predict(frames), model.predict(in_order(mixed, places))
    assert float((model.predict(mixed).energies - expected.energies).abs().median()) > 1.0  # eV, had they stayed
    torch.testing.assert_close(found.energies, expected.energies, rtol=0, atol=1e-8)
    # Which of the equivalent atoms is which does not matter; forces go with the atoms.
    back = torch.empty_like(mixed).scatter(1, places[:, :, None].expand(-1, -1, 3), found.forces)
    torch.testing.assert_close(back, in_order(expected.forces, orders), rtol=0, atol=1e-7)


def test_hydrogens_at_one_carbon_are_told_apart_by_their_handedness():
    """Two H of CH2 exchanged: all bonds are there, and the energy would be another one."""
    model = ethanol()
    order = torch.tensor([0, 1, 2, 4, 3, 5, 6, 7, 8]).expand(140, 9)
    mixed = in_order(POSITIONS, order)
    expected = model.predict(POSITIONS).energies
    assert float((model.predict(mixed).energies - expected).abs().min()) > 0.01
    places = MoleculeOrder(model).places(mixed, TAGS)
    torch.testing.assert_close(model.predict(in_order(mixed, places)).energies, expected, rtol=0, atol=1e-8)


def test_a_mirror_image_is_the_same_molecule():
    mirrored = POSITIONS * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    assert torch.equal(MoleculeOrder(ethanol()).places(mirrored, TAGS), torch.arange(9).expand(140, 9))


def test_in_a_narrow_cell_orders_with_other_bonds_are_put_right_or_refused():
    """A cell of 5 Å, whose images hide the handedness: what keeps the bonds stays, else the nearest one is taken."""
    model, order = ethanol("cell"), MoleculeOrder(ethanol("cell"))
    expected = model.predict(POSITIONS).energies
    energies, n_refused, n_kept = [], 0, 0
    for index, shuffle in enumerate(shuffles(len(POSITIONS), seed=3)):
        mixed = POSITIONS[index, shuffle][None]
        try:
            places = order.places(mixed, TAGS)
        except InputError:
            n_refused += 1
            continue
        n_kept += bool((places == torch.arange(9)).all())
        if not (places == torch.arange(9)).all():
            energies.append(float(model.predict(in_order(mixed, places)).energies[0] - expected[index]))
    assert len(energies) > 10
    assert n_kept < 15
    assert len(energies) + n_refused + n_kept == len(POSITIONS)
    np.testing.assert_allclose(energies, 0.0, atol=1e-8)


VINYL_FLUORIDE = [
    [0.0, 0.0, 0.0],
    [1.32, 0.0, 0.0],
    [1.98, 1.16, 0.0],
    [-0.55, 0.94, 0.0],
    [-0.55, -0.94, 0.0],
    [1.86, -0.94, 0.0],
]
"""C C F H H H, the first two H at one carbon: cis and trans to F; Å."""


def test_where_bonds_say_nothing_the_nearest_training_geometry_decides():
    model = rigid([6, 6, 9, 1, 1, 1], VINYL_FLUORIDE)
    order = MoleculeOrder(model)
    assert len(order.reference.inequivalent_orders) == 2
    random = np.random.default_rng(7)
    frames = torch.tensor(VINYL_FLUORIDE + 0.05 * random.standard_normal((50, 6, 3)))
    assert torch.equal(order.places(frames, TAGS), torch.arange(6).expand(50, 6))
    exchanged = torch.tensor([0, 1, 2, 4, 3, 5]).expand(50, 6)
    assert torch.equal(order.places(in_order(frames, exchanged), TAGS), exchanged)
    assert order.n_reordered == 50


def test_orders_that_fit_alike_are_refused():
    """The hydrogens of CH2 half way between cis and trans, in an order that the bonds show to be another one."""
    turned = np.array(VINYL_FLUORIDE)
    turned[3:5] = [[-0.55, 0.0, 0.94], [-0.55, 0.0, -0.94]]
    order = MoleculeOrder(rigid([6, 6, 9, 1, 1, 1], VINYL_FLUORIDE))
    turned[3:5] += [[0.0, 0.03, 0.0], [0.0, -0.03, 0.0]]  # not quite the same
    with pytest.raises(InputError, match=r"molecule of atom 13 have another order .* 2 orders fit alike"):
        order.places(torch.tensor(turned[[0, 1, 2, 5, 4, 3]])[None], np.array([12]))


def test_another_isomer_is_refused():
    """CHFCl-CHFCl has two centres; with H and F of one exchanged it is another molecule with the same bonds."""
    ends = np.array([[1.03, 0.0, -0.36], [-0.62, 1.07, -0.45], [-0.85, -1.47, -0.61]])  # H, F, Cl
    one = [[0.0, 0.0, 0.0], *ends]
    other = [[0.0, 0.0, 1.52], *(ends * [1.0, 1.0, -1.0] + [0.0, 0.0, 1.52])]
    numbers = [6, 1, 9, 17] * 2
    order = MoleculeOrder(rigid(numbers, one + other))
    exchanged = [
        [0.0, 0.0, 0.0],
        *(ends[[1, 0, 2]] / np.linalg.norm(ends[[1, 0, 2]], axis=1)[:, None] * [[1.09], [1.33], [1.8]]),
    ]
    with pytest.raises(InputError, match=r"molecule of atom 5 has another handedness .* another isomer"):
        order.places(torch.tensor(np.array(exchanged + other))[None], np.array([4]))
    enantiomer = np.array(one + other) * [1.0, -1.0, 1.0]
    assert torch.equal(order.places(torch.tensor(enantiomer)[None], TAGS)[0], torch.arange(8))


def test_a_molecule_with_other_bonds_is_refused():
    order, positions = MoleculeOrder(ethanol()), POSITIONS[0].clone()
    positions[3:5] = positions[2] + torch.tensor([[0.0, 0.0, 4.0], [4.0, 0.0, 0.0]])  # CH2 without its H
    with pytest.raises(InputError, match=r"molecule of atom 10 has other bonds .*H3.* are .* apart"):
        order.places(positions[None], np.array([9]))


def test_one_bond_that_is_pulled_apart_keeps_the_order():
    order, positions = MoleculeOrder(ethanol()), POSITIONS[0].clone()
    positions[3] += 2.0 * (positions[3] - positions[0])
    assert torch.equal(order.places(positions[None], TAGS)[0], torch.arange(9))


def test_clusters_of_many_like_atoms_stay_as_they_come():
    """Every permutation keeps the bonds: there are too many to look at."""
    corners = np.array(np.meshgrid([0, 2.5], [0, 2.5], [0, 2.5])).reshape(3, 8).T
    order = MoleculeOrder(rigid([79] * 8, corners))
    assert torch.equal(order.places(torch.tensor(corners)[None], TAGS)[0], torch.arange(8))


def test_an_atom_pair_has_one_order():
    order = MoleculeOrder(rigid([1, 1], [[0.0, 0.0, 0.0], [0.74, 0.0, 0.0]]))
    assert torch.equal(order.places(torch.tensor([[[0.0, 0.0, 0.0], [0.8, 0.0, 0.0]]]), TAGS)[0], torch.arange(2))


def test_molecules_in_a_box_may_come_in_any_order_each():
    """Energy, forces and virial of the whole model, each molecule of the box shuffled in its own way."""
    model = model_of_molecules(ethanol(), cutoff=7.0)
    positions = POSITIONS[-4:].numpy() + np.array([[0, 0, 0], [8, 0, 0], [0, 8, 0], [0, 0, 8]])[:, None]
    atoms = Atoms(np.tile(ETHANOL["z"], 4), positions.reshape(-1, 3), cell=[16.0] * 3, pbc=True)
    mixed, order = shuffled(atoms, 9, seed=2)
    assert (order.reshape(4, 9) != np.arange(36).reshape(4, 9)).any(1).all()
    expected, found = (Evaluator(model).predict(frame_to_batch(each, model.cutoff)) for each in (atoms, mixed))
    assert float(found.energies[0]) == pytest.approx(float(expected.energies[0]), abs=1e-8)
    np.testing.assert_allclose(found.forces, expected.forces[order], atol=1e-7)
    np.testing.assert_allclose(found.virials, expected.virials, atol=1e-7)
