"""The lines of a LAMMPS input that make a model run."""

from __future__ import annotations

from collections.abc import Sequence

from ase.data import atomic_numbers, chemical_symbols

from mliap_hybrid.errors import InputError, did_you_mean
from mliap_hybrid.lammps.model_file import Manifest


def potential_block(
    manifest: Manifest,
    model_path: str,
    elements: Sequence[str] = (),
    accuracy: float = 1e-5,
    coulomb_cutoff: float = 9.0,
    kspace: str = "pppm",
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
        Where the real-space part of the point charges ends; changes the speed, not the energy.
    kspace : str
        pppm or ewald.

    Returns
    -------
    str
        Lines for after the box and the atoms are made.

    Raises
    ------
    InputError
        If an element is not one of the model's.
    """
    known = manifest.description.elements
    types = list(elements) or known
    for symbol in types:
        if symbol not in known:
            raise InputError(f"the model knows no element '{symbol}': {did_you_mean(symbol, known)}")
    legend = ", ".join(f"{index} = {symbol}" for index, symbol in enumerate(types, start=1))
    lines = [f"# potential: {model_path}; atom types: {legend}; units metal or real"]
    charges = manifest.description.charges
    if charges is None:
        lines += [f"pair_style      mliap unified {model_path} 0", f"pair_coeff      * * {' '.join(types)}"]
        return "\n".join(lines) + "\n"
    lines += [
        f"pair_style      hybrid/overlay mliap unified {model_path} 0 coul/long {coulomb_cutoff}",
        f"pair_coeff      * * mliap {' '.join(types)}",
        "pair_coeff      * * coul/long",
        f"kspace_style    {kspace} {accuracy:g}",
    ]
    lines += [f"set             type {index} charge {charges[symbol]!r}" for index, symbol in enumerate(types, start=1)]
    return "\n".join(lines) + "\n"


def ordered_elements(symbols: Sequence[str]) -> list[str]:
    """The distinct elements of a structure by ascending atomic number, the order of LAMMPS types used here."""
    return [chemical_symbols[z] for z in sorted({atomic_numbers[symbol] for symbol in symbols})]
