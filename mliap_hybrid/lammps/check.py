"""Does LAMMPS say what Python says? One structure, energy, forces and virial, on one rank and on several."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.command import run_lammps
from mliap_hybrid.lammps.data import in_lammps_order
from mliap_hybrid.lammps.data_file import in_lammps_orientation, read_dump, write_data_file
from mliap_hybrid.lammps.exporter import load_exported, write_unified
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.lammps.run_checks import perpendicular_widths
from mliap_hybrid.lammps.unified import HybridUnified
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.parameters import PredictedParameter
from mliap_hybrid.model_files.description import describe
from mliap_hybrid.model_files.model_file import Example, Manifest
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.structure import with_total_charge
from mliap_hybrid.units import LAMMPS_METAL_PRESSURE

LOCAL_TOLERANCE = 1e-9
"""eV/atom, eV/Å, eV/atom: local terms against Python, and any number of ranks against one."""

SINGLE_TOLERANCE = 1e-4
"""The same for a model that runs in single precision."""

KSPACE_ACCURACY = 1e-6
"""Relative accuracy asked of PPPM."""

LONG_RANGE_TOLERANCES = {"energy": 1e-6, "forces": 1e-4, "virial": 1e-4}
"""eV/atom, eV/Å, eV/atom: with PPPM at that accuracy, against the exact sum in Python, for charges of up to 1 e. Its
errors grow with the square of the charges."""

UNITS = {"energy": "eV/atom", "forces": "eV/Å", "virial": "eV/atom"}
"""Unit of each compared quantity; energy and virial are divided by the number of atoms."""


@dataclass(frozen=True)
class Result:
    """Energy, forces and virial of one calculation, energy and virial per atom."""

    energy: float
    """eV/atom."""
    forces: np.ndarray
    """(n_atoms, 3) eV/Å."""
    virial: np.ndarray
    """(6,) eV/atom: xx, yy, zz, xy, xz, yz."""


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
        terms, the first with the exact sum in place of PPPM.

    Raises
    ------
    InputError
        If there is no structure, or LAMMPS fails.
    """
    model, manifest = load_exported(path)
    if atoms is None:
        if manifest.example is None:
            raise InputError(f"{path} holds no example structure; name one with --structure")
        atoms = example_atoms(manifest.example)
    repeated = in_lammps_orientation(large_enough(atoms, model.cutoff))
    n_copies = len(repeated) // len(atoms)
    atoms, manifest = repeated, manifest.model_copy(update={"total_charge": n_copies * manifest.total_charge})
    charge = model.parameter("charge")
    with tempfile.TemporaryDirectory(prefix="mliap-hybrid-check-") as folder:
        exactly = Path(folder) / "exact.pt"
        if not isinstance(charge, PredictedParameter):
            what, compared = "local terms", _without_charges(model, manifest, exactly)
        else:
            what, compared = "exact charges", _with_exact_sum(manifest, model, exactly)
        rounding = LOCAL_TOLERANCE if manifest.dtype == "float64" else SINGLE_TOLERANCE
        exact = dict.fromkeys(UNITS, rounding)
        comparisons = _compare(compared, exactly, atoms, ranks, what, exact, exact)
        if charge is not None and manifest.coulomb_engine == "kspace":
            what = f"with PPPM {KSPACE_ACCURACY:g}"
            squared = max(1.0, _largest_charge(model, atoms, manifest.total_charge) ** 2)  # e^2
            long_range = {name: max(value * squared, rounding) for name, value in LONG_RANGE_TOLERANCES.items()}
            file = path.resolve()
            if n_copies > 1 and manifest.total_charge != 0.0:  # of all copies together
                file = Path(folder) / "repeated.pt"
                write_unified(file, HybridUnified(manifest, describe(model)[1]))
            comparisons += _compare(model, file, atoms, ranks, what, long_range, exact)
    return comparisons


def _compare(
    model: HybridModel,
    path: Path,
    atoms: Atoms,
    ranks: Sequence[int],
    what: str,
    to_python: dict[str, float],
    to_one_rank: dict[str, float],
) -> list[Comparison]:
    _, manifest = load_exported(path)
    python = python_result(model, atoms, manifest.total_charge)
    runs = {n: lammps_result(path, atoms, n) for n in ranks}
    comparisons = []
    for n, run in runs.items():
        comparisons += _differences(f"{what}: LAMMPS on {_count(n)} - Python", run, python, to_python)
    first = ranks[0]
    for n in ranks[1:]:
        name = f"{what}: LAMMPS on {_count(n)} - on {_count(first)}"
        comparisons += _differences(name, runs[n], runs[first], to_one_rank)
    return comparisons


def python_result(model: HybridModel, atoms: Atoms, total_charge: float = 0.0) -> Result:
    """Energy, forces and virial of a structure in Python; `total_charge` in e matters to predicted charges."""
    prediction = _prediction(model, atoms, total_charge)
    virial = in_lammps_order(prediction.virials[0].numpy()) / len(atoms)  # (6,)
    return Result(float(prediction.energies[0]) / len(atoms), prediction.forces.numpy(), virial)


def _largest_charge(model: HybridModel, atoms: Atoms, total_charge: float) -> float:
    charges = _prediction(model, atoms, total_charge).charges
    return 0.0 if charges is None else float(charges.abs().max())


def _prediction(model: HybridModel, atoms: Atoms, total_charge: float) -> Prediction:
    return predict(model, with_total_charge(frame_to_batch(atoms, model.cutoff), total_charge))


def lammps_result(path: Path, atoms: Atoms, ranks: int, accuracy: float = KSPACE_ACCURACY) -> Result:
    """Energy, forces and virial of a structure in LAMMPS.

    Parameters
    ----------
    path : Path
        Model file, absolute.
    atoms : ase.Atoms
        In LAMMPS orientation, periodic.
    ranks : int
        MPI ranks.
    accuracy : float
        Of the k-space solver.
    """
    _, manifest = load_exported(path)
    elements = manifest.description.elements
    with tempfile.TemporaryDirectory(prefix="mliap-hybrid-lammps-") as folder:
        write_data_file(Path(folder) / "structure.data", atoms, elements, manifest.description.constants("charge"))
        script = Path(folder) / "in.check"
        script.write_text(_SCRIPT.format(potential=potential_block(manifest, str(path), elements, accuracy)))
        output = run_lammps(script, ranks)
        forces = read_dump(Path(folder) / "forces.dump")
    words = next(line for line in output.splitlines() if line.startswith("RESULT ")).split()[1:]
    energy, *pressures = (float(word) for word in words)
    virial = np.array(pressures) * atoms.get_volume() / LAMMPS_METAL_PRESSURE / len(atoms)
    return Result(energy / len(atoms), forces, virial)


_SCRIPT = """\
units           metal
atom_style      charge
atom_modify     map array
read_data       structure.data
{potential}
compute         virial all pressure NULL virial
thermo_style    custom step pe c_virial[1] c_virial[2] c_virial[3] c_virial[4] c_virial[5] c_virial[6]
dump            forces all custom 1 forces.dump id fx fy fz
dump_modify     forces sort id format float %.17g
run             0
variable        energy equal pe
print           "RESULT $(v_energy:%.17g) $(c_virial[1]:%.17g) $(c_virial[2]:%.17g) $(c_virial[3]:%.17g) &
$(c_virial[4]:%.17g) $(c_virial[5]:%.17g) $(c_virial[6]:%.17g)"
"""


def _differences(what: str, a: Result, b: Result, tolerances: dict[str, float]) -> list[Comparison]:
    differences = {
        "energy": abs(a.energy - b.energy),
        "forces": float(np.abs(a.forces - b.forces).max()),
        "virial": float(np.abs(a.virial - b.virial).max()),
    }
    return [Comparison(what, quantity, value, tolerances[quantity]) for quantity, value in differences.items()]


def _without_charges(model: HybridModel, manifest: Manifest, path: Path) -> HybridModel:
    """The model's local terms alone, also written to `path`."""
    description, tensors = describe(model)
    left_out = {
        "terms": [term for term in description.terms if term.kind != "electrostatics"],
        "parameters": [parameter for parameter in description.parameters if parameter.name != "charge"],
    }
    description = description.model_copy(update=left_out)
    unified = HybridUnified(manifest.model_copy(update={"description": description}), tensors)
    write_unified(path, unified)
    return unified.model


def _with_exact_sum(manifest: Manifest, model: HybridModel, path: Path) -> HybridModel:
    """The model with the sum over wave vectors in place of LAMMPS' solver, also written to `path`."""
    description, tensors = describe(model)
    exact = manifest.model_copy(update={"description": description, "coulomb_engine": "exact"})
    unified = HybridUnified(exact, tensors)
    write_unified(path, unified)
    return unified.model


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
    return atoms.repeat(np.maximum(repeats, 1))


def _count(ranks: int) -> str:
    return "1 rank" if ranks == 1 else f"{ranks} ranks"
