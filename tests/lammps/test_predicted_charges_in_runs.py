"""Charges that follow the atoms in all kinds of runs, and in inputs whose lines come in any order."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from charged_runs import COARSE, DYNAMICS, IONS, KSPACE, POTENTIAL, ions, save
from lammps_runs import OUTPUT, assert_same, run_well

from mliap_hybrid.testing.toy_charges import CoordinationCharges, OneBadCharge
from mliap_hybrid.units import KCAL_PER_MOL

PRINT = "thermo_style custom step pe evdwl ecoul elong pxx\nthermo_modify norm no format float %.17g\n"
OTHER_PAIRS = "pair_style lj/cut/coul/long 6.0\npair_coeff * * 0.01 2.5\n"
"""A potential of LAMMPS itself that needs `kspace_style` in the usual way."""


def energies(directory: Path, lines: str, model: CoordinationCharges | None = None) -> list[float]:
    """Potential energies that a run prints."""
    save(directory, model or CoordinationCharges(*IONS))
    return [row["PotEng"] for row in run_well(directory, lines).thermo]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> float:
    """Energy of the plainest input."""
    (energy,) = energies(tmp_path_factory.mktemp("plain"), ions() + POTENTIAL + COARSE + PRINT + "run 0\n")
    return energy


def test_energy_is_all_in_the_pair_style(tmp_path: Path) -> None:
    """At the first step and later; what KSpace itself has would count twice."""
    save(tmp_path, CoordinationCharges(*IONS))
    for row in run_well(tmp_path, ions() + POTENTIAL + COARSE + PRINT + "fix move all nve\nthermo 1\nrun 2\n").thermo:
        assert row["E_long"] == 0.0
        assert row["PotEng"] == pytest.approx(row["E_vdwl"] + row["E_coul"], rel=1e-14)


def test_kspace_style_before_pair_style(tmp_path: Path, expected: float) -> None:
    assert energies(tmp_path, ions() + COARSE + POTENTIAL + PRINT + "run 0\n") == pytest.approx([expected], rel=1e-14)


def test_kspace_style_again_between_runs(tmp_path: Path, expected: float) -> None:
    lines = ions() + POTENTIAL + COARSE + PRINT + "run 0\n" + COARSE + "run 0\nkspace_style none\n" + COARSE + "run 0\n"
    assert energies(tmp_path, lines) == pytest.approx([expected] * 3, rel=1e-14)


def test_pair_style_again_between_runs(tmp_path: Path, expected: float) -> None:
    assert energies(tmp_path, ions() + POTENTIAL + COARSE + PRINT + "run 0\n" + POTENTIAL + "run 0\n") == pytest.approx(
        [expected] * 2, rel=1e-14
    )


def test_another_pair_style_gets_its_kspace_back(tmp_path: Path) -> None:
    """And the model takes it again: also from a hybrid."""
    charges = "set type 1 charge 0.8\nset type 2 charge -0.8\n"
    plain = run_well(tmp_path / "plain", ions() + charges + OTHER_PAIRS + COARSE + PRINT + "run 0\n").thermo[-1]
    hybrid = POTENTIAL.replace("pair_style", "pair_style hybrid/overlay zero 6.0").replace("* * Na", "* * mliap Na")
    hybrid += "pair_coeff * * zero\n"
    lines = ions() + POTENTIAL + COARSE + PRINT
    for other in (POTENTIAL, hybrid):
        lines += (
            f"{other}run 0\n{charges}{OTHER_PAIRS}run 0\nkspace_style none\n{COARSE}run 0\nset group all charge 0\n"
        )
    save(tmp_path / "model", CoordinationCharges(*IONS))
    rows = run_well(tmp_path / "model", lines).thermo
    assert plain["E_long"] != 0.0
    for k in (1, 2, 4, 5):
        assert [rows[k][name] for name in ("PotEng", "E_long", "Pxx")] == pytest.approx(
            [plain[name] for name in ("PotEng", "E_long", "Pxx")], rel=1e-12
        )
    assert rows[3]["PotEng"] == pytest.approx(rows[0]["PotEng"], rel=1e-14)
    assert rows[3]["Pxx"] == pytest.approx(rows[0]["Pxx"], rel=1e-12)


def test_clear(tmp_path: Path, expected: float) -> None:
    lines = ions() + POTENTIAL + COARSE + PRINT + "run 0\n"
    assert energies(tmp_path, lines + "clear\n" + lines) == pytest.approx([expected] * 2, rel=1e-14)


INSTANCES = """
from lammps import lammps
arguments = ["-screen", "none", "-log", "none"]
first, second = lammps(cmdargs=arguments), lammps(cmdargs=arguments)
first.file("in.lammps")
second.file("plain.lammps")
second.command("run 0")
first.command("run 0")
assert second.get_thermo("elong") != 0.0
assert first.get_thermo("elong") == 0.0
first.close()
second.command("run 0")
print(first is second, "energies", second.get_thermo("pe"))
"""


def test_two_instances(tmp_path: Path) -> None:
    """A second LAMMPS with another potential keeps its own KSpace."""
    save(tmp_path, CoordinationCharges(*IONS))
    (tmp_path / "in.lammps").write_text(ions() + POTENTIAL + COARSE)
    charges = "set type 1 charge 0.8\nset type 2 charge -0.8\n"
    (tmp_path / "plain.lammps").write_text(ions() + charges + OTHER_PAIRS + COARSE)
    subprocess.run([sys.executable, "-c", INSTANCES], cwd=tmp_path, timeout=60, check=True)


def test_run_without_setup(tmp_path: Path) -> None:
    """`run pre no` goes on where the run before stopped."""
    lines = ions() + POTENTIAL + COARSE + PRINT + DYNAMICS
    whole = energies(tmp_path / "whole", lines.replace("run 4", "run 8"))
    parts = energies(tmp_path / "parts", lines + "run 4 pre no post no\n")
    assert parts[-1] == whole[-1]


@pytest.mark.mpi
def test_minimize(tmp_path: Path) -> None:
    """The line search stops for lack of a gradient's agreement with the energy only near the bottom."""
    save(tmp_path, CoordinationCharges(*IONS))
    lines = ions() + POTENTIAL + KSPACE + "thermo_style custom step pe fmax\nmin_style cg\nthermo 20\n"
    rows = run_well(tmp_path, lines + "minimize 0 1e-3 100 1000\n", 2).thermo
    assert rows[-1]["Fmax"] < 1e-2 < 1.0 < rows[0]["Fmax"]


@pytest.mark.mpi
def test_minimize_with_the_box(tmp_path: Path) -> None:
    save(tmp_path, CoordinationCharges(*IONS))
    lines = ions() + POTENTIAL + COARSE + "thermo_style custom step pe press fmax\nthermo_modify norm no\n"
    lines += "fix box all box/relax iso 0 vmax 0.01\nmin_style cg\nthermo 20\nminimize 0 1e-3 300 3000\n"
    rows = run_well(tmp_path, lines, 2).thermo
    assert abs(rows[-1]["Press"]) < 1e-3 * abs(rows[0]["Press"])


@pytest.mark.mpi
def test_rerun(tmp_path: Path) -> None:
    """Stored frames, of changing boxes, have the energies and forces of the run that stored them."""
    save(tmp_path / "run", CoordinationCharges(*IONS))
    save(tmp_path / "rerun", CoordinationCharges(*IONS))
    stored = "dump positions all custom 5 positions.dump id type x y z\ndump_modify positions format float %.17g\n"
    output = OUTPUT.replace("dump atoms all custom 1", "dump atoms all custom 5")
    start = ions() + POTENTIAL + COARSE + output
    barostat = "velocity all create 300 12\nfix move all nph iso 0 0 0.1\nthermo 5\nrun 10\n"
    first = run_well(tmp_path / "run", start + stored + barostat, 2)
    again = run_well(tmp_path / "rerun", start + "thermo 5\nrerun ../run/positions.dump dump x y z box yes\n", 2)
    assert first.thermo[0]["Volume"] != first.thermo[-1]["Volume"]
    assert len(again.frames()) == len(first.frames()) == 3
    for frame, expected in zip(again.frames(), first.frames(), strict=True):
        for name in ("fx", "fy", "fz", "c_energy"):
            np.testing.assert_allclose(frame[name], expected[name], rtol=0, atol=1e-9)
    for row, reference in zip(again.thermo, first.thermo, strict=True):
        assert row["PotEng"] == pytest.approx(reference["PotEng"], rel=1e-12)


def test_constant_pressure_conserves_energy(tmp_path: Path) -> None:
    """Box and charges change together: the enthalpy of an NPH run stays."""
    save(tmp_path, CoordinationCharges(*IONS))
    lines = ions("prism 0 2 0 2 0 3 0 0 0") + POTENTIAL + KSPACE
    lines += "velocity all create 300 12\nfix move all nph tri 45000 45000 0.2\ntimestep 0.0002\n"
    lines += "thermo_style custom step pe etotal enthalpy vol econserve\nthermo_modify norm no format float %.17g\n"
    rows = run_well(tmp_path, lines + "thermo 10\nrun 100\n").thermo
    kept = np.array([row["Econserve"] for row in rows])
    assert np.ptp(kept) < 0.02 * np.ptp([row["PotEng"] for row in rows])


@pytest.mark.mpi
def test_restart(tmp_path: Path) -> None:
    """A run that goes on from its restart file prints the same numbers."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for directory in (whole, parts):
        save(directory, CoordinationCharges(*IONS))
    output = OUTPUT + "neigh_modify every 1 delay 0 check yes\n"
    start = ions() + POTENTIAL + COARSE + output + DYNAMICS.replace("run 4", "run 4\nwrite_restart half.restart")
    uninterrupted = run_well(whole, start + "run 4\n", 2)
    run_well(parts, start, 2)
    go_on = "read_restart half.restart\n" + POTENTIAL + COARSE + output
    continued = run_well(parts, go_on + "fix move all nve\ntimestep 0.0005\nthermo 4\nrun 4\n", 2)
    assert continued.thermo[-1]["PotEng"] == pytest.approx(uninterrupted.thermo[-1]["PotEng"], rel=1e-12)


@pytest.mark.parametrize("total", [0.0, 1.0])
def test_slab(tmp_path: Path, total: float) -> None:
    """Forces are the gradient of the energy with the slab correction, charged or not."""
    save(tmp_path, CoordinationCharges(*IONS, total_charge=total))
    lines = ions("block 0 2 0 2 -1 3").replace("units metal", "units metal\nboundary p p f")
    lines = lines.replace("create_atoms 1 box", "region slab block 0 2 0 2 0.1 2\ncreate_atoms 1 region slab")
    lines += POTENTIAL + KSPACE.replace("36 36 54", "36 36 216") + "kspace_modify slab 3.0\n" + SLAB_STEPS
    middle, up, down = run_well(tmp_path, lines).thermo
    assert -middle["c_force"] == pytest.approx((up["PotEng"] - down["PotEng"]) / 2e-3, rel=1e-4, abs=1e-3)


SLAB_STEPS = """
group moved id <= 20
compute force moved reduce sum fz
thermo_style custom step pe c_force
thermo_modify norm no format float %.17g
run 0
displace_atoms moved move 0 0 0.001 units box
run 0
displace_atoms moved move 0 0 -0.002 units box
run 0
"""


def test_slab_correction_is_there(tmp_path: Path) -> None:
    """A slab with a dipole has another energy than its periodic images together."""
    lines = ions("block 0 2 0 2 -2 4").replace(
        "create_atoms 1 box", "region s block 0 2 0 2 0.1 2\ncreate_atoms 1 region s"
    )
    lines += "displace_atoms all ramp z 0.0 1.0 z 0.0 11.0 units box\ngroup sodium type 1\n"
    lines += "displace_atoms sodium move 0 0 0.5 units box\n" + POTENTIAL + PRINT
    kspace = "kspace_style pppm 1e-5\nkspace_modify gewald 0.6\n"
    (periodic,) = energies(tmp_path / "periodic", lines + kspace + "run 0\n")
    slab = lines.replace("units metal", "units metal\nboundary p p f") + kspace + "kspace_modify slab 3.0\nrun 0\n"
    (single,) = energies(tmp_path / "slab", slab)
    assert single > periodic + 0.1


def test_units_real(tmp_path: Path) -> None:
    """The Coulomb energy in kcal/mol."""
    save(tmp_path / "metal", CoordinationCharges(*IONS))
    save(tmp_path / "real", CoordinationCharges(*IONS))
    lines = ions() + POTENTIAL + KSPACE + PRINT + "run 0\n"
    metal = run_well(tmp_path / "metal", lines).thermo[-1]
    real = run_well(tmp_path / "real", lines.replace("units metal", "units real")).thermo[-1]
    assert real["E_coul"] * KCAL_PER_MOL == pytest.approx(metal["E_coul"], rel=1e-5)


def test_total_charge_in_the_input(tmp_path: Path) -> None:
    """It comes before the model's own."""
    lines = ions() + POTENTIAL + KSPACE + PRINT + "run 0\n"
    (expected,) = energies(tmp_path / "model", lines, CoordinationCharges(*IONS, total_charge=1.5))
    lines = lines.replace("model.pkl 0", "model.pkl 0 total_charge 1.5")
    assert energies(tmp_path / "input", lines) == pytest.approx([expected], rel=1e-14)


@pytest.mark.parametrize("change", ["delete_atoms group some", "create_atoms 1 single 3.0 3.1 7.9 units box"])
def test_total_charge_stays_when_atoms_come_and_go(tmp_path: Path, change: str) -> None:
    """The charges of a run before say nothing of the total: with the other atoms, they had another share of it."""
    lines = ions() + "group some id 1 5 6\n" + POTENTIAL + COARSE + PRINT
    after_a_run = energies(tmp_path / "run", f"{lines}run 0\n{change}\nrun 0\n")
    assert after_a_run[-1] == pytest.approx(*energies(tmp_path / "none", f"{lines}{change}\nrun 0\n"), rel=1e-13)


@pytest.mark.parametrize("typical", [[0.8, -0.8], [0.01, 0.01], None], ids=["good", "far off", "none"])
@pytest.mark.parametrize("charges", ["", "set type 1 charge 3\nset type 2 charge -3\n"], ids=["zero", "large"])
def test_kspace_is_set_up_for_the_predicted_charges(tmp_path: Path, typical: list[float] | None, charges: str) -> None:
    """Whatever the atoms' charges are before: splitting parameter and mesh are those of a second run."""
    model = CoordinationCharges(*IONS)
    model.typical_charges = typical
    save(tmp_path, model)
    text = run_well(tmp_path, ions() + charges + POTENTIAL + "kspace_style pppm 1e-5\nrun 0\nrun 0\n").text
    *_, first, second = re.findall(r"G vector \(1/distance\) = (\S+)\n\s*grid = (.*)\n", text)
    assert float(first[0]) == pytest.approx(float(second[0]), rel=0.01)
    assert first[1] == second[1]


def test_charges_and_potentials_can_be_dumped(tmp_path: Path) -> None:
    """By `fix pair`: half their product is the Coulomb energy."""
    save(tmp_path, CoordinationCharges(*IONS))
    lines = ions() + POTENTIAL + COARSE + PRINT + "fix coulomb all pair 1 mliap potential 0 charge 0\n"
    lines += "dump d all custom 1 d.dump id q f_coulomb[1] f_coulomb[2]\ndump_modify d format float %.17g\n"
    run = run_well(tmp_path, lines + DYNAMICS.replace("thermo 2\nrun 4", "thermo 1\nrun 3"))
    for row, frame in zip(run.thermo, run.frames("d.dump"), strict=True):
        np.testing.assert_array_equal(frame["q"], frame["f_coulomb[2]"])
        assert 0.5 * frame["q"] @ frame["f_coulomb[1]"] == pytest.approx(row["E_coul"], rel=1e-12)


def test_potential_of_an_atom_without_charge(tmp_path: Path) -> None:
    """A charge of exactly 0 still has the potential that its forces need."""
    potentials = []
    for value in (0.0, 1e-9):
        save(tmp_path / str(value), OneBadCharge(0, value, *IONS))
        lines = ions() + POTENTIAL + COARSE + "fix coulomb all pair 1 mliap potential 0\n"
        lines += "dump d all custom 1 d.dump id q f_coulomb\ndump_modify d sort id format float %.17g\nrun 0\n"
        (frame,) = run_well(tmp_path / str(value), lines).frames("d.dump")
        assert abs(frame["q"][6]) <= value + 1e-99
        potentials.append(frame["f_coulomb"])
    assert abs(potentials[0][6]) > 1e-3
    np.testing.assert_allclose(potentials[0], potentials[1], rtol=0, atol=1e-7)


def test_no_charges_at_all(tmp_path: Path) -> None:
    save(tmp_path, CoordinationCharges(IONS[0], [0.0, 0.0], [0.0, 0.0]))
    (row,) = run_well(tmp_path, ions() + POTENTIAL + COARSE + PRINT + "run 0\n").thermo
    assert row["E_coul"] == pytest.approx(0.0, abs=1e-90)
    assert row["E_vdwl"] > 1.0


@pytest.mark.parametrize("ranks", [None, pytest.param(2, marks=pytest.mark.mpi)])
def test_beside_another_pair_style(tmp_path: Path, ranks: int | None) -> None:
    """hybrid/overlay adds the two, in energy, forces, pressure and in what atoms have."""
    other = "lj/cut 6.0"
    save(tmp_path / "overlay", CoordinationCharges(*IONS))
    lines = f"pair_style hybrid/overlay mliap unified model.pkl 0 trusted yes {other}\npair_coeff * * mliap Na Cl\n"
    lines += "pair_coeff * * lj/cut 0.01 2.5\n"
    both = run_well(tmp_path / "overlay", ions() + lines + COARSE + OUTPUT + "run 0\n", ranks)
    save(tmp_path / "model", CoordinationCharges(*IONS))
    model = run_well(tmp_path / "model", ions() + POTENTIAL + COARSE + OUTPUT + "run 0\n", ranks)
    lines = f"pair_style {other}\npair_coeff * * 0.01 2.5\n"
    alone = run_well(tmp_path / "alone", ions() + lines + OUTPUT + "run 0\n", ranks)
    for name in ("PotEng", "Pxx", "Pyz", "c_total_energy", "c_total_virial[1]", "c_total_virial[6]"):
        parts = model.thermo[-1][name] + alone.thermo[-1][name]
        assert both.thermo[-1][name] == pytest.approx(parts, rel=1e-10, abs=1e-7)
    for name in ("fx", "fz", "c_energy", "c_virial[2]"):
        parts = model.frames()[-1][name] + alone.frames()[-1][name]
        np.testing.assert_allclose(both.frames()[-1][name], parts, rtol=1e-9, atol=1e-8 * np.abs(parts).max())


def test_atoms_that_are_not_the_models(tmp_path: Path) -> None:
    """Types mapped to NULL, without charges, change neither charges nor energies of the others."""
    third = ions(extra="").replace("create_box 2", "create_box 3").replace("mass 1", "mass 3 40\nmass 1")
    argon = third + "create_atoms 3 single 0.25 0.25 0.25\ncreate_atoms 3 single 1.25 1.25 2.25\n"
    none = "pair_style hybrid mliap unified model.pkl 0 trusted yes lj/cut 6.0\npair_coeff * * mliap Na Cl NULL\n"
    none += "pair_coeff * 3 lj/cut 0.0 2.5\n"
    one, two = (
        energies(tmp_path / str(n), head + none + COARSE + PRINT + "run 0\n") for n, head in enumerate((third, argon))
    )
    assert two == pytest.approx(one, rel=1e-12)


def test_other_models_are_left_alone(tmp_path: Path) -> None:
    """A model without predicted charges keeps the usual KSpace and the usual virial."""
    from test_plugin_pair_style import ARGON
    from test_plugin_pair_style import save as save_any

    from mliap_hybrid.testing.toy_models import LennardJones

    save_any(tmp_path / "model", LennardJones(["Na", "Cl"], *ARGON))
    charges = "set type 1 charge 0.8\nset type 2 charge -0.8\n"
    coulomb = "pair_coeff * * coul/long\n" + COARSE + OUTPUT + "run 2\n"
    lines = (
        "pair_style hybrid/overlay mliap unified model.pkl 0 trusted yes coul/long 7.0\npair_coeff * * mliap Na Cl\n"
        + coulomb
    )
    found = run_well(tmp_path / "model", ions() + charges + lines)
    lines = "pair_style hybrid/overlay lj/cut 8.5 coul/long 7.0\npair_coeff * * lj/cut 0.0104 3.4\n" + coulomb
    assert_same(found, run_well(tmp_path / "reference", ions() + charges + lines), 1e-11)
    assert found.thermo[-1]["E_long"] != 0.0
