"""Did the electrons of each step of a calculation converge? Outputs say so, and ASE's readers leave it out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ase import Atoms

UNCONVERGED = "electrons_unconverged"
"""Entry in ``info`` of a structure whose calculation says that its electrons did not converge."""

STEP_OF_OUTCAR = re.compile(r"-- Iteration|EDIFF is reached|FREE ENERGIE OF THE ION-ELECTRON SYSTEM")
"""VASP writes the first for each step of the electrons, the last once for each step of the ions."""


def mark_convergence(structures: Sequence[Atoms], text: str, form: str) -> None:
    """Mark the structures whose electrons did not converge.

    Parameters
    ----------
    structures : sequence of Atoms
        All of the file, in order.
    text : str
        Of the file.
    form : str
        Format, as ASE names it; nothing is done for those that say nothing of convergence.
    """
    if form == "gaussian-out" and structures and "Convergence failure -- run terminated" in text:
        structures[-1].info[UNCONVERGED] = True  # Gaussian ends there
    flags = {"vasp-out": _of_outcar, "vasp-xml": _of_vasprun}.get(form)
    if flags is None:
        return
    converged = flags(text)
    if len(converged) != len(structures):  # steps that ASE leaves out, too: which is which is not known
        return
    for atoms, is_converged in zip(structures, converged, strict=True):
        if not is_converged:
            atoms.info[UNCONVERGED] = True


def _of_outcar(text: str) -> list[bool]:
    """As `_of_vasprun`; that EDIFF is reached, some versions write after the last step that is allowed as well."""
    most = re.search(r"\bNELM\s*=\s*(\d+)", text)
    flags, n_steps, reached = [], 0, False
    for found in STEP_OF_OUTCAR.findall(text):
        if found.startswith("--"):
            n_steps += 1
        elif found.startswith("EDIFF"):
            reached = True
        else:
            # No step of the electrons: the forces of a machine-learned field, of which nothing is known here.
            flags.append(n_steps == 0 or (reached and (most is None or n_steps < int(most[1]))))
            n_steps, reached = 0, False
    return flags


def _of_vasprun(text: str) -> list[bool]:
    """A step that took all the NELM steps of the electrons that it may take is taken for unconverged."""
    most = re.search(r'name="NELM"[^>]*>\s*(\d+)', text)
    steps = [step.count("<scstep>") for step in text.split("<calculation>")[1:]]
    return [most is None or n_steps < int(most[1]) for n_steps in steps]
