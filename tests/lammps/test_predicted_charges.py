"""Charges that follow the atoms, solved by KSpace within a step: energies, forces, virials, on any number of ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from charged_runs import (
    COARSE,
    DYNAMICS,
    IONS,
    KSPACE,
    POTENTIAL,
    SMALL,
    TILTED,
    PythonEnergy,
    final_structure,
    ions,
    save,
)
from lammps_runs import OUTPUT, TOTAL_VIRIALS, Run, assert_same, run_well

from mliap_hybrid.testing.toy_charges import CoordinationCharges, SolvesItself

BAR = 6.241509e-7  # eV/Å^3
ALL = OUTPUT.replace("pe evdwl", "lx ly lz xy xz yz pe evdwl").replace("fz c_energy", "fz q c_energy")
COULOMB_CONSTANT = 14.399645
"""LAMMPS' value in metal units, 3e-8 off."""

WITHOUT_ATOMIC_STRESS = """
compute energy all pe/atom
compute total_energy all reduce sum c_energy
thermo_style custom step pe evdwl ecoul elong pxx pyy pzz pxy pxz pyz c_total_energy
thermo_modify format float %.17g norm no
dump atoms all custom 1 atoms.dump id fx fy fz q c_energy
dump_modify atoms sort id format float %.17g
"""

BOXES = [pytest.param(SMALL, id="orthogonal"), pytest.param(TILTED, id="triclinic")]
TOTALS = [pytest.param(0.0, id="neutral"), pytest.param(2.5, id="charged")]
MODES = [
    pytest.param({}, id="shift"),
    pytest.param({"total_charge": 2.5}, id="charged"),
    pytest.param({"neutrality": "increments"}, id="increments"),
]
"""Options of the toy model."""


def static(directory: Path, model: CoordinationCharges, kspace: str = KSPACE, box: str = SMALL, **options: Any) -> Run:
    """One set of forces."""
    save(directory, model)
    return run_well(directory, ions(box, **options) + POTENTIAL + kspace + ALL + "run 0\n")


def virial(row: dict[str, float]) -> np.ndarray:
    """Virial -dE/d(strain) in eV as (3, 3), from the pressure of atoms at rest."""
    xx, yy, zz, xy, xz, yz = (row[name] * BAR * row["Volume"] for name in ("Pxx", "Pyy", "Pzz", "Pxy", "Pxz", "Pyz"))
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("box", BOXES)
def test_equals_the_ewald_sum_in_python(tmp_path: Path, box: str, mode: dict[str, Any]) -> None:
    """Charges and energy; force and virial along random directions, as differences of the Python energy."""
    model = CoordinationCharges(*IONS, **mode)
    run = static(tmp_path, model, "kspace_style ewald 1e-8\nkspace_modify gewald 0.75 kmax/ewald 22 22 33\n", box)
    row, frame = run.thermo[-1], run.frames()[-1]
    positions, elements, cell = final_structure(run)
    python = PythonEnergy(model)
    np.testing.assert_allclose(frame["q"], python.charges(positions, elements, cell), rtol=0, atol=1e-12)
    repulsion, coulomb = python.energies(positions, elements, cell)
    assert row["E_vdwl"] == pytest.approx(repulsion, rel=1e-12)
    assert row["E_coul"] == pytest.approx(coulomb, rel=1e-7)
    assert row["c_total_energy"] == pytest.approx(row["PotEng"], rel=1e-12)

    generator = np.random.default_rng(5)
    forces = np.stack([frame[name] for name in ("fx", "fy", "fz")], axis=1)  # (n_atoms, 3)
    direction = generator.normal(size=positions.shape)
    h = 1e-4
    ends = [sum(python.energies(positions + sign * h * direction, elements, cell)) for sign in (1, -1)]
    assert -(forces * direction).sum() == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5, abs=1e-4)
    strain = generator.normal(size=(3, 3))
    ends = []
    for sign in (1, -1):
        deformation = np.eye(3) + sign * h * (strain + strain.T)
        ends.append(sum(python.energies(positions @ deformation, elements, cell @ deformation)))
    expected = (ends[0] - ends[1]) / (2 * h)
    assert -(virial(row) * (strain + strain.T)).sum() == pytest.approx(expected, rel=1e-5, abs=1e-3)
    atoms = np.array([row[name] for name in TOTAL_VIRIALS]) * -BAR  # stress/atom is stress times volume
    np.testing.assert_allclose(atoms, virial(row)[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("accuracy", [1e-4, 1e-5, 1e-6])
def test_accuracy_is_the_one_asked_for(tmp_path: Path, accuracy: float) -> None:
    """Forces of PPPM, set up by LAMMPS for the charges that the model predicts, beside the exact ones."""
    model = CoordinationCharges(*IONS)
    found = static(tmp_path / "pppm", model, f"kspace_style pppm {accuracy}\n")
    exact_run = static(tmp_path / "exact", model, "kspace_style ewald 1e-8\nkspace_modify gewald 0.75\n")
    for name in ("fx", "fy", "fz"):
        difference = found.frames()[-1][name] - exact_run.frames()[-1][name]
        assert np.sqrt(np.mean(difference**2)) < 3.0 * accuracy * COULOMB_CONSTANT


DISPLACE = """
variable h equal 1e-4
variable dx atom sin(7*id)
variable dy atom sin(11*id)
variable dz atom sin(13*id)
variable ux atom x+v_sign*v_h*v_dx
variable uy atom y+v_sign*v_h*v_dy
variable uz atom z+v_sign*v_h*v_dz
variable work atom -fx*v_dx-fy*v_dy-fz*v_dz
compute slope all reduce sum v_work
variable slope equal c_slope
variable pe equal pe
thermo_style custom step pe c_slope pxx pxy vol
thermo_modify norm no format float %.17g
run 0
variable exact equal ${slope}
variable sign equal 1
set group all x v_ux y v_uy z v_uz
run 0
variable sign equal -2
set group all x v_ux y v_uy z v_uz
run 0
"""
"""Energies at both ends of a step along one direction of all atoms, after one with the slope along it."""


def slope_error(run: Run) -> float:
    """Central difference against the slope from the forces, relative to the force along the direction."""
    middle, forward, backward = run.thermo
    return abs((forward["PotEng"] - backward["PotEng"]) / 2e-4 - middle["c_slope"])


@pytest.mark.parametrize(
    ("box", "lattice", "kspace", "mode"),
    [
        pytest.param("block 0 2 0 2 0 2", 4.0, "mesh 24 24 24 diff ad", {}, id="8 Å"),
        pytest.param("block 0 2 0 2 0 2", 4.0, "mesh 24 24 24 diff ad", {"total_charge": 2.5}, id="8 Å, charged"),
        pytest.param("block 0 4 0 4 0 4", 5.0, "mesh 50 50 50 diff ad", {"total_charge": 2.5}, id="20 Å, charged"),
        pytest.param(TILTED, 5.6, "mesh 36 36 54", {"total_charge": 2.5}, id="triclinic, charged"),
        pytest.param(TILTED, 5.6, "mesh 36 36 54", {"neutrality": "increments"}, id="triclinic, increments"),
    ],
)
def test_forces_are_the_gradient(tmp_path: Path, box: str, lattice: float, kspace: str, mode: dict[str, Any]) -> None:
    """Central differences of LAMMPS' own energies: to 1e-4 of the largest force component."""
    save(tmp_path, CoordinationCharges(*IONS, **mode))
    lines = ions(box, lattice=lattice) + POTENTIAL
    lines += f"kspace_style pppm 1e-6\nkspace_modify gewald 0.62 {kspace} order 7\n"
    lines += "dump forces all custom 1 forces.dump id fx fy fz\ndump_modify forces sort id\n" + DISPLACE
    run = run_well(tmp_path, lines)
    frame = run.frames("forces.dump")[0]
    largest = max(np.abs(frame[name]).max() for name in ("fx", "fy", "fz"))
    n_terms = 3 * len(frame["id"])
    assert slope_error(run) < 1e-4 * largest * np.sqrt(n_terms)


def test_response_is_needed(tmp_path: Path) -> None:
    """Without the change of the charges the forces are far from the gradient."""
    errors = []
    for response in (True, False):
        save(tmp_path / str(response), CoordinationCharges(*IONS, response=response))
        errors.append(slope_error(run_well(tmp_path / str(response), ions() + POTENTIAL + KSPACE + DISPLACE)))
    assert errors[1] > 100 * errors[0]


@pytest.mark.parametrize("total", TOTALS)
def test_stress_is_the_strain_derivative(tmp_path: Path, total: float) -> None:
    """Along x, and of the tilt xy, by central differences of LAMMPS' own energies."""
    save(tmp_path, CoordinationCharges(*IONS, total_charge=total))
    lines = ions("prism 0 2 0 2 0 3 0 0 0") + POTENTIAL + KSPACE
    lines += "thermo_style custom step pe pxx pxy vol ly\nthermo_modify norm no format float %.17g\nrun 0\n"
    for change in ("x scale 1.0001", f"x scale {0.9999 / 1.0001!r}"):
        lines += f"change_box all {change} remap\nrun 0\n"
    lines += f"change_box all x scale {1 / 0.9999!r} remap\n"
    for change in (0.001, -0.002):
        lines += f"change_box all xy delta {change} remap units box\nrun 0\n"
    middle, wide, narrow, right, left = run_well(tmp_path, lines).thermo
    w_xx, w_xy = (middle[name] * BAR * middle["Volume"] for name in ("Pxx", "Pxy"))
    assert -w_xx == pytest.approx((wide["PotEng"] - narrow["PotEng"]) / 2e-4, rel=1e-4)
    assert -w_xy == pytest.approx((right["PotEng"] - left["PotEng"]) / 0.002 * middle["Ly"], rel=1e-3, abs=1e-3)


def stored(directory: Path, system: str, newton: str) -> str:
    """Lines that read a system from a data file: LAMMPS gives IDs by rank where it creates atoms itself."""
    run_well(directory, system + "write_data ions.data\n")
    return f"units metal\nnewton {newton}\natom_style charge\nread_data ../ions.data\n"


@pytest.mark.mpi
@pytest.mark.parametrize(("newton", "mode"), [("on", {"neutrality": "increments"}), ("off", {"total_charge": 2.5})])
def test_any_number_of_ranks(tmp_path: Path, newton: str, mode: dict[str, Any]) -> None:
    """Energies, forces, pressure, energies and virials of atoms of a short run on 1 to 4 ranks."""
    lines = stored(tmp_path, ions(TILTED), newton) + POTENTIAL + COARSE + ALL + DYNAMICS
    runs = []
    for ranks in (1, 2, 3, 4):
        save(tmp_path / str(ranks), CoordinationCharges(*IONS, **mode))
        runs.append(run_well(tmp_path / str(ranks), lines, ranks))
        assert_same(runs[-1], runs[0], 1e-9)
        np.testing.assert_allclose(runs[-1].frames()[-1]["q"], runs[0].frames()[-1]["q"], rtol=0, atol=1e-10)


@pytest.mark.mpi
@pytest.mark.parametrize(("newton", "ranks"), [("on", 2), ("off", 4)])
def test_rank_without_atoms(tmp_path: Path, newton: str, ranks: int) -> None:
    """A drop on one side of a box that ranks divide, also between unequal domains."""
    drop = ions("block 0 6 0 2 0 2").replace(
        "create_atoms 1 box", "region drop block 0.1 2.4 0 2 0 2\ncreate_atoms 1 region drop"
    )
    head = stored(tmp_path, drop, newton)
    kspace = "kspace_style pppm 1e-6\nkspace_modify gewald 0.55 mesh 60 20 20\n"
    lines = head + POTENTIAL + kspace + ALL + DYNAMICS
    for n in (1, ranks):
        save(tmp_path / str(n), CoordinationCharges(*IONS))
        run = run_well(tmp_path / str(n), f"processors {n} 1 1\n" + lines, n)
    assert_same(run, Run(tmp_path / "1", 0, ""), 1e-9)
    counts = next(line for line in run.text.splitlines() if line.startswith("Nlocal"))
    assert counts.split()[5:7] == ["0", "min"], "some rank must have no atoms"


@pytest.mark.mpi
def test_tiled_domains(tmp_path: Path) -> None:
    save(tmp_path / "one", CoordinationCharges(*IONS))
    save(tmp_path / "two", CoordinationCharges(*IONS))
    lines = stored(tmp_path, ions(), "on") + POTENTIAL + COARSE + ALL
    expected = run_well(tmp_path / "one", lines + DYNAMICS)
    found = run_well(tmp_path / "two", lines + "comm_style tiled\nbalance 0.9 rcb\n" + DYNAMICS, 2)
    assert_same(found, expected, 1e-9)


@pytest.mark.parametrize(
    ("box", "total", "ranks"),
    [(SMALL, 0.0, None), (SMALL, 2.5, None), (TILTED, 0.0, None), pytest.param(TILTED, 2.5, 2, marks=pytest.mark.mpi)],
)
def test_model_that_solves_for_itself(tmp_path: Path, box: str, total: float, ranks: int | None) -> None:
    """The exact sum in Python and KSpace agree in all that is printed and dumped."""
    runs = []
    for name, model, kspace in (
        ("kspace", CoordinationCharges, "kspace_style ewald 1e-8\nkspace_modify gewald 0.75 kmax/ewald 22 22 33\n"),
        ("itself", SolvesItself, ""),
    ):
        save(tmp_path / name, model(*IONS, total_charge=total))
        lines = ions(box) + POTENTIAL + kspace + WITHOUT_ATOMIC_STRESS + DYNAMICS
        runs.append(run_well(tmp_path / name, lines, ranks))
    for row, expected in zip(runs[1].thermo, runs[0].thermo, strict=True):
        for name in ("PotEng", "E_vdwl", "E_coul", "Pxx", "Pyy", "Pzz", "Pxy", "Pxz", "Pyz", "c_total_energy"):
            scale = abs(expected["Pxx"]) if name.startswith("P") and name != "PotEng" else abs(expected["PotEng"])
            assert abs(row[name] - expected[name]) < 1e-6 * scale, name
    for frame, expected in zip(runs[1].frames(), runs[0].frames(), strict=True):
        for name in ("fx", "fy", "fz", "q", "c_energy"):
            np.testing.assert_allclose(frame[name], expected[name], rtol=0, atol=1e-5, err_msg=name)
