"""Ranks that are killed, full disks, and folders that cannot be written to: a status and a sentence, no hang."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fault_models import KINDS, ModelFile
from lammps_runs import LMP, SCRIPTS, Run
from native_models import MODELS
from situations import DYNAMICS, STEPS, Situation, assert_same_end, run_or_hang
from test_boxes import BULK
from test_together import SINGLE, whole

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.testing.known_distances import with_distance

pytestmark = pytest.mark.mpi

SECONDS = 120.0
"""A run that hangs instead of ending is caught after this time."""

LONG = Situation(BULK, body=DYNAMICS.replace("run 8", "thermo 10\nrun 1000000"), every=1000)


# A rank that is killed


def descendants(process: int) -> list[int]:
    """Process IDs of all children, theirs included."""
    found = []
    for task in Path("/proc").glob(f"{process}/task/*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


def ranks_of(process: int) -> list[int]:
    """The processes that are LAMMPS itself, and have no children."""
    return sorted(child for child in descendants(process) if not descendants(child))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("victim", [0, -1], ids=["first", "last"])
@pytest.mark.parametrize("kind", ["none", "shift"])
def test_killed_rank(models, tmp_path, cell, kind, victim, step):
    """The other ranks end, and so does mpiexec, with a status."""
    cell(
        f"SIGKILL of the {'first' if victim == 0 else 'last'} rank, {step} step",
        kind,
        "passes",
        "status, no process left",
    )
    place = tmp_path / "long" / "run"
    lines = LONG.lines(models[kind], kind, place, step)
    (place / "in.lammps").write_text(lines)
    with (place / "said").open("w") as said:
        command = [str(SCRIPTS / "mpiexec"), "-n", "2", *LMP, "-in", "in.lammps"]
        started = subprocess.Popen(command, cwd=place, stdout=said, stderr=subprocess.STDOUT)
        try:
            wait_for(lambda: re.search(r"^ +20 ", (place / "said").read_text(), re.M), "step 20")
            ranks = ranks_of(started.pid)
            assert len(ranks) == 2
            os.kill(ranks[victim], signal.SIGKILL)
            assert started.wait(timeout=SECONDS) != 0
            wait_for(lambda: not any(is_alive(rank) for rank in ranks), "the end of the ranks")
        finally:
            if started.poll() is None:
                started.terminate()
                started.wait(timeout=SECONDS)


def is_alive(process: int) -> bool:
    """A zombie is not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Until a condition holds."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.1)


# A disk that is full


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system that has no room left."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("a file system without room needs the right to mount one")
    try:
        with (folder / "filling").open("wb", buffering=0) as file:
            try:
                while file.write(bytes(1024)):
                    pass
            except OSError:
                pass
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def ends_with(lines: str, folder: Path, sentence: str, ranks: int) -> None:
    """A status and one sentence, no traceback."""
    result = run_or_hang(folder, lines, ranks, SECONDS)
    assert result.status not in (0, 124), result.text
    assert "Traceback" not in result.text, result.text
    assert re.search(sentence, " ".join(result.text.split())), result.text


@pytest.mark.parametrize("ranks", [1, 2])
def test_dump_on_a_full_disk(models, tmp_path, cell, full_disk, ranks):
    cell("full disk: dump", f"{ranks} ranks", "passes", "status, sentence of LAMMPS")
    place = tmp_path / "dumping" / "run"
    lines = Situation(BULK, every=1, body=DYNAMICS.replace("run 8", "run 100")).lines(
        models["none"], "none", place, "native"
    )
    ends_with(lines.replace("1 atoms.dump", f"1 {full_disk}/atoms.dump"), place / "start", "Error writing dump", ranks)


@pytest.mark.parametrize("ranks", [1, 2])
def test_structures_of_the_guard_on_a_full_disk(tmp_path, cell, full_disk, ranks):
    cell("full disk: structures of `guard dump`", f"{ranks} ranks", "passes", "status, one sentence")
    path = tmp_path / "known.pt"
    model = ModelFile(path, export_model(with_distance(MODELS["short-range"]()), path))
    guard = f" 0 guard dump every 1 threshold 1e-6 pause 0 file {full_disk}/outside.extxyz"
    place = tmp_path / "guarded" / "run"
    situation = Situation(BULK, change=lambda lines: lines.replace(".pt 0", f".pt{guard}"))
    ends_with(situation.lines(model, "none", place, "native"), place / "start", "outside.extxyz.*No space left", ranks)


@pytest.mark.parametrize("ranks", [1, 2])
def test_counts_of_species_on_a_full_disk(models, tmp_path, cell, full_disk, ranks):
    cell("full disk: files of `fix mliap/species`", f"{ranks} ranks", "refused: sentence of the fix", "")
    place = tmp_path / "counted" / "run"
    fix = f"fix species all mliap/species 1 {full_disk}/found Na Cl\n"
    lines = Situation(BULK, body=fix + DYNAMICS).lines(models["none"], "none", place, "native")
    ends_with(lines, place / "start", "found.*No space left", ranks)


def test_export_on_a_full_disk(models, tmp_path, cell, full_disk):
    """What was there stays."""
    cell("full disk: `export`", "", "passes", "the older file is whole")
    with pytest.raises(InputError, match="No space left on device"):
        export_model(MODELS["short-range"](), full_disk / "model.pt")
    assert [file.name for file in full_disk.iterdir()] == ["filling"]


# A folder that cannot be written to


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that can be mounted for reading alone, so that the administrator cannot write there either."""
    folder = tmp_path / "fixed"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], capture_output=True, check=False).returncode != 0:
        if os.geteuid() == 0:
            pytest.skip("the administrator writes everywhere and may not mount here")
        yield folder
        folder.chmod(0o755)
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def closed(folder: Path) -> None:
    """No more writing."""
    if subprocess.run(["mount", "-o", "remount,ro", str(folder)], capture_output=True, check=False).returncode != 0:
        folder.chmod(0o555)


@pytest.mark.parametrize("kind", KINDS)
def test_model_in_a_read_only_folder(models, tmp_path, cell, kind, read_only):
    """Runs there write nothing beside the model."""
    cell("model and input in a read-only folder", kind, "passes", "the run elsewhere, by both steps, 2 ranks")
    expected = whole(tmp_path, models[kind], kind, 2)
    path = read_only / "model.pt"
    path.write_bytes(models[kind].path.read_bytes())
    inputs = {}
    for step in STEPS:
        place = tmp_path / "elsewhere" / step
        lines = SINGLE.lines(ModelFile(path, models[kind].manifest), kind, place, step).replace("clear\n", "")
        lines = lines.replace(f"shell cd {place}\n", "").replace("log log", f"log {place}/log")
        (read_only / f"in.{step}").write_text(lines.replace("atoms.dump", f"{place}/atoms.dump"))
        inputs[step] = place
    closed(read_only)
    for step, place in inputs.items():
        command = [str(SCRIPTS / "mpiexec"), "-n", "2", *LMP, "-in", f"in.{step}", "-log", "none"]
        done = subprocess.run(command, cwd=read_only, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert_same_end(Run(place, 0, ""), expected)


def test_dump_into_a_read_only_folder(models, tmp_path, cell, read_only):
    cell("read-only folder: dump", "", "refused: sentence of LAMMPS", "")
    closed(read_only)
    place = tmp_path / "dumping" / "run"
    lines = Situation(BULK).lines(models["none"], "none", place, "native")
    ends_with(
        lines.replace("4 atoms.dump", f"4 {read_only}/atoms.dump"), place / "start", f"Cannot open .*{read_only}", 2
    )


def test_export_into_a_read_only_folder(tmp_path, cell, read_only):
    cell("`export` into a read-only folder", "", "passes", "one sentence")
    closed(read_only)
    with pytest.raises(InputError, match=r"cannot write .*model.pt: (Read-only file system|Permission denied)"):
        export_model(MODELS["short-range"](), read_only / "model.pt")
