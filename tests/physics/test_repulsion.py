"""Screened nuclear repulsion against the bare nuclei, the published form, and its derivatives."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import covalent_radii

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.terms.repulsion import ZBLRepulsion, envelope, zbl_energy
from mliap_hybrid.testing.finite_differences import forces_by_differences, relative_difference
from mliap_hybrid.units import COULOMB_CONSTANT


def test_bare_nuclei_at_contact():
    r = torch.tensor([1e-6], dtype=torch.float64)
    z = torch.tensor([11.0], dtype=torch.float64), torch.tensor([17.0], dtype=torch.float64)
    assert float(zbl_energy(r, *z)) * 1e-6 == pytest.approx(COULOMB_CONSTANT * 11 * 17, rel=1e-4)


def test_value_of_the_universal_potential():
    # Two Si atoms at 1 Å: a = 0.8854 a0 / (2 * 14^0.23); worked out term by term.
    a = 0.8854 * 0.529177210903 / (2 * 14**0.23)
    terms = [(0.18175, 3.1998), (0.50986, 0.94229), (0.28022, 0.4029), (0.02817, 0.20162)]
    expected = 14.3996454784 * 14 * 14 * sum(c * np.exp(-d / a) for c, d in terms)
    r, z = torch.ones(1, dtype=torch.float64), torch.tensor([14.0], dtype=torch.float64)
    assert float(zbl_energy(r, z, z)) == pytest.approx(expected, rel=1e-10)
    assert float(zbl_energy(r, z, z)) > 0


def test_envelope_is_smooth_at_its_end():
    x = torch.tensor([0.0, 1.0 - 1e-4, 1.0, 1.5], dtype=torch.float64, requires_grad=True)
    y = envelope(x)
    (derivative,) = torch.autograd.grad(y.sum(), x)
    assert y.tolist() == pytest.approx([1.0, 0.0, 0.0, 0.0], abs=1e-9)
    assert derivative.tolist() == pytest.approx([0.0, 0.0, 0.0, 0.0], abs=1e-5)


def test_forces_and_reach():
    term = ZBLRepulsion(cutoff=6.0)
    reach = covalent_radii[11] + covalent_radii[17]

    def energies(geometry):
        return term.energy(geometry, ParameterValues(geometry, {}))

    def energy(positions, cell):
        atoms = Atoms("NaClNa", positions=positions)
        return float(energies(frame_to_batch(atoms, 6.0).geometry()).sum())

    positions = np.array([[0.0, 0.0, 0.0], [0.3, 0.1, 1.1], [0.2, 1.3, -0.4]])
    batch = frame_to_batch(Atoms("NaClNa", positions=positions), 6.0)
    vectors = batch.pair_vectors().requires_grad_()
    (g,) = torch.autograd.grad(energies(batch.geometry(vectors)).sum(), vectors)
    forces = torch.zeros_like(batch.positions).index_add(0, batch.pair_i, g).index_add(0, batch.pair_j, -g)
    assert relative_difference(forces, forces_by_differences(energy, positions, np.eye(3), step=1e-5)) < 1e-6
    assert float(forces[0, 2]) < 0  # pushed away from the chlorine above
    assert energy(np.array([[0, 0, 0], [0, 0, reach + 1e-6], [0, 0, -9.0]]), None) == 0.0
