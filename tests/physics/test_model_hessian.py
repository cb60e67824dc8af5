"""The model Hessian is that of its springs, and about as stiff as molecules are."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.physics.model_hessian import BEND, STRETCH, model_hessian
from mliap_hybrid.units import BOHR, HARTREE


def hessian_of(atoms):
    return model_hessian(frame_to_batch(atoms, 6.0))


def rattled(name, seed=0):
    atoms = molecule(name)
    atoms.rattle(0.05, seed=seed)
    return atoms


@pytest.mark.parametrize("name", ["H2O", "CH3CH2OH", "CO2", "C2H2"])
def test_rigid_motions_cost_nothing_and_no_vibration_is_negative(name):
    atoms = molecule(name)  # some are straight
    hessian = hessian_of(atoms)
    torch.testing.assert_close(hessian, hessian.T)
    rigid = [np.tile(axis, len(atoms)) for axis in np.eye(3)]
    rigid += [np.cross(axis, atoms.positions).ravel() for axis in np.eye(3)]
    for motion in rigid:
        assert (hessian @ torch.from_numpy(motion)).abs().max() < 1e-10
    stiffness = torch.linalg.eigvalsh(hessian)
    assert stiffness[0] > -1e-10
    n_vibrations = 3 * len(atoms) - (5 if name in ("CO2", "C2H2") else 6)
    n_torsions = {"CH3CH2OH": 2}.get(name, 0)
    assert (stiffness > 0.3).sum() >= n_vibrations - n_torsions


def test_curvature_is_that_of_springs_by_differences():
    """Constants at the geometry, and lengths and angles in between measured by ASE."""
    atoms = rattled("H2O", 3)
    displacement = np.random.default_rng(0).normal(size=(3, 3))

    def coordinates(step):
        moved = atoms.copy()
        moved.positions += step * displacement
        distances = [moved.get_distance(a, b) for a, b in ((0, 1), (0, 2), (1, 2))]
        angles = [moved.get_angle(*three, mic=False) for three in ((1, 0, 2), (0, 1, 2), (0, 2, 1))]
        return np.array(distances), np.radians(angles)

    (r_plus, a_plus), (r_minus, a_minus) = coordinates(1e-5), coordinates(-1e-5)
    stretches, bends = (r_plus - r_minus) / 2e-5, (a_plus - a_minus) / 2e-5
    r_oh1, r_oh2, r_hh = coordinates(0.0)[0] / BOHR
    rho = [np.exp(0.3949 * (2.10**2 - r**2)) for r in (r_oh1, r_oh2)] + [np.exp(1.35**2 - r_hh**2)]
    expected = sum(STRETCH / BOHR**2 * p * s**2 for p, s in zip(rho, stretches, strict=True) if p > 0.01)
    products = (rho[0] * rho[1], rho[0] * rho[2], rho[1] * rho[2])
    expected += sum(BEND * p * s**2 for p, s in zip(products, bends, strict=True) if p > 0.01)
    found = torch.from_numpy(displacement).flatten() @ hessian_of(atoms) @ torch.from_numpy(displacement).flatten()
    assert found.item() == pytest.approx(HARTREE * expected, rel=1e-6)


def test_bending_of_a_straight_molecule_is_the_limit_of_a_bent_one():
    def stiffness_of_bending(degrees):
        half = np.radians(degrees / 2)
        x, y = 1.16 * np.sin(half), 1.16 * np.cos(half)
        atoms = Atoms("OCO", [[-x, y, 0.0], [0.0, 0.0, 0.0], [x, y, 0.0]])
        displacement = torch.tensor([[0.0, 1.0, 0.0], [0.0, -2.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64).flatten()
        return (displacement @ hessian_of(atoms) @ displacement).item()

    assert stiffness_of_bending(180.0) == pytest.approx(stiffness_of_bending(167.0), rel=0.05)
    assert stiffness_of_bending(180.0) > 1.0


def test_bonds_are_as_stiff_as_vibrations_say():
    """Two atoms alone; C-C 4.5 mdyn/Å, C-H 4.8, within 30 %. 1 mdyn/Å = 6.2415 eV/Å^2."""
    for symbols, length, measured in (("CC", 1.54, 4.5), ("CH", 1.09, 4.8)):
        stiffness = torch.linalg.eigvalsh(hessian_of(Atoms(symbols, [[0, 0, 0], [0, 0, length]])))[-1] / 2.0
        assert stiffness.item() / 6.2415 == pytest.approx(measured, rel=0.3)


def test_periodic_copies_and_rotation():
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.05, seed=1)
    once, twice = hessian_of(atoms), hessian_of(atoms.repeat((2, 1, 1)))
    d = torch.from_numpy(np.random.default_rng(0).normal(size=24))
    assert (d.repeat(2) @ twice @ d.repeat(2)).item() == pytest.approx(2 * (d @ once @ d).item(), rel=1e-9)
    rotated = rattled("CH3CH2OH")
    before = torch.linalg.eigvalsh(hessian_of(rotated))
    rotated.rotate(37.0, (1.0, 2.0, -1.0))
    torch.testing.assert_close(torch.linalg.eigvalsh(hessian_of(rotated)), before)


def test_atoms_alone_have_no_springs():
    assert hessian_of(Atoms("Ar2", [[0, 0, 0], [0, 0, 5.9]])).abs().max() == 0.0
    assert hessian_of(Atoms("H")).shape == (3, 3)
