"""Structures in: files through ASE, and ASE or pymatgen objects, each to a `Batch` with its neighbour pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from mliap_hybrid.config import LabelKeys, LabelUnits
from mliap_hybrid.data.file_units import length_factor
from mliap_hybrid.data.formats import read_structures
from mliap_hybrid.data.frames import Frame, has_entry, lookup
from mliap_hybrid.data.labels import Labels, read_labels
from mliap_hybrid.data.molecule_ids import molecule_ids
from mliap_hybrid.errors import InputError
from mliap_hybrid.neighbors import neighbor_pairs
from mliap_hybrid.quantities import QUANTITIES, Quantity
from mliap_hybrid.structure import Batch

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure


NO_CONFIG_TYPE = "not said"
"""Kind of a frame that does not name its kind."""


def read_frames(files: Sequence[Path], elements: Sequence[str] = ()) -> list[Frame]:
    """All frames of the files, in order.

    Parameters
    ----------
    files : sequence of Path
        Files and folders of the formats of `data/formats.py`.
    elements : sequence of str
        Element of each atom type, for those that are dumps of LAMMPS.

    Raises
    ------
    InputError
        If a file is missing, cannot be read, or holds no frame.
    """
    frames: list[Frame] = []
    for file in files:
        structures, units = read_structures(file, elements)
        if not structures:
            raise InputError(f"the data file {file} holds no frame")
        frames += [Frame(atoms, f"{file}, frame {index}", units) for index, atoms in enumerate(structures)]
    return frames


def read_frame(file: Path, index: int, elements: Sequence[str] = ()) -> Frame:
    """One frame of a file.

    Parameters
    ----------
    file : Path
        As in `read_frames`.
    index : int
        From 0; from the end where it is negative.
    elements : sequence of str
        As in `read_frames`.

    Raises
    ------
    InputError
        As `read_frames`, or if there is no such frame.
    """
    frames = read_frames([file], elements)
    if not -len(frames) <= index < len(frames):
        raise InputError(f"--index {index}: {file} has {len(frames)} frames; expected 0 to {len(frames) - 1}")
    return frames[index]


def frame_to_batch(
    frame: Frame | Atoms,
    cutoff: float,
    keys: LabelKeys | None = None,
    units: LabelUnits | None = None,
    allow_missing: bool = False,
) -> Batch:
    """One structure as a batch.

    Parameters
    ----------
    frame : Frame or ase.Atoms
    cutoff : float, Å
        Neighbour pairs closer than this are listed.
    keys : LabelKeys, optional
        Names of the labels to read; without it the batch has none.
    units : LabelUnits, optional
        Units of the frame, positions included; where not given those of the file's format, eV and Å of most.
    allow_missing : bool
        Whether labels may be missing.

    Raises
    ------
    InputError
        If the structure is empty or broken, or a label is missing or wrong, or that of the structure before a change.
    """
    if isinstance(frame, Atoms):
        if keys is not None:
            _check_unchanged(frame)
        frame = Frame(frame, frame.get_chemical_formula() or "the structure")
    atoms, units = frame.atoms, units or LabelUnits()
    labels = read_labels(frame, keys, units, allow_missing) if keys is not None else Labels()
    length = length_factor(frame.units, units, frame.source)
    batch = _batch(
        positions=atoms.positions * length,
        numbers=atoms.numbers,
        cell=np.asarray(atoms.cell) * length,
        periodic=atoms.pbc,
        cutoff=cutoff,
        labels=labels,
        source=frame.source,
    )
    molecules = molecule_ids(frame, None if keys is None else keys.molecules)
    return replace(batch, sources=(frame.source,), molecules=molecules, config_types=_config_types(frame, keys))


def _check_unchanged(atoms: Atoms) -> None:
    """Refuse results of a calculator that belong to the structure before it was changed; ASE keeps them."""
    calculator = atoms.calc
    if calculator is None or not calculator.results or getattr(calculator, "atoms", None) is None:
        return
    that_count = {"positions", "numbers", "cell"} if calculator.atoms.pbc.any() else {"positions", "numbers"}
    if changes := [change for change in calculator.check_state(atoms) if change in that_count]:
        raise InputError(
            f"the labels of {atoms.get_chemical_formula() or 'the structure'} are those of another structure: its "
            f"{', '.join(changes)} changed after they were computed; label it again, or take the copy that was labelled"
        )


def _config_types(frame: Frame, keys: LabelKeys | None) -> tuple[str, ...]:
    if keys is None or keys.config_type is None:
        return ()
    key = keys.config_type
    return (str(lookup(frame, key, "data.keys.config_type")) if has_entry(frame, key) else NO_CONFIG_TYPE,)


def structure_to_batch(structure: Structure | Molecule, cutoff: float) -> Batch:
    """A pymatgen structure or molecule as a batch without labels.

    Parameters
    ----------
    structure : pymatgen Structure or Molecule
        Its overall charge becomes the total charge.
    cutoff : float, Å

    Raises
    ------
    InputError
        If a site is disordered, or the structure is empty or broken.
    """
    if not structure.is_ordered:
        raise InputError(
            f"the structure {structure.formula} has partly occupied sites; order it first "
            "(pymatgen's OrderDisorderedStructureTransformation)"
        )
    lattice = getattr(structure, "lattice", None)  # a molecule has none
    return _batch(
        positions=structure.cart_coords,
        numbers=np.array(structure.atomic_numbers),
        cell=np.zeros((3, 3)) if lattice is None else lattice.matrix,
        periodic=np.zeros(3, dtype=bool) if lattice is None else np.array(lattice.pbc),
        cutoff=cutoff,
        labels=Labels(total_charge=float(structure.charge)),
        source=f"the structure {structure.formula}",
    )


def _batch(
    positions: np.ndarray,
    numbers: np.ndarray,
    cell: np.ndarray,
    periodic: np.ndarray,
    cutoff: float,
    labels: Labels,
    source: str,
) -> Batch:
    if len(numbers) == 0:
        raise InputError(f"{source} has no atoms")
    if (numbers < 1).any():
        raise InputError(f"{source}: atom {int(numbers.argmin())} is a dummy (symbol X); expected chemical elements")
    if not np.isfinite(cell).all():
        raise InputError(f"{source}: the cell is {cell.tolist()}; expected finite numbers in Å")
    try:
        pair_i, pair_j, pair_shifts = neighbor_pairs(positions, cell, periodic, cutoff)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    lattice = np.where(np.asarray(periodic)[:, None], cell, 0.0)  # (3, 3)
    return Batch(
        positions=torch.tensor(positions, dtype=torch.float64),
        numbers=torch.tensor(numbers, dtype=torch.int64),
        cells=torch.tensor(lattice, dtype=torch.float64)[None],
        periodic=torch.tensor(np.asarray(periodic), dtype=torch.bool)[None],
        structure_of_atom=torch.zeros(len(numbers), dtype=torch.int64),
        pair_i=pair_i,
        pair_j=pair_j,
        pair_shifts=pair_shifts,
        total_charges=torch.tensor([labels.total_charge], dtype=torch.float64),
        labels={name: _label(QUANTITIES[name], value) for name, value in labels.values.items()},
        electric_fields=None if labels.electric_field is None else torch.tensor(labels.electric_field)[None],
    )


def _label(quantity: Quantity, value: np.ndarray) -> Tensor:
    """(n_atoms, ...), or (1, ...) of a structure."""
    label = torch.tensor(value, dtype=torch.float64)
    return label if quantity.of_atoms else label[None]
