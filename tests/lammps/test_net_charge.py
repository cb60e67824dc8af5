"""Fixed charges that do not add up to 0: the pressure holds the neutralising background; `check` of such models."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import run_well
from test_hybrid_in_lammps import FIXED_MESH

from mliap_hybrid.lammps.check import check_model
from mliap_hybrid.lammps.data_file import write_data_file
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.testing.models import charge_predicting_model, sodium_chloride_model
from mliap_hybrid.testing.structures import random_structure, rock_salt
from mliap_hybrid.units import LAMMPS_METAL_PRESSURE

EDGES = np.array([11.4, 11.2, 11.8])
SYMBOLS = {"Na": 0.8, "Cl": -0.8}
STRAIN = 2e-4


@pytest.mark.mpi
@pytest.mark.parametrize("newton", ["on", "off"])
def test_virial_is_the_strain_derivative_of_the_energy(tmp_path: Path, newton: str) -> None:
    """Of the whole energy, along each edge; and the stresses of atoms add up to it."""
    atoms = random_structure(24, ["Na", "Cl"], np.diag(EDGES), seed=2)
    atoms.symbols[[k for k, z in enumerate(atoms.numbers) if z == 17][:7]] = "Na"
    excess = 0.8 * ((atoms.numbers == 11).sum() - (atoms.numbers == 17).sum())
    manifest = export_model(sodium_chloride_model(), tmp_path / "model.pt", total_charge=excess)
    assert abs(excess) > 4.0
    write_data_file(tmp_path / "data", atoms, ["Na", "Cl"], SYMBOLS)
    lines = f"units metal\nnewton {newton}\natom_style charge\natom_modify map array\nread_data data\n"
    lines += potential_block(manifest, "model.pt", accuracy=1e-6) + FIXED_MESH + "\n"
    lines += "compute virial all pressure NULL virial\ncompute atoms all stress/atom NULL virial\n"
    lines += "compute sum all reduce sum c_atoms[1] c_atoms[2] c_atoms[3]\nvariable energy equal pe\n"
    lines += "thermo_style custom step pe c_virial[*] c_sum[*]\nrun 0\n"
    for name in ("virial", "sum"):
        lines += f'print "{name} ' + " ".join(f"$(c_{name}[{k}]:%.17g)" for k in (1, 2, 3)) + '"\n'
    for axis, edge in zip("xyz", EDGES, strict=True):
        for sign in (+1, -1):
            lines += f"change_box all {axis} final 0 {float(edge * (1 + sign * STRAIN))!r} remap units box\n"
            lines += 'run 0 post no\nprint "energy $(v_energy:%.17g)"\n'
        lines += f"change_box all {axis} final 0 {float(edge)!r} remap units box\n"
    text = run_well(tmp_path, lines, 2).text
    numbers = {name: np.array(re.findall(rf"^{name} (.*)$", text, re.M)) for name in ("virial", "sum", "energy")}
    energies = numbers["energy"].astype(float).reshape(3, 2)
    pressures, of_atoms = (np.array(numbers[name][0].split(), dtype=float) for name in ("virial", "sum"))
    expected = -(energies[:, 0] - energies[:, 1]) / (2 * STRAIN)
    virial = pressures * EDGES.prod() / LAMMPS_METAL_PRESSURE
    np.testing.assert_allclose(virial, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_allclose(-of_atoms / LAMMPS_METAL_PRESSURE, virial, rtol=0, atol=1e-9 * np.abs(virial).max())


@pytest.mark.mpi
@pytest.mark.parametrize("charges", ["fixed", "predicted"])
def test_check_of_a_charged_cell_that_is_repeated(tmp_path: Path, charges: str) -> None:
    """The cell is smaller than the cutoff sphere, so that LAMMPS runs eight of them, with eight times the charge."""
    atoms = rock_salt(1)
    del atoms[next(k for k, z in enumerate(atoms.numbers) if z == 17)]
    model = sodium_chloride_model() if charges == "fixed" else charge_predicting_model("shift")
    export_model(model, tmp_path / "model.pt", total_charge=0.8)
    for comparison in check_model(tmp_path / "model.pt", ranks=(1, 2), atoms=atoms):
        assert comparison.ok, comparison
