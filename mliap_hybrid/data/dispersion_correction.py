"""D3 dispersion, taken off labels, for models that leave it to LAMMPS' `pair_style dispersion/d3`.

Two-body terms alone, as in most programs' D3 and in LAMMPS; both end at the same cutoffs, so that the model and the
pair style together give the labels back.

Grimme et al., J. Chem. Phys. 132, 154104 (2010); Grimme, Ehrlich and Goerigk, J. Comput. Chem. 32, 1456 (2011); Ehlert,
J. Open Source Softw. 9, 7169 (2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from mliap_hybrid.errors import InputError, did_you_mean, quoted
from mliap_hybrid.units import BOHR, HARTREE

DAMPINGS = {
    "bj": "RationalDampingParam",
    "zero": "ZeroDampingParam",
    "bjm": "ModifiedRationalDampingParam",
    "zerom": "ModifiedZeroDampingParam",
}
"""LAMMPS' name of a damping -> class of simple-dftd3."""

NAMES_IN_LAMMPS = {
    "bp": "b-p",
    "blyp": "b-lyp",
    "b3lyp": "b3-lyp",
    "b2plyp": "b2-plyp",
    "bhlyp": "bh-lyp",
    "olyp": "o-lyp",
}
"""Functional -> what LAMMPS calls it, where that is another name."""

HEAVIEST = 94
"""Element of the original parameters, and of LAMMPS."""

SUBTRACTED = "d3_subtracted"
"""Entry of a frame: the D3 that its labels no longer hold."""


@dataclass(frozen=True)
class D3:
    """A D3 correction."""

    functional: str
    damping: str = "bj"
    cutoff: float = 16.0
    """Å; of pairs."""
    coordination_cutoff: float = 10.0
    """Å; of coordination numbers, which fall off within some Å."""

    @property
    def words(self) -> str:
        """As `dispersion/d3` of LAMMPS has its arguments."""
        functional = NAMES_IN_LAMMPS.get(self.functional.lower(), self.functional.lower())
        return f"{self.damping} {functional} {self.cutoff:g} {self.coordination_cutoff:g}"


class Dispersion:
    """Energy, forces and virial of a D3 correction."""

    def __init__(self, d3: D3):
        """Load the parameters of the functional.

        Raises
        ------
        InputError
            If simple-dftd3 is not installed, or does not know the functional or the damping.
        """
        try:
            from dftd3 import interface
        except ImportError:
            raise InputError(
                "D3 is computed by simple-dftd3, which is not installed: pip install 'mliap_hybrid[formats]'"
            ) from None
        if d3.damping not in DAMPINGS:
            raise InputError(f"unknown damping '{quoted(d3.damping)}': {did_you_mean(d3.damping, DAMPINGS)}")
        if min(d3.cutoff, d3.coordination_cutoff) <= 0:
            raise InputError(
                f"cutoffs of D3 are {d3.cutoff:g} and {d3.coordination_cutoff:g} Å; expected positive ones"
            )
        self._interface, self._d3 = interface, d3
        names = {name: short for short, name in NAMES_IN_LAMMPS.items()}
        functional = names.get(d3.functional.lower(), d3.functional.lower())
        try:
            self._parameters: Any = getattr(interface, DAMPINGS[d3.damping])(method=functional)
        except RuntimeError as error:
            raise InputError(
                f"no D3 parameters of '{quoted(d3.functional)}' with damping {d3.damping}: {quoted(error)}"
            ) from None

    def of(self, atoms: Atoms) -> tuple[float, np.ndarray, np.ndarray]:
        """Energy in eV, forces (n_atoms, 3) in eV/Å, and virial (3, 3) in eV of the correction.

        The virial is -dE/d(strain); simple-dftd3 gives dE/d(strain) under that name.

        Raises
        ------
        InputError
            If an element has no parameters.
        """
        heaviest = int(atoms.numbers.max())
        if heaviest > HEAVIEST:
            raise InputError(f"D3 has no parameters of {chemical_symbols[heaviest]}; expected elements up to Pu")
        cell = {} if not atoms.pbc.any() else {"lattice": atoms.cell.array / BOHR, "periodic": atoms.pbc}
        try:
            model = self._interface.DispersionModel(atoms.numbers, atoms.positions / BOHR, **cell)
            model.set_realspace_cutoff(
                disp2=self._d3.cutoff / BOHR, disp3=self._d3.cutoff / BOHR, cn=self._d3.coordination_cutoff / BOHR
            )
            found = model.get_dispersion(self._parameters, grad=True)
        except RuntimeError as error:
            raise InputError(f"D3 of {atoms.get_chemical_formula()}: {quoted(error)}") from None
        energy = float(found["energy"]) * HARTREE
        return energy, -found["gradient"] * (HARTREE / BOHR), -found["virial"] * HARTREE


def subtract(atoms: Atoms, dispersion: Dispersion, d3: D3, source: str) -> None:
    """Take a correction off the energy, forces and stress of a labelled structure, each where it has one.

    Parameters
    ----------
    atoms : Atoms
        In eV and Å, with results of a calculator; changed in place.
    dispersion : Dispersion
    d3 : D3
    source : str
        Name of the frame, for messages.

    Raises
    ------
    InputError
        If it has been taken off before.
    """
    if SUBTRACTED in atoms.info:
        raise InputError(f"{source}: D3 ({atoms.info[SUBTRACTED]}) has been taken off these labels before")
    energy, forces, virial = dispersion.of(atoms)
    results = atoms.calc.results
    for name in ("energy", "free_energy"):
        if name in results:
            results[name] -= energy
    if "forces" in results:
        results["forces"] = results["forces"] - forces
    if "stress" in results:
        voigt = (-virial / atoms.get_volume())[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        results["stress"] = results["stress"] - voigt
    atoms.info[SUBTRACTED] = d3.words
