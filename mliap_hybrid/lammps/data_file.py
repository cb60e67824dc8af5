"""LAMMPS data files with full precision, and reading back what a run wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers, chemical_symbols


def in_lammps_orientation(atoms: Atoms) -> Atoms:
    """The structure turned so that its first lattice vector is along x and its second in the xy plane."""
    turned = atoms.copy()
    turned.wrap()
    cell, _ = turned.cell.standard_form()
    turned.set_cell(cell, scale_atoms=True)
    return turned


def write_data_file(path: Path, atoms: Atoms, elements: list[str], charges: dict[str, float] | None) -> None:
    """Write a structure as a data file for `atom_style charge`, or `full` where it has a column `molecule`.

    Parameters
    ----------
    path : Path
    atoms : ase.Atoms
        In LAMMPS orientation (`in_lammps_orientation`), with a cell.
    elements : list of str
        Element of each atom type, in order.
    charges : dict of str to float, e, or None
        Charge of each element; None writes zeros.
    """
    charges = charges or dict.fromkeys(elements, 0.0)
    cell = np.asarray(atoms.cell)
    lines = ["# written by mliap_hybrid", "", f"{len(atoms)} atoms", f"{len(elements)} atom types", ""]
    lines += [f"0.0 {cell[k, k]:.17g} {axis}lo {axis}hi" for k, axis in enumerate("xyz")]
    if np.abs(cell[np.tril_indices(3, -1)]).max() > 1e-12:
        lines.append(f"{cell[1, 0]:.17g} {cell[2, 0]:.17g} {cell[2, 1]:.17g} xy xz yz")
    lines += ["", "Masses", ""]
    lines += [f"{e} {atomic_masses[atomic_numbers[symbol]]:.17g}" for e, symbol in enumerate(elements, start=1)]
    molecules = atoms.arrays.get("molecule")
    lines += ["", "Atoms # charge" if molecules is None else "Atoms # full", ""]
    for index, (z, position) in enumerate(zip(atoms.numbers, atoms.positions, strict=True), start=1):
        symbol = chemical_symbols[z]
        charge = charges[symbol]
        x, y, z_ = position
        of_molecule = "" if molecules is None else f"{molecules[index - 1]} "
        lines.append(f"{index} {of_molecule}{elements.index(symbol) + 1} {charge:.17g} {x:.17g} {y:.17g} {z_:.17g}")
    path.write_text("\n".join(lines) + "\n")


def read_dump(path: Path) -> np.ndarray:
    """Columns of the last frame of a custom dump whose first column is the atom id.

    Returns
    -------
    array, shape (n_atoms, n_columns - 1)
        Sorted by id, without it.
    """
    return read_dump_frames(path)[-1]


def read_dump_frames(path: Path) -> list[np.ndarray]:
    """The same of all frames; one that a killed run has not finished is left out."""
    frames = []
    for block in path.read_text().split("ITEM: TIMESTEP\n")[1:]:
        head, _, body = block.partition("ITEM: ATOMS")
        n_atoms = int(head.splitlines()[2])
        rows = [line.split() for line in body.splitlines()[1:]]
        if len(rows) < n_atoms or not body.endswith("\n"):
            continue
        table = np.array(rows, dtype=float)  # (n_atoms, n_columns)
        frames.append(table[np.argsort(table[:, 0]), 1:])
    return frames
