"""A situation is run with each kind of model, on 1, 2 and 4 ranks, without Python in its steps and with it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice, product
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from fault_models import KINDS, ModelFile
from lammps_runs import OUTPUT, Run, assert_same, run

from mliap_hybrid.lammps.data_file import in_lammps_orientation, write_data_file

RANKS = (1, 2, 4)
STEPS = ("native", "Python")

SECONDS = 120.0
"""A run that hangs is caught after this time."""

PRINT = OUTPUT.replace("custom 1 atoms.dump id type", "custom {every} atoms.dump id type q").replace(
    "c_total_energy", "c_total_energy c_strain[*]"
)
PRINT = "compute strain all pressure NULL virial\n" + PRINT + "thermo {every}\n"
"""What `lammps_runs.OUTPUT` prints, charges, and the pressure without that of the motion."""

DYNAMICS = (
    "velocity all create 300 7\nfix move all nve\ntimestep 0.0002\nneigh_modify every 1 delay 0 check no\nrun 8\n"
)

SECTION = """\
clear
shell cd {folder}
log log.lammps
{before}
units metal
newton on
boundary {boundary}
atom_style charge
read_data {data}
{potential}{after}
{print}{body}"""


def unchanged(lines: str) -> str:
    """Input lines as they are."""
    return lines


def nothing_more(result: Run) -> None:
    """Asks nothing of a run."""


@dataclass(frozen=True)
class Situation:
    """A row of the table."""

    atoms: Atoms
    elements: tuple[str, ...] = ("Na", "Cl")
    """Of the atom types in the data file; the model sees them by `mapped`."""
    mapped: tuple[str, ...] = ()
    boundary: str = "p p p"
    before: str = ""
    """Lines before the box."""
    change: Callable[[str], str] = unchanged
    """What becomes of the model's input lines."""
    after: str = ""
    """Lines behind them."""
    of_solver: str = ""
    """Lines behind these, for models with charges."""
    body: str = DYNAMICS
    """What is run; POTENTIAL, PRINT and DATA in it: lines of the model and of what is printed, and the data file."""
    every: int = 4
    """Steps between frames."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Kind of model -> pattern of the sentence that it is refused with."""
    senseless: Mapping[str, str] = field(default_factory=dict)
    """Kind of model -> why there is no such run."""
    ranks_agree: bool = True
    """Whether LAMMPS takes the same steps on any number of ranks."""
    rounding: float = 1e-10
    """How far runs may be apart, relative to the largest number."""
    seen: tuple[str, ...] = ()
    """Elements of the types for ASE, if they are others."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Name of a file that the input reads -> what is in it."""
    also: Callable[[Run], None] = nothing_more
    """What else must hold of each run."""
    ends_as: str = ""
    """Another situation, which ends with the same numbers."""

    def lines(self, model: ModelFile, kind: str, folder: Path, step: str) -> str:
        """The input."""
        data = folder.parent / "atoms.data"
        if not data.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            write_data_file(data, in_lammps_orientation(self.atoms), list(self.elements), None)
        folder.mkdir(exist_ok=True)
        for name, text in self.files.items():
            (folder / name).write_text(text)
        potential = self.change(model.lines(self.mapped, in_python=step == "Python"))
        printed = PRINT.format(every=self.every)
        return SECTION.format(
            folder=folder,
            before=self.before,
            boundary=self.boundary,
            data=data,
            potential=potential,
            after=self.after + ("" if kind == "none" else self.of_solver),
            print=printed,
            body=self.body.replace("POTENTIAL", potential).replace("PRINT", printed).replace("DATA", str(data)),
        )


Key = tuple[str, int, str]
"""Kind of model, ranks, step."""


def runs_of(
    situations: Mapping[str, Situation], models: Mapping[str, ModelFile], folder: Path
) -> dict[tuple[str, Key], Run]:
    """Name and key -> run, of all that are not refused."""
    found: dict[tuple[str, Key], Run] = {}
    for n in RANKS:
        sections: dict[tuple[str, Key], Section] = {}
        for (name, situation), kind, step in product(situations.items(), KINDS, STEPS):
            if kind in situation.refused or kind in situation.senseless:
                continue
            place = folder / plain(name) / f"{kind}_{n}_{step}"
            sections[name, (kind, n, step)] = Section(place, situation.lines(models[kind], kind, place, step))
        found |= run_sections(sections, n)
    return found


@dataclass(frozen=True)
class Section:
    """Lines of an input that stand by themselves, and the folder that they work in."""

    folder: Path
    lines: str


def run_sections(sections: Mapping[Any, Section], ranks: int) -> dict[Any, Run]:
    """One after the other in one process of each rank; where that ends badly, each half of them, until one is found."""
    together = "".join(section.lines for section in sections.values())
    start = next(iter(sections.values())).folder / f"start_of_{len(sections)}"
    done = run_or_hang(start, together, ranks, SECONDS + 5.0 * len(sections))
    if done.status == 0 or len(sections) == 1:
        return {key: Run(section.folder, done.status, done.text) for key, section in sections.items()}
    half = len(sections) // 2
    first, second = dict(islice(sections.items(), half)), dict(islice(sections.items(), half, None))
    return run_sections(first, ranks) | run_sections(second, ranks)


def plain(name: str) -> str:
    """A name for a folder."""
    return re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")


def run_or_hang(folder: Path, lines: str, ranks: int, seconds: float = SECONDS) -> Run:
    """A run, whose status is that of `timeout` where it hangs."""
    try:
        return run(folder, lines, ranks, timeout=seconds)
    except subprocess.TimeoutExpired as hanging:
        said = hanging.stdout or b""
        return Run(folder, 124, f"hangs for {seconds} s\n" + (said if isinstance(said, str) else said.decode()))


def assert_refused(result: Run, sentence: str) -> str:
    """The run ends with one sentence, once, without a traceback; returns the sentence."""
    assert result.status not in (0, 124), result.text
    assert "Traceback" not in result.text, result.text
    said = {line for line in result.text.splitlines() if re.match(r"ERROR", line)}
    text = " ".join(result.text.split())  # long messages of LAMMPS are wrapped
    assert len(re.findall(sentence, text)) == 1, f"{sentence!r} is not told once in {result.text}"
    assert len(said) == 1, result.text
    return " ".join(said)


def assert_same_runs(found: Run, expected: Run, rounding: float) -> None:
    """Every number, and the charges."""
    assert found.status == 0, found.text
    assert_same(found, expected, rounding)
    for frame, reference in zip(found.frames(), expected.frames(), strict=True):
        np.testing.assert_allclose(frame["q"], reference["q"], rtol=0, atol=rounding)


def assert_same_end(found: Run, expected: Run, rounding: float = 1e-9) -> None:
    """Energy, pressure and the last frame of two runs, relative to the largest number of each column."""
    for name in ("PotEng", "Pxx", "Pxy"):
        scale = max(1.0, abs(expected.thermo[-1][name]))
        np.testing.assert_allclose(found.thermo[-1][name], expected.thermo[-1][name], rtol=0, atol=rounding * scale)
    frame, reference = found.frames()[-1], expected.frames()[-1]
    for name, column in reference.items():
        scale = max(1.0, np.abs(column).max())
        np.testing.assert_allclose(frame[name], column, rtol=0, atol=rounding * scale, err_msg=name)


def last_frame(result: Run, elements: tuple[str, ...], name: str = "atoms.dump") -> Atoms:
    """The last structure of a run, with its forces; atoms that are not the model's are X."""
    symbols = [e if e in ("Na", "Cl") else "X" for e in elements]
    atoms = ase.io.read(result.directory / name, index=-1, format="lammps-dump-text", specorder=symbols, units="metal")
    return atoms


BAR = 1.0 / 1.6021765e6
"""Of LAMMPS' units metal, eV/Å^3."""


def assert_as_in_ase(result: Run, model: ModelFile, elements: tuple[str, ...], name: str = "atoms.dump") -> None:
    """Energy, forces, charges and pressure of the last step are those of the calculator at its positions.

    To rounding without charges; with them, to what PPPM is asked for.
    """
    assert result.status == 0, result.text
    atoms, row, frame = last_frame(result, elements, name), result.thermo[-1], result.frames(name)[-1]
    in_lammps = atoms.calc.results["forces"]
    known = atoms.numbers > 0
    assert not in_lammps[~known].any()
    structure = atoms[known]
    charged = model.manifest.description.charges_of_runs is not None
    structure.calc = model.calculator()
    forces = structure.get_forces()
    tolerance = (5e-5 if charged else 1e-10) * max(1.0, np.abs(forces).max())  # eV/Å
    np.testing.assert_allclose(in_lammps[known], forces, rtol=0, atol=tolerance)
    np.testing.assert_allclose(row["PotEng"], structure.get_potential_energy(), rtol=1e-11, atol=2.0 * tolerance)
    if charged:
        np.testing.assert_allclose(frame["q"][known], structure.calc.results["charges"], rtol=0, atol=1e-6)
    if structure.pbc.all():
        pressures = np.array([row[f"c_strain[{m}]"] for m in range(1, 7)])  # bar: xx, yy, zz, xy, xz, yz
        virial = pressures * BAR * structure.get_volume()  # eV
        expected = -structure.get_stress()[[0, 1, 2, 5, 4, 3]] * structure.get_volume()
        np.testing.assert_allclose(virial, expected, rtol=0, atol=30.0 * tolerance)
