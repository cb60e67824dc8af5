"""Labels of one structure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from mliap_hybrid.errors import InputError

SHAPES = {"energy": "", "free_energy": "", "forces": "a3", "stress": "6", "charges": "a", "dipole": "3"}
"""Property of ASE -> its shape, a for the number of atoms."""

KEPT = ("config_type", "charge", "spin", "total_charge", "multiplicity")
"""Entries of a frame that say what it is, and stay; all others may be labels of something else."""


TOTAL_CHARGE = ("charge", "total_charge")
"""Entries of a frame that name its total charge in e, the first that is there."""

LARGEST_DIFFERENCE = 0.01
"""e: between a frame's total charge and the sum of the charges that the calculator finds."""


class Labeller:
    """A calculator, told of each frame's total charge and multiplicity where it has settings of these names."""

    def __init__(self, calculator: Any, further: Sequence[str] = ()):
        """Take a calculator.

        Parameters
        ----------
        calculator : ASE calculator
        further : sequence of str
            Properties that are wanted beside energy, forces and stress.
        """
        self._calculator = calculator
        self._further = further
        known = getattr(calculator, "default_parameters", None) or {}
        own = getattr(calculator, "parameters", {})
        self._own = {name: own.get(name) for name in ("charge", "multiplicity") if name in known}

    def label(self, structure: Atoms) -> Atoms:
        """The structure with its labels; see `labelled` for what is refused, and further charges that do not agree."""
        total = next((structure.info[name] for name in TOTAL_CHARGE if name in structure.info), None)
        of_frame: dict[str, float] = {}
        if total is not None:
            of_frame["charge"] = float(total)
        if "multiplicity" in structure.info:
            of_frame["multiplicity"] = int(structure.info["multiplicity"])
        if self._own:
            self._calculator.set(**{name: of_frame.get(name, own) for name, own in self._own.items()})
        done = labelled(structure, self._calculator, self._further)
        charges = done.calc.results.get("charges")
        if total is not None and charges is not None and abs(charges.sum() - float(total)) > LARGEST_DIFFERENCE:
            raise InputError(
                f"the frame has a total charge of {total} e, but the calculator's charges sum to {charges.sum():.3g}: "
                "it does not know of it"
            )
        return done


def bare(atoms: Atoms) -> Atoms:
    """The structure, and what says what it is."""
    structure = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    structure.info = {name: atoms.info[name] for name in KEPT if name in atoms.info}
    if atoms.has("initial_charges"):
        structure.set_initial_charges(atoms.get_initial_charges())
    if atoms.has("initial_magmoms"):
        structure.set_initial_magnetic_moments(atoms.get_initial_magnetic_moments())
    return structure


def labelled(structure: Atoms, calculator: Any, further: Sequence[str] = ()) -> Atoms:
    """The structure with its energy and forces, of full periodicity the stress where it is given, and more.

    Parameters
    ----------
    structure : Atoms
        Not changed.
    calculator : ASE calculator
        Its energies are in eV, its lengths in Å.
    further : sequence of str
        Other properties that are wanted.

    Raises
    ------
    InputError
        If the calculator cannot give one of them, or gives what is no number.
    """
    atoms = structure.copy()
    atoms.calc = calculator
    implemented = getattr(calculator, "implemented_properties", ())
    wanted = ["energy", "forces", *further]
    if atoms.pbc.all() and "stress" in implemented:
        wanted.append("stress")
    results = {}
    for name in dict.fromkeys(wanted):
        try:
            results[name] = np.array(calculator.get_property(name, atoms), dtype=float)
        except Exception as error:  # whatever foreign code raises
            raise InputError(f"no {name}: {type(error).__name__}: {error}") from error
    free_energy = getattr(calculator, "results", {}).get("free_energy")
    if free_energy is not None:
        results["free_energy"] = np.array(free_energy, dtype=float)
    for name, value in results.items():
        _check(name, value, len(atoms))
    done = structure.copy()
    done.calc = SinglePointCalculator(done, **{n: float(v) if v.ndim == 0 else v for n, v in results.items()})
    return done


def _check(name: str, value: np.ndarray, n_atoms: int) -> None:
    shape = tuple(n_atoms if size == "a" else int(size) for size in SHAPES[name])
    if value.shape != shape:
        raise InputError(f"{name}: shape {value.shape}, expected {shape}")
    if not np.isfinite(value).all():
        raise InputError(f"{name}: values that are no numbers")
