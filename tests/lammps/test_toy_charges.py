"""The toy model on the stand-in data object: the stand-in does what LAMMPS does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from charged_runs import ELEMENTS, IONS, PythonEnergy

from mliap_hybrid.testing.mliap_data import PluginData
from mliap_hybrid.testing.rank_arrays import rank_arrays
from mliap_hybrid.testing.toy_charges import CoordinationCharges


@pytest.mark.parametrize("mode", [{}, {"total_charge": 1.0}, {"neutrality": "increments"}])
def test_energy_and_forces(mode: dict[str, Any]) -> None:
    """Against the energy from the definition, and its difference along a random direction."""
    model = CoordinationCharges(*IONS, **mode)
    atoms = bulk("NaCl", "rocksalt", 5.6, cubic=True) * (2, 1, 1)
    atoms.rattle(0.2, seed=3)
    elements = np.array([ELEMENTS.index(symbol) for symbol in atoms.symbols])
    arrays = rank_arrays(atoms, model.cutoff, ELEMENTS)
    data = PluginData(arrays, atoms, smearing=model.smearing, total_charge=model.total_charge or 0.0)
    model.compute_forces(data)
    energy, energies, forces, _ = data.result(len(atoms))
    python = PythonEnergy(model)
    assert energy == pytest.approx(sum(python.energies(atoms.positions, elements, atoms.cell.array)), rel=1e-12)
    assert energies.sum() == pytest.approx(energy, rel=1e-12)
    direction = np.random.default_rng(0).normal(size=(len(atoms), 3))
    h = 1e-4
    ends = [sum(python.energies(atoms.positions + s * h * direction, elements, atoms.cell.array)) for s in (1, -1)]
    assert -(forces * direction).sum() == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6)
