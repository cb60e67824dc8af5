"""`mliap-hybrid spectrum` on a dump of LAMMPS, in all forms of positions, and on what it has to refuse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from typer.testing import CliRunner

from mliap_hybrid.cli.main import app
from mliap_hybrid.spectra.charged_frames import read_charged_frames
from mliap_hybrid.spectra.moments import moments_of_frames, moments_of_table
from mliap_hybrid.units import BOLTZMANN, CONDUCTIVITY, LIGHT_SPEED

SPRINGS = """\
units metal
atom_style charge
lattice sc 4.0
region box block 0 3 0 3 0 3
create_box 2 box
create_atoms 1 box basis 1 1
set group all type/fraction 2 0.5 3
mass * 20.0
set type 1 charge 0.5
set type 2 charge -0.5
displace_atoms all move -0.01 -0.01 -0.01 units box
pair_style zero 5.0
pair_coeff * *
velocity all create 300 7
fix spring all spring/self 8.0
fix move all nve
timestep 0.001
dump unwrapped all custom 2 unwrapped.dump id q xu yu zu
dump images all custom 2 images.dump id type x y z ix iy iz q
dump wrapped all custom 2 wrapped.dump id q x y z
dump_modify unwrapped format float %.12g
dump_modify wrapped format float %.12g
dump_modify images format float %.12g units yes time yes
run 6000
"""
"""Charges on springs, about the corners of the box: omega^2 = 8 eV/Å^2 / 20 u."""

WAVE_NUMBER = np.sqrt(8.0 / 20.0 * 9648.53321) / (2.0 * np.pi * LIGHT_SPEED)  # 1/cm, with eV/(u Å^2) in 1/ps^2


@pytest.fixture(scope="module")
def dumps(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("springs")
    (folder / "in.springs").write_text(SPRINGS)
    lmp = Path(sys.executable).parent / "lmp"
    subprocess.run([lmp, "-in", "in.springs"], cwd=folder, check=True, capture_output=True, timeout=60)
    return folder


def run(*options, status=0) -> str:
    result = CliRunner().invoke(app, ["spectrum", *map(str, options)])
    if status:
        return str(result.exception)
    assert result.exit_code == 0, result.output
    return result.output


def test_charges_on_springs_absorb_at_their_frequency(dumps):
    """And as much as the mean square of the current says."""
    said = run(dumps / "unwrapped.dump", "--temperature", 150, "--output", dumps / "found", "--resolution", 10)
    wave_numbers, absorption, conductivity = np.loadtxt(dumps / "found/spectrum.csv", delimiter=",", skiprows=1).T
    assert wave_numbers[absorption.argmax()] == pytest.approx(WAVE_NUMBER, abs=2.0)
    assert f" {wave_numbers[absorption.argmax()]:.1f} 1/cm" in said
    integral = np.trapezoid(conductivity, 2.0 * np.pi * LIGHT_SPEED * wave_numbers)  # S/m/ps
    currents = np.diff(moments_of_frames(read_charged_frames(dumps / "unwrapped.dump", 0.001)).moments, axis=0) / 0.002
    expected = CONDUCTIVITY * np.pi * np.square(currents).sum(1).mean() / (6.0 * 12.0**3 * BOLTZMANN * 150.0)
    assert integral == pytest.approx(expected, rel=0.02)
    assert (dumps / "found/spectrum.png").stat().st_size > 10_000
    times, *_ = np.loadtxt(dumps / "found/conductivity.csv", delimiter=",", skiprows=1).T
    assert times[1] == pytest.approx(0.002)
    assert "exists: name another folder" in run(
        dumps / "unwrapped.dump", "--temperature", 150, "--output", dumps / "found", status=1
    )


def test_all_forms_of_positions_say_the_same(dumps, tmp_path):
    """Unwrapped, with image flags, through the nearest images; a file of ASE; a table of moments."""
    series = {name: moments_of_frames(read_charged_frames(dumps / f"{name}.dump", 0.001)) for name in FORMS}
    expected = series["unwrapped"]
    assert np.ptp(expected.moments, axis=0).max() > 0.05
    for name in FORMS:
        changes = series[name].moments - series[name].moments[0]
        np.testing.assert_allclose(changes, expected.moments - expected.moments[0], atol=1e-8)
        assert (series[name].interval, series[name].volume) == (pytest.approx(0.002), pytest.approx(1728.0))
    frames = []
    for frame in list(read_charged_frames(dumps / "wrapped.dump", 0.001))[:20]:
        frames.append(Atoms("H" * 27, frame.positions, cell=frame.cell, pbc=True, charges=frame.charges))
    ase.io.write(tmp_path / "run.extxyz", frames)
    found = moments_of_frames(read_charged_frames(tmp_path / "run.extxyz", 0.002))
    np.testing.assert_allclose(np.diff(found.moments, axis=0), np.diff(expected.moments[:20], axis=0), atol=1e-6)
    steps = 2 * np.arange(len(expected.moments))
    np.savetxt(tmp_path / "moments.txt", np.column_stack([steps, expected.moments]), header="step m")
    table = moments_of_table(tmp_path / "moments.txt", 0.001, 1728.0)
    np.testing.assert_allclose(table.moments, expected.moments)
    assert table.interval == pytest.approx(0.002)


FORMS = ("unwrapped", "images", "wrapped")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("id q xu", "id charge xu"), "has no column `q`"),
        (lambda text: text.replace("xu yu zu", "vx vy vz"), "has no positions"),
        (lambda text: text[: len(text) - 40], "is it cut off"),
        (lambda text: text.replace("TIMESTEP\n4\n", "TIMESTEP\n5\n"), "expected frames in even steps of time"),
        (lambda text: text[: text.index("ITEM: TIMESTEP\n4\n")], "expected at least four"),
    ],
)
def test_refused(dumps, tmp_path, change, message):
    lines = (dumps / "unwrapped.dump").read_text().splitlines(keepends=True)
    (tmp_path / "a.dump").write_text(change("".join(lines[: 36 * 8])))
    assert message in run(tmp_path / "a.dump", "--temperature", 300, "--output", tmp_path / "found", status=1)
    assert not (tmp_path / "found").exists()


def test_options_that_cannot_be(dumps, tmp_path):
    assert "--temperature 0.0: expected" in run(dumps / "unwrapped.dump", "--temperature", 0, status=1)
    assert "there is no file" in run(tmp_path / "none", "--temperature", 300, "--output", tmp_path / "f", status=1)
    (tmp_path / "table").write_text("1 2 3\n2 3 4\n")
    options = ("--temperature", 300, "--moments", "--output", tmp_path / "f")
    assert "expected four finite numbers a line" in run(tmp_path / "table", *options, status=1)
    (tmp_path / "table").write_text("".join(f"{k} 0 0 {k}\n" for k in range(9)))
    assert "name it in Å^3 with --volume" in run(tmp_path / "table", *options, status=1)
