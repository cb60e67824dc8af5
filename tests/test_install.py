"""`pip install .` on a bare machine: one compiler, one command, and LAMMPS runs a model."""

import subprocess
import sys
from pathlib import Path

import pytest

from mliap_hybrid.lammps.data_file import write_data_file
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.testing.models import sodium_chloride_model
from mliap_hybrid.testing.structures import rock_salt

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.mpi
def test_pip_install_into_a_fresh_environment(tmp_path):
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "-q", "torch==2.13.0"], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "-q", str(ROOT)], check=True)

    manifest = export_model(sodium_chloride_model(), tmp_path / "model.pt")
    write_data_file(tmp_path / "structure.data", rock_salt(2), ["Na", "Cl"], manifest.description.constants("charge"))
    (tmp_path / "in.run").write_text(
        "units metal\natom_style charge\nread_data structure.data\n"
        + potential_block(manifest, "model.pt")
        + 'run 0\nprint "ENERGY $(pe:%.10f)"\n'
    )
    energies = []
    for command in (["lmp"], ["mpiexec", "-n", "2", "lmp"]):
        words = [str(python.parent / command[0]), *command[1:]]
        words[-1] = str(python.parent / "lmp")
        run = subprocess.run([*words, "-in", "in.run"], cwd=tmp_path, capture_output=True, text=True, check=True)
        energies.append(next(line for line in run.stdout.splitlines() if line.startswith("ENERGY")))
    assert energies[0] == energies[1]
    check = subprocess.run(
        [str(python.parent / "mliap-hybrid"), "--version"], capture_output=True, text=True, check=True
    )
    assert check.stdout.startswith("mliap_hybrid")
