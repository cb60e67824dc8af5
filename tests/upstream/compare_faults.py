"""Faults of runs in a LAMMPS built from source, on the build itself and on its stand-ins: do both say the same?

    python tests/upstream/compare_faults.py LMP SOURCES [FAULT ...]

LMP is the `lmp` that `run.sh` built, SOURCES the folder that it was built from. Prints a table; exit status 1 if a row
disagrees.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from builds import Build
from faults import FAULTS, Fault

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.command import lammps_command
from mliap_hybrid.lammps.data_file import write_data_file
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import potential_block

TIMEOUT = 100.0
"""Seconds after which a run hangs."""


@dataclass
class Outcome:
    """What became of a run."""

    verdict: str
    """runs, refused or hangs."""
    sentence: str = ""
    """What it was refused with, or warned of."""
    energy: float | None = None
    """Of the model in the last step, in LAMMPS' unit."""

    def agrees(self, other: Outcome) -> bool:
        """Whether both say the same; energies to 1e-9 of their size."""
        if (self.verdict, self.sentence) != (other.verdict, other.sentence):
            return False
        if self.energy is None or other.energy is None:
            return self.energy == other.energy
        return abs(self.energy - other.energy) <= 1e-9 * max(1.0, abs(self.energy))

    def __str__(self) -> str:
        energy = "" if self.energy is None else f" {self.energy:.10g}"
        return f"{self.verdict}{energy}{': ' if self.sentence else ''}{shortened(self.sentence)}"


def shortened(sentence: str) -> str:
    """The beginning of a sentence, for a table."""
    return sentence if len(sentence) < 90 else sentence[:87] + "..."


def on_the_stand_in(fault: Fault, model: Path, capture: Path) -> Outcome:
    """Run the stand-ins of all ranks one after the other, in this process."""
    with capture.open("w") as file:
        before, sys.stderr = sys.stderr, file
        try:
            energy = fault.energy_of_stand_ins(model)
        except InputError as error:
            return Outcome("refused", str(error))
        except Exception as error:  # a fault of the package: the table shows it
            return Outcome("crashes", repr(error))
        finally:
            sys.stderr = before
    return Outcome("runs", warning_of(capture.read_text()), energy)


def on_the_build(fault: Fault, model: Path, build: Build) -> Outcome:
    """Run LAMMPS as a user would."""
    folder = model.parent
    write_data_file(folder / "structure.data", fault.in_lammps(), list(fault.elements), fault.charges)
    (folder / "in.run").write_text(fault.script(potential_block(fault.manifest, model.name, connect=fault.connected)))
    command = [*lammps_command(fault.ranks)[:-1], *build.command(), "-in", "in.run", "-log", "none"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return Outcome("hangs")
    if done.returncode != 0:
        if "Traceback" in done.stderr:
            return Outcome("crashes", done.stderr[-300:])
        ours = re.findall(r"^ERROR(?: on rank \d+)?: (?!Running|Python evaluation)(.*)$", done.stderr, re.MULTILINE)
        of_lammps = re.findall(r"^ERROR[^:]*: (.*?) \(", done.stdout + done.stderr, re.MULTILINE)
        return Outcome("refused", [*ours, *of_lammps, done.stderr[-300:]][0])
    energies = re.findall(r"^ENERGY (\S+)", done.stdout, re.MULTILINE)
    return Outcome("runs", warning_of(done.stderr), float(energies[-1]))


def warning_of(text: str) -> str:
    """What was said not to have been checked."""
    said = re.findall(r"does not tell a model its (.*?), so that", text)
    return f"unchecked: {said[0]}" if said else ""


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lmp", type=Path, help="the lmp executable that was built")
    parser.add_argument("sources", type=Path, help="folder of the sources, which holds `python`")
    parser.add_argument("faults", nargs="*", help="names of faults; default: all")
    arguments = parser.parse_args()
    build = Build("build", arguments.lmp.resolve(), arguments.sources.resolve())
    all_agree = True
    print("| fault | stand-in | real build | agree |\n|---|---|---|---|")
    for fault in FAULTS:
        if arguments.faults and fault.name not in arguments.faults:
            continue
        with tempfile.TemporaryDirectory(prefix="source-build-") as folder:
            path = Path(folder) / "model.pt"
            fault.manifest = export_model(fault.model(), path, **fault.export)
            stand_in = on_the_stand_in(fault, path, Path(folder) / "stderr")
            real = on_the_build(fault, path, build)
        agree = stand_in.agrees(real) and stand_in.verdict not in ("crashes", "hangs")
        all_agree &= agree
        print(f"| {fault.name} | {stand_in} | {real} | {'yes' if agree else 'NO'} |", flush=True)
    return 0 if all_agree else 1


if __name__ == "__main__":
    sys.exit(main())
