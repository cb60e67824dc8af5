"""`python -m build`, and the wheel in a bare environment: doctor, a training, export and LAMMPS, no repository near."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from mliap_hybrid.config.training_file import write_training_file
from mliap_hybrid.lammps.data_file import write_data_file
from mliap_hybrid.testing.labelled import small_settings
from mliap_hybrid.testing.structures import rock_salt

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

FOLDERS = ("mliap_hybrid", "tests", "benchmarks", "docs")
"""What is beside the files of the uppermost folder where the package is built."""

HERE = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
"""Variables of commands that are to see nothing but their own environment."""


def run(*words, cwd):
    """What a command prints."""
    done = subprocess.run([str(word) for word in words], cwd=cwd, env=HERE, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def new_environment(folder, *packages):
    """The folder of the programs of a virtual environment with some packages."""
    run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    programs = folder / "bin"
    for package in ("pip", *packages):  # each by itself: torch first, which decides where the rest comes from
        run(programs / "python", "-m", "pip", "install", "--quiet", "--upgrade", package, cwd=folder.parent)
    return programs


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Source distribution, and the wheel that was made from it."""
    folder = tmp_path_factory.mktemp("build")
    sources = folder / "sources"
    for name in FOLDERS:
        shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for file in ROOT.glob("[!.]*"):
        if file.is_file():
            shutil.copy(file, sources)
    programs = new_environment(folder / "venv", "build")
    run(programs / "python", "-m", "build", "--outdir", folder / "dist", sources, cwd=folder)
    (archive,), (wheel,) = (folder / "dist").glob("*.tar.gz"), (folder / "dist").glob("*.whl")
    return archive, wheel


def test_what_the_files_hold(built):
    sources, wheel = built
    with tarfile.open(sources) as archive:
        in_sources = {"/".join(Path(name).parts[1:]) for name in archive.getnames()}
    of_package = {
        str(file.relative_to(ROOT))
        for pattern in ("*.py", "*.h", "*.cpp", "*.gpsp", "py.typed")
        for file in (ROOT / "mliap_hybrid").rglob(pattern)
    }
    assert of_package <= in_sources
    assert {"LICENSE", "NOTICE.md", "CHANGELOG.md", "CITATION.cff", "setup.py", "pyproject.toml"} <= in_sources
    assert not any(name.startswith(("tests", "benchmarks", "runs")) or name.endswith(".so") for name in in_sources)

    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    about = next(name for name in in_wheel if name.endswith(".dist-info/METADATA")).removesuffix("METADATA")
    assert {name.split("/")[0] for name in in_wheel} == {"mliap_hybrid", about.rstrip("/")}
    assert {f"{about}licenses/LICENSE", f"{about}licenses/NOTICE.md"} <= in_wheel
    libraries = {
        f"mliap_hybrid/{folder}.so"
        for folder in ("kernels/native/mliap_hybrid_kernels", "lammps/plugin/mliap_hybrid_plugin")
    }
    assert of_package | libraries == {name for name in in_wheel if not name.startswith(about)}
    assert wheel.name.split("-")[2:4] == ["py3", "none"]


@pytest.mark.mpi
def test_the_wheel_alone(built, tmp_path):
    programs = new_environment(tmp_path / "venv", "torch==2.13.0", str(built[1]))
    assert "No broken requirements" in run(programs / "pip", "check", cwd=tmp_path)
    place = run(programs / "python", "-c", "import mliap_hybrid; print(mliap_hybrid.__file__)", cwd=tmp_path)
    assert place.startswith(str(tmp_path))
    report = run(programs / "mliap-hybrid", "doctor", cwd=tmp_path)
    assert "NOT OK" not in report

    settings = small_settings(tmp_path, electrostatics={"charges": "reference"})
    write_training_file(settings, tmp_path / "train.yaml", said_only=True)
    run(programs / "mliap-hybrid", "train", "train.yaml", cwd=tmp_path)
    run(programs / "mliap-hybrid", "export", "run", "-o", "model.pt", cwd=tmp_path)
    run(programs / "mliap-hybrid", "check", "model.pt", cwd=tmp_path)

    block = run(programs / "mliap-hybrid", "lammps-input", "model.pt", cwd=tmp_path)
    write_data_file(tmp_path / "structure.data", rock_salt(2), ["Na", "Cl"], None)
    (tmp_path / "in.run").write_text(
        f'units metal\natom_style charge\nread_data structure.data\n{block}run 0\nprint "ENERGY $(pe:%.10f)"\n'
    )
    energies = []
    for start in ([], [programs / "mpiexec", "-n", "2"]):
        printed = run(*start, programs / "lmp", "-in", "in.run", cwd=tmp_path)
        energies.append(next(line for line in printed.splitlines() if line.startswith("ENERGY")))
    assert energies[0] == energies[1]
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["run"]
