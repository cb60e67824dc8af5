"""`mliap-hybrid species` on dumps as LAMMPS writes them, and on what it has to refuse."""

import csv

import ase.io
import numpy as np
import pytest
from ase import Atoms
from typer.testing import CliRunner

from mliap_hybrid.cli.main import app

FRAME = """ITEM: TIMESTEP
{step}
ITEM: NUMBER OF ATOMS
3
ITEM: BOX BOUNDS pp pp pp
0 12
0 12
0 12
ITEM: ATOMS {columns}
{rows}
"""


def dump(file, columns="id type element x y z", elements=("O", "H", "H"), apart=(1.0, 4.0)):
    """A hydroxyl with a hydrogen beside it that comes and goes; the rows in another order in each frame."""
    frames = []
    for k, distance in enumerate((4.0, apart[0], apart[1])):
        positions = [[6, 6, 6], [6, 6, 6.97], [6 - distance, 6, 6]]
        values = [
            {"id": i + 1, "type": 1 + (i == 0), "element": elements[i], "x": x, "y": y, "z": z, "mass": 1.008}
            for i, (x, y, z) in enumerate(positions)
        ]
        rows = "\n".join(" ".join(str(row[name]) for name in columns.split()) for row in np.roll(values, k))
        frames.append(FRAME.format(step=1000 * k, columns=columns, rows=rows))
    file.write_text("".join(frames))
    return file


def run(tmp_path, *options, status=0):
    result = CliRunner().invoke(app, ["species", *map(str, options), "--output", str(tmp_path / "found")])
    if status:
        return str(result.exception)
    assert result.exit_code == 0, result.output
    files = {name: tmp_path / "found" / f"{name}.csv" for name in ("counts", "events", "rates")}
    return {name: list(csv.DictReader(file.open())) for name, file in files.items()} | {"output": result.output}


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        ("id type element x y z", ()),
        ("id type mass x y z", ("--elements", "H O")),
        ("id type x y z", ("--elements", "H O")),
        ("id type element x y z", ("--elements", "H,O")),
    ],
)
def test_water_is_made_and_broken(tmp_path, columns, options):
    elements = "CCC" if options else "OHH"  # what stands in the column `element` does not count beside --elements
    found = run(tmp_path, dump(tmp_path / "a.dump", columns, elements), "--time-step", "0.5", *options)
    molecules = [(row["H"], row["HO"], row["H2O"]) for row in found["counts"]]
    assert molecules == [("1", "1", "0"), ("0", "0", "1"), ("1", "1", "0")]
    assert [row["time_ps"] for row in found["counts"]] == ["0", "0.5", "1"]
    assert [row["reaction"] for row in found["events"]] == ["H + HO -> H2O", "H2O -> H + HO"]
    assert [row["atoms"] for row in found["events"]] == ["1 2 3"] * 2
    assert {row["unit"] for row in found["rates"]} == {"1/ps", "cm^3/(mol s)"}
    assert (tmp_path / "found" / "counts.png").stat().st_size > 5000
    assert "2 reactions" in found["output"]


def test_persistence_removes_the_recrossing(tmp_path):
    assert not run(tmp_path, dump(tmp_path / "a.dump"), "--persistence", "1500")["events"]


def test_a_trajectory_that_ase_reads(tmp_path):
    frames = [Atoms("H2", positions=[[0, 0, 0], [0, 0, z]]) for z in (0.74, 2.0)]
    ase.io.write(tmp_path / "a.extxyz", frames)
    (event,) = run(tmp_path, tmp_path / "a.extxyz", "--time-step", "10")["events"]
    assert (event["reaction"], event["time_ps"]) == ("H2 -> 2 H", "0.01")


@pytest.mark.parametrize(
    ("columns", "elements", "options", "said"),
    [
        ("type element x y z", "OHH", (), "no column `id`"),
        ("id type x y z", "OHH", (), "without elements (columns id type x y z)"),
        ("id type element x y z", "CCC", (), "all C"),
        ("id element x y z", "OHH", ("--elements", "H O"), "no column `type`"),
        ("id type x y z", "OHH", ("--elements", "H Q"), "'Q' is no element"),
        ("id type element x y z", "OHH", ("--elements", "H N"), "says O in its column element where N was named"),
        ("id type x y z", "OHH", ("--elements", "H"), "atoms of type 2, but 1 elements"),
        ("id type element x y z", "OHH", ("--time-step", "0"), "--time-step"),
        ("id type element x y z", "OHH", ("--form", "2"), "expected two lengths"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path, columns, elements, options, said):
    assert said in run(tmp_path, dump(tmp_path / "a.dump", columns, elements), *options, status=1)


def test_broken_files_are_refused(tmp_path):
    whole = dump(tmp_path / "a.dump").read_text()
    (tmp_path / "half.dump").write_text(whole[: whole.rindex("ITEM: BOX")])
    assert "not complete" in run(tmp_path, tmp_path / "half.dump", status=1)
    (tmp_path / "torn.dump").write_text(whole[:-12])
    assert "not complete" in run(tmp_path, tmp_path / "torn.dump", status=1)
    assert "there is no file" in run(tmp_path, tmp_path / "none.dump", status=1)


def test_an_earlier_analysis_is_kept(tmp_path):
    file = dump(tmp_path / "a.dump")
    run(tmp_path, file)
    assert "--overwrite" in run(tmp_path, file, status=1)
    run(tmp_path, file, "--overwrite")
