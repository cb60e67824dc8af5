"""Does LAMMPS say what Python says? One structure, energy, forces and virial, on one rank and on several."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from pathlib import Path

import numpy as np
from ase import Atoms
from torch import Tensor

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.data.whole_molecules import molecule_numbers, whole_positions
from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.command import lammps_command
from mliap_hybrid.lammps.data_file import in_lammps_orientation
from mliap_hybrid.lammps.exporter import load_exported, write_unified
from mliap_hybrid.lammps.handed_arrays import in_lammps_order
from mliap_hybrid.lammps.run_checks import perpendicular_widths
from mliap_hybrid.lammps.single_points import KSPACE_ACCURACY, Result, SinglePoint, lammps_results
from mliap_hybrid.lammps.source_build import is_of_wheel
from mliap_hybrid.lammps.unified import HybridUnified
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model_files.description import describe
from mliap_hybrid.model_files.model_file import Example, Manifest
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.structure import with_total_charge

LOCAL_TOLERANCE = 1e-9
"""eV/atom, eV/Å, eV/atom: local terms against Python, and any number of ranks against one."""

SINGLE_TOLERANCE = 1e-4
"""The same for a model that runs in single precision."""

LONG_RANGE_TOLERANCES = {"energy": 1e-6, "forces": 1e-4, "virial": 1e-4}
"""eV/atom, eV/Å, eV/atom: with PPPM at that accuracy, against the exact sum in Python, for charges of up to 1 e. Its
errors grow with the square of the charges."""

UNITS = {"energy": "eV/atom", "forces": "eV/Å", "virial": "eV/atom"}
"""Unit of each compared quantity; energy and virial are divided by the number of atoms."""


@dataclass(frozen=True)
class Comparison:
    """One line of the table: the largest difference between two calculations, and what was allowed."""

    what: str
    quantity: str
    difference: float
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether the difference is a number within the tolerance."""
        return self.difference <= self.tolerance


def check_model(path: Path, ranks: Sequence[int] = (1, 2), atoms: Atoms | None = None) -> list[Comparison]:
    """Compare LAMMPS with Python for a model file.

    Parameters
    ----------
    path : Path
        Model file.
    ranks : sequence of int
        Numbers of MPI ranks.
    atoms : ase.Atoms or None
        Structure to compare on; None takes the model's own example. Repeated until the cutoff sphere fits.

    Returns
    -------
    list of Comparison
        Local terms alone, and with the long-range term if the model has one. With predicted charges both runs hold all
        terms, the first with the exact sum in place of PPPM. In the wheel, steps without Python are compared with steps
        in Python, too.

    Raises
    ------
    InputError
        If there is no structure, or LAMMPS fails.
    """
    return check_models([(path, atoms)], ranks)[0]


def check_models(cases: Sequence[tuple[Path, Atoms | None]], ranks: Sequence[int] = (1, 2)) -> list[list[Comparison]]:
    """The same for several models or structures, which start LAMMPS together, once for each number of ranks."""
    with tempfile.TemporaryDirectory(prefix="mliap-hybrid-check-") as folder:
        checks = [_checks(path, atoms, Path(folder) / str(k)) for k, (path, atoms) in enumerate(cases)]
        points = [check.point for of_case in checks for check in of_case]
        # A LAMMPS built from source has no native steps, hence no others to compare them with.
        others = [replace(point, in_python=True) for point in points] if is_of_wheel(lammps_command(1)[0]) else []
        first = lammps_results([*points, *others], ranks[0])
        in_python = chain(first[len(points) :], repeat(None))
        runs = zip(first[: len(points)], *(lammps_results(points, n) for n in ranks[1:]), strict=True)
        return [
            [row for check in of_case for row in _compare(check, ranks, next(runs), next(in_python))]
            for of_case in checks
        ]


@dataclass(frozen=True)
class _Check:
    """What LAMMPS computes, in which precision it must agree with Python, and several ranks with one."""

    what: str
    model: HybridModel
    total_charge: float
    point: SinglePoint
    to_python: dict[str, float]
    to_one_rank: dict[str, float]


def _checks(path: Path, atoms: Atoms | None, folder: Path) -> list[_Check]:
    """Those of one case; files that they need are written into the folder."""
    model, manifest = load_exported(path)
    if atoms is None:
        if manifest.example is None:
            raise InputError(f"{path} holds no example structure; name one with --structure")
        atoms = example_atoms(manifest.example)
    atoms = with_molecules(atoms, model.cutoff) if model.needs_molecules else _without_molecules(atoms)
    repeated = in_lammps_orientation(large_enough(atoms, model.cutoff))
    n_copies = len(repeated) // len(atoms)
    atoms, manifest = repeated, manifest.model_copy(update={"total_charge": n_copies * manifest.total_charge})
    total_charge, source = manifest.total_charge, manifest.description.charges_of_runs
    what, without_solver = EXACT[source]
    unified = HybridUnified(without_solver(manifest), describe(model)[1])
    exactly = path if source is None else folder / "exact.pt"
    if source is not None:
        write_unified(exactly, unified)
    rounding = LOCAL_TOLERANCE if manifest.dtype == "float64" else SINGLE_TOLERANCE
    exact = dict.fromkeys(UNITS, rounding)
    checks = [_Check(what, unified.model, total_charge, SinglePoint(exactly, atoms), exact, exact)]
    if manifest.needs_kspace:
        what = f"with PPPM {KSPACE_ACCURACY:g}"
        squared = max(1.0, _largest_charge(model, atoms, total_charge) ** 2)  # e^2
        long_range = {name: max(value * squared, rounding) for name, value in LONG_RANGE_TOLERANCES.items()}
        file = path
        if n_copies > 1 and total_charge != 0.0:  # of all copies together
            file = folder / "repeated.pt"
            write_unified(file, HybridUnified(manifest, describe(model)[1]))
        checks.append(_Check(what, model, total_charge, SinglePoint(file, atoms), long_range, exact))
    return checks


def _compare(check: _Check, ranks: Sequence[int], runs: Sequence[Result], in_python: Result | None) -> list[Comparison]:
    python = python_result(check.model, check.point.atoms, check.total_charge)
    comparisons = []
    for n, run in zip(ranks, runs, strict=True):
        comparisons += _differences(f"{check.what}: LAMMPS on {_count(n)} - Python", run, python, check.to_python)
    for n, run in zip(ranks[1:], runs[1:], strict=True):
        name = f"{check.what}: LAMMPS on {_count(n)} - on {_count(ranks[0])}"
        comparisons += _differences(name, run, runs[0], check.to_one_rank)
    if in_python is not None:
        name = f"{check.what}: LAMMPS on {_count(ranks[0])} - with Python in each step"
        comparisons += _differences(name, runs[0], in_python, check.to_one_rank)
    return comparisons


def python_result(model: HybridModel, atoms: Atoms, total_charge: float = 0.0) -> Result:
    """Energy, forces and virial of a structure in Python; `total_charge` in e matters to predicted charges."""
    prediction = _prediction(model, atoms, total_charge)
    virial = in_lammps_order(prediction.virials[0].numpy()) / len(atoms)  # (6,)
    return Result(float(prediction.energies[0]) / len(atoms), prediction.forces.numpy(), virial)


def _largest_charge(model: HybridModel, atoms: Atoms, total_charge: float) -> float:
    """In e, of a model that has charges."""
    charges: Tensor = _prediction(model, atoms, total_charge).charges  # type: ignore[assignment]
    return float(charges.abs().max())


def _prediction(model: HybridModel, atoms: Atoms, total_charge: float) -> Prediction:
    return predict(model, with_total_charge(frame_to_batch(atoms, model.cutoff), total_charge))


def _differences(what: str, a: Result, b: Result, tolerances: dict[str, float]) -> list[Comparison]:
    differences = {
        "energy": abs(a.energy - b.energy),
        "forces": float(np.abs(a.forces - b.forces).max()),
        "virial": float(np.abs(a.virial - b.virial).max()),
    }
    return [Comparison(what, quantity, value, tolerances[quantity]) for quantity, value in differences.items()]


def _without_charges(manifest: Manifest) -> Manifest:
    """Of the local terms alone."""
    return manifest.model_copy(update={"description": manifest.description.without_term("electrostatics", "charge")})


def _with_exact_sum(manifest: Manifest) -> Manifest:
    """With the sum over wave vectors in place of LAMMPS' solver."""
    return manifest.model_copy(update={"coulomb_engine": "exact"})


EXACT: dict[str | None, tuple[str, Callable[[Manifest], Manifest]]] = {
    None: ("local terms", lambda manifest: manifest),
    "input": ("local terms", _without_charges),
    "model": ("exact charges", _with_exact_sum),
}
"""Who sees to the energy of charges in a run -> what is the same in LAMMPS and Python but for rounding, and how the
model becomes that."""


def example_atoms(example: Example) -> Atoms:
    """The example structure of a model file."""
    return Atoms(numbers=example.numbers, positions=example.positions, cell=example.cell, pbc=example.periodic)


def large_enough(atoms: Atoms, cutoff: float) -> Atoms:
    """The structure repeated, or a molecule in vacuum, so that the box holds the cutoff sphere."""
    if not atoms.pbc.all():
        atoms = atoms.copy()
        atoms.center(vacuum=cutoff + 1.0)
        atoms.pbc = True
    if np.linalg.matrix_rank(np.asarray(atoms.cell)) < 3:
        raise InputError(f"the periodic cell {np.asarray(atoms.cell).tolist()} Å of the structure has no volume")
    repeats = np.ceil(2.0 * cutoff / perpendicular_widths(np.asarray(atoms.cell))).astype(int)
    repeated = atoms.repeat(np.maximum(repeats, 1))
    if (molecules := atoms.arrays.get("molecule")) is not None:  # each copy has its own
        copies = np.arange(len(repeated)) // len(atoms)
        repeated.set_array("molecule", repeated.arrays["molecule"] + copies * molecules.max())
    return repeated


def with_molecules(atoms: Atoms, cutoff: float) -> Atoms:
    """The structure with a column `molecule`, atoms of a molecule beside each other and not across the box."""
    batch = frame_to_batch(atoms, cutoff)
    numbers = molecule_numbers(batch)
    whole = atoms.copy()
    whole.positions = whole_positions(batch, numbers)
    whole.set_array("molecule", numbers)
    return whole


def _without_molecules(atoms: Atoms) -> Atoms:
    """The structure alone, for a LAMMPS that may know no atom style with molecules."""
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)


def _count(ranks: int) -> str:
    return "1 rank" if ranks == 1 else f"{ranks} ranks"
