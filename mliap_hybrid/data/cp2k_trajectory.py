"""Folders of runs of CP2K, by the files of their trajectory: the log's layout has changed, theirs has not.

PROJECT-pos-1.xyz   positions in Å; the line of comment has the step (i = 0) and the energy in Ha (E = -17.2)
PROJECT-frc-1.xyz   forces in Ha/bohr, of the same steps
PROJECT-1.cell      a row for each step: step, time, the three vectors in Å one after another, volume
*.log, *.out        the cell (`CELL| Vector a [angstrom]`) where it does not change and there is no file of it
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers

from mliap_hybrid.errors import InputError, quoted
from mliap_hybrid.units import BOHR, HARTREE

STEP = re.compile(r"\bi\s*=\s*(\d+)")
ENERGY = re.compile(r"\bE\s*=\s*([-+.\dEe]+)")
VECTOR = re.compile(r"CELL\| Vector ([abc]) \[angstrom\]:?((?:\s+[-+.\dEe]+){3})")


def is_cp2k_trajectory(folder: Path) -> bool:
    """Whether a folder holds positions and forces of a run of CP2K."""
    return any(folder.glob("*-pos-*.xyz")) and any(folder.glob("*-frc-*.xyz"))


def read_cp2k_trajectory(folder: Path) -> list[Atoms]:
    """All steps that have positions and forces, in order.

    Returns
    -------
    list of ase.Atoms
        With energy in eV and forces in eV/Å. A step that both files hold twice, as after a restart, counts once.

    Raises
    ------
    InputError
        If the files do not belong together, are cut short, or nothing says the cell.
    """
    positions, forces = _only(folder, "*-pos-*.xyz"), _only(folder, "*-frc-*.xyz")
    places, pulls = dict(_frames(positions)), dict(_frames(forces))
    steps = [step for step in places if step in pulls]
    if not steps:
        raise InputError(f"{folder}: {positions.name} and {forces.name} have no step in common")
    cells = _cells(folder)
    frames = []
    for step in steps:
        symbols, at, energy = places[step]
        _, force, _ = pulls[step]
        if at.shape != force.shape or energy is None:
            raise InputError(f"{folder}, step {step}: {len(at)} positions, {len(force)} forces, energy {energy}")
        cell = cells.get(step, cells.get(None))
        if cell is None:
            raise InputError(
                f"{folder}, step {step}: the file of cells has no such step; print cells as often as positions"
            )
        atoms = Atoms(symbols, at, cell=cell, pbc=True)
        atoms.calc = SinglePointCalculator(atoms, energy=energy * HARTREE, forces=force * (HARTREE / BOHR))
        frames.append(atoms)
    return frames


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise InputError(
            f"{folder}: expected one file {pattern}, found {', '.join(path.name for path in found) or 'none'}"
        )
    return found[0]


def _frames(file: Path) -> Iterator[tuple[int, tuple[list[str], np.ndarray, float | None]]]:
    """Step -> elements, three numbers of each atom, and the energy in Ha where there is one."""
    lines = file.read_text(errors="replace").splitlines()
    at = 0
    while at < len(lines) and lines[at].strip():
        place = f"{file}, line {at + 1}"
        n_atoms = int(lines[at]) if lines[at].strip().isdigit() else -1
        rows = [line.split() for line in lines[at + 2 : at + 2 + n_atoms]]
        if n_atoms < 1 or len(rows) != n_atoms or any(len(row) != 4 for row in rows):
            raise InputError(
                f"{place}: expected a number of atoms and a line for each; the file is cut short or broken there"
            )
        symbols = [_element(row[0], place) for row in rows]
        step, energy = STEP.search(lines[at + 1]), ENERGY.search(lines[at + 1])
        if step is None:
            raise InputError(f"{place}: the line below does not name its step (i = 0), as those of CP2K do")
        try:
            numbers = np.array([[float(word) for word in row[1:]] for row in rows])
        except ValueError:
            raise InputError(f"{place}: expected three numbers for each atom") from None
        yield int(step[1]), (symbols, numbers, None if energy is None else float(energy[1]))
        at += 2 + n_atoms


def _element(name: str, place: str) -> str:
    """Element of a kind of atoms, whose name may end with a number (Fe1)."""
    symbol = name.rstrip("0123456789").capitalize()
    if atomic_numbers.get(symbol, 0) == 0:
        raise InputError(f"{place}: '{quoted(name)}' is not an element; name the kinds of atoms by their elements")
    return symbol


def _cells(folder: Path) -> dict[int | None, np.ndarray]:
    """Step -> cell in Å; under None the one of all steps."""
    files = sorted(folder.glob("*.cell"))
    if files:
        table = np.loadtxt(files[0], ndmin=2)
        return {int(row[0]): row[2:11].reshape(3, 3) for row in table}
    for log in sorted([*folder.glob("*.log"), *folder.glob("*.out")]):
        found = {
            name: [float(word) for word in words.split()]
            for name, words in VECTOR.findall(log.read_text(errors="replace"))
        }
        if len(found) == 3:
            return {None: np.array([found[name] for name in "abc"])}
    raise InputError(
        f"{folder}: nothing says the cell; expected a file *.cell, or the run's output (*.log, *.out) with its lines "
        "`CELL| Vector a [angstrom]`"
    )
