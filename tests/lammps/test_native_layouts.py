"""Steps without Python give the same numbers however a box is divided among ranks, and ranks among threads."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest
from lammps_runs import LMP, OUTPUT, SCRIPTS, Run, assert_same

from mliap_hybrid.lammps.data_file import in_lammps_orientation, write_data_file
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.testing.models import charge_predicting_model, contracted_model, sodium_chloride_model
from mliap_hybrid.testing.structures import rock_salt

pytestmark = pytest.mark.mpi

MODELS = {
    "short-range": lambda: sodium_chloride_model(None),
    "shifted charges": lambda: charge_predicting_model("shift"),
    "charge increments": lambda: charge_predicting_model("increments"),
    "contractions": lambda: contracted_model(predicts_charges=True),
}

INPUT = """\
clear
shell cd {folder}
log log.lammps
{before}
units metal
newton {newton}
boundary {boundary}
atom_style charge
read_data ../atoms.data
{potential}{after}
velocity all create 300 7
fix move all nve
timestep 0.0002
neigh_modify every 1 delay 0 check no
thermo 4
"""

STEPS = OUTPUT.replace("custom 1 atoms.dump id type", "custom 4 atoms.dump id type q") + "run 8\n"

PLAIN = {"before": "", "after": "", "newton": "on", "boundary": "p p p"}
SLAB = {"boundary": "p p f", "after": "slab"}

LAYOUTS: dict[str, tuple[int, dict[str, str]]] = {
    "whole": (1, {}),
    "slab": (1, SLAB),
    "slab, Python in each step": (1, SLAB),
    "bricks of equal atoms": (2, {"after": "balance 1.0 shift x 20 1.01\n"}),
    "tiles": (2, {"before": "comm_style tiled", "after": "balance 1.0 rcb\n"}),
    "slab, tiles": (2, SLAB | {"before": "comm_style tiled", "after": "slab\nbalance 1.0 rcb\n"}),
    "bricks that follow the atoms": (
        4,
        {"before": "processors 4 1 1", "after": "fix even all balance 2 1.0 shift x 20 1.01\n", "newton": "off"},
    ),
    "tiles that follow the atoms": (4, {"before": "comm_style tiled", "after": "fix even all balance 2 1.0 rcb\n"}),
    "many": (1, {"after": "replicate 1 2 2\n"}),
    "ranks without atoms": (4, {"before": "processors 4 1 1"}),
    "slab, four ranks": (4, SLAB | {"before": "processors 1 1 4"}),
}
"""What a division is called -> ranks, and what its input has beside `PLAIN`; `slab` is the line for the solver."""

DIVIDED = [name for name, (ranks, _) in LAYOUTS.items() if ranks > 1]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Model -> folder with its file and the data of a drop in one end of a box, and its input lines."""
    atoms = rock_salt(2, rattle=0.1)
    atoms.set_cell(atoms.cell.lengths() + np.array([16.0, 0.0, 1.0]))
    atoms.positions += [1.0, 0.0, 0.5]
    found = {}
    for name, make in MODELS.items():
        folder = tmp_path_factory.mktemp(name.replace(" ", "_"))
        manifest = export_model(make(), folder / "model.pt")
        write_data_file(folder / "atoms.data", in_lammps_orientation(atoms), ["Na", "Cl"], None)
        found[name] = folder, potential_block(manifest, "../model.pt")
    return found


def run_all(exported, layouts: list[str], ranks: int, threads: int = 1) -> dict[tuple[str, str], Run]:
    """All models in these divisions of the box, one after the other in one process of each rank."""
    found, lines = {}, ""
    for name, (of_model, potential) in exported.items():
        for layout in layouts:
            folder = of_model / f"{layout} {threads}".replace(" ", "_")
            folder.mkdir()
            in_python = "Python" in layout
            of_layout = PLAIN | LAYOUTS[layout][1]
            slab = "kspace_modify slab 3.0\n" if "kspace_style" in potential else ""
            of_layout["after"] = of_layout["after"].replace("slab", slab)
            block = potential.replace("model.pt 0", "model.pt 0 native no") if in_python else potential
            lines += INPUT.format(folder=folder, potential=block, **of_layout) + STEPS
            found[name, layout] = Run(folder, 0, "")
    (folder / "in.lammps").write_text(lines)
    command = [str(SCRIPTS / "mpiexec"), "-n", str(ranks), *LMP, "-in", "in.lammps"]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"using {threads} OpenMP thread(s) per MPI task" in done.stdout
    return found


@pytest.fixture(scope="module")
def runs(exported):
    """(model, division of the box) -> its run."""
    found = {}
    for n_ranks in (1, 2, 4):
        found |= run_all(exported, [name for name, (ranks, _) in LAYOUTS.items() if ranks == n_ranks], n_ranks)
    return found


def assert_same_with_charges(found: Run, expected: Run, tolerance: float = 1e-10) -> None:
    assert_same(found, expected, tolerance)
    for frame, reference in zip(found.frames(), expected.frames(), strict=True):
        np.testing.assert_allclose(frame["q"], reference["q"], rtol=0, atol=tolerance)


@pytest.mark.parametrize("layout", DIVIDED)
@pytest.mark.parametrize("name", MODELS)
def test_divided_box(runs, name, layout):
    """Also where ranks have no atoms, and where domains change in the run."""
    found = runs[name, layout]
    assert_same_with_charges(found, runs[name, "slab" if "slab" in layout else "whole"])
    log = (found.directory / "log.lammps").read_text()
    counts = next(line for line in log.splitlines() if line.startswith("Nlocal"))
    assert (int(counts.split()[-2]) == 0) == (layout in ("ranks without atoms", "slab, four ranks"))


@pytest.mark.parametrize("name", MODELS)
def test_slab(runs, name):
    """Not periodic across; with charges, the solver adds vacuum and the correction of the dipole."""
    assert_same_with_charges(runs[name, "slab, Python in each step"], runs[name, "slab"])
    whole, slab = (runs[name, layout].thermo[0]["PotEng"] for layout in ("whole", "slab"))
    assert abs(slab - whole) > 1e-6 * abs(whole)


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_of_a_rank(exported, runs, threads):
    """To the last bit, but for LAMMPS' solver, whose Fourier transforms differ by rounding from run to run."""
    for (name, layout), found in run_all(exported, ["many"], 1, threads).items():
        assert_same_with_charges(found, runs[name, layout], 0.0 if name == "short-range" else 1e-12)
