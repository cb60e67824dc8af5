"""What free atoms say of parameters that nobody has fitted yet: where these start from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ase.data.vdw import vdw_radii
from torch import Tensor

from mliap_hybrid.units import BOHR, HARTREE


def density_exponents(elements: Sequence[int]) -> dict[int, float]:
    """Atomic number -> 2 sqrt(2 I) in 1/Å, by which the electron density falls far from an atom of ionisation energy I.

    The exponents of Van Vleet et al., J. Chem. Theory Comput. 12, 3851 (2016), where nothing is known; I of NIST.
    """
    from pymatgen.core import Element  # takes a second to import, which no run needs

    found = {}
    for z in elements:
        energy = Element.from_Z(z).ionization_energy  # eV
        if energy is not None:
            found[z] = 2.0 * math.sqrt(2.0 * energy / HARTREE) / BOHR
    return found


def contact_distances(elements: Sequence[int]) -> dict[int, float]:
    """Atomic number -> twice the van der Waals radius in Å (as ASE has them: Alvarez; Bondi), where there is one."""
    return {z: 2.0 * float(vdw_radii[z]) for z in elements if math.isfinite(vdw_radii[z])}


def contact_strengths(
    elements: Sequence[int], exponents: Tensor, energy: float, decay: Callable[[Tensor], Tensor]
) -> dict[int, float]:
    """Atomic number -> strength A such that A decay(b r) of two like atoms is the energy where they are in contact.

    Parameters
    ----------
    elements : sequence of int
        Atomic numbers.
    exponents : Tensor, shape (n_elements,), 1/Å
        b.
    energy : float, eV
    decay : callable
    """
    contacts = contact_distances(elements)
    return {
        z: energy / float(decay(exponent * contacts[z]))
        for z, exponent in zip(elements, exponents, strict=True)
        if z in contacts
    }


def valence_electrons(elements: Sequence[int]) -> dict[int, float]:
    """Atomic number -> number of electrons in the outer shell, by the group of the periodic table."""
    from pymatgen.core import Element

    groups = {z: Element.from_Z(z).group for z in elements}
    return {z: float(2 if z == 2 else group if group <= 12 else group - 10) for z, group in groups.items()}
