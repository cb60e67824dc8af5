"""Pseudo-densities of atoms, rho_Z(r) = sum_g B_g exp(-beta_g r^2): the element's only fingerprint in the features.

Files of them: density_files.py. Source: Lei & Medford, J. Phys. Chem. Lett. 13, 7911 (2022).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols

from mliap_hybrid.errors import InputError, quoted

LARGEST_AMPLITUDE = 1e12
"""e/Å^3, in absolute value. At the nucleus of uranium, all electrons have less than 1e8."""

EXPONENTS = (1e-6, 1e12)
"""1/Å^2: range of exponents; beyond it the Gaussian is no part of an atom, and its integral overflows."""


@dataclass(frozen=True)
class PseudoDensity:
    """Valence density of one spherical atom as a sum of Gaussians at its nucleus.

    Raises
    ------
    InputError
        If an amplitude or exponent is none of an atom, or there are not as many of both.
    """

    amplitudes: np.ndarray
    """(n_primitives,) float64, e/Å^3: B_g; may be negative."""
    exponents: np.ndarray
    """(n_primitives,) float64, 1/Å^2: beta_g."""

    def __post_init__(self) -> None:
        if self.amplitudes.shape != self.exponents.shape:
            raise InputError(
                f"a density has {self.amplitudes.size} amplitudes and {self.exponents.size} exponents; expected as many"
            )
        least, most = EXPONENTS
        if not (np.abs(self.amplitudes) <= LARGEST_AMPLITUDE).all():
            raise InputError(
                f"a density has the amplitudes {quoted(self.amplitudes)} e/Å^3; expected up to {LARGEST_AMPLITUDE:g}"
            )
        if not ((self.exponents >= least) & (self.exponents <= most)).all():
            raise InputError(
                f"a density has the exponents {quoted(self.exponents)} 1/Å^2; expected {least:g} to {most:g}"
            )

    def __call__(self, distances: np.ndarray) -> np.ndarray:
        """Density in e/Å^3 at `distances` (any shape, Å) from the nucleus."""
        squares = np.asarray(distances, dtype=np.float64)[..., None] ** 2
        return np.sum(self.amplitudes * np.exp(-self.exponents * squares), axis=-1)

    def radial_distribution(self, distances: np.ndarray) -> np.ndarray:
        """Electrons in a shell by its thickness, 4 pi r^2 rho(r) in e/Å, at `distances` (any shape, Å)."""
        return 4.0 * math.pi * np.square(distances) * self(distances)

    @property
    def charges(self) -> np.ndarray:
        """(n_primitives,) e: integral of each Gaussian over all space, B (pi / beta)^(3/2)."""
        return self.amplitudes * (math.pi / self.exponents) ** 1.5

    @property
    def n_electrons(self) -> float:
        """Integral of the density over all space, e."""
        return float(self.charges.sum())


@dataclass(frozen=True)
class DensityTable:
    """Pseudo-densities of many elements."""

    name: str
    """Name of a shipped table, or the path of a file."""
    densities: Mapping[int, PseudoDensity]
    """Atomic number -> its density."""

    def __getitem__(self, number: int) -> PseudoDensity:
        """Density of the element with atomic number `number`.

        Raises
        ------
        InputError
            If the table does not have the element.
        """
        if number not in self.densities:
            known = " ".join(_symbol(z) for z in sorted(self.densities))
            raise InputError(
                f"density table '{self.name}' has no {_symbol(number)} (Z = {number}); "
                f"its elements are: {known}. Use a table that has it, or remove the element"
            )
        return self.densities[number]

    def subset(self, elements: Iterable[int]) -> DensityTable:
        """The same table with only the given atomic numbers; raises as `table[number]` does."""
        return DensityTable(self.name, {int(z): self[int(z)] for z in elements})

    def padded(self, elements: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Amplitudes and exponents of several elements as rectangular arrays.

        Parameters
        ----------
        elements : sequence of int
            Atomic numbers, in the order of the rows.

        Returns
        -------
        amplitudes : array, shape (n_elements, n_primitives), e/Å^3
            Short rows are filled up with zeros.
        exponents : array, shape (n_elements, n_primitives), 1/Å^2
            Short rows are filled up with ones.

        Raises
        ------
        InputError
            If the table does not have one of the elements.
        """
        densities = [self[z] for z in elements]
        n_primitives = max((len(d.exponents) for d in densities), default=1)
        amplitudes = np.zeros((len(densities), n_primitives))
        exponents = np.ones((len(densities), n_primitives))
        for e, density in enumerate(densities):
            amplitudes[e, : len(density.amplitudes)] = density.amplitudes
            exponents[e, : len(density.exponents)] = density.exponents
        return amplitudes, exponents


CHANNELS = ("valence", "count", "core")
"""Densities that features can be made of."""

COUNT_EXPONENT = 6.0
"""beta in 1/Å^2 of the Gaussian that stands for one atom in the count channel."""

CORE_EXPONENT = 12.0
"""beta in 1/Å^2 of the Gaussian that stands for core electrons: with a standard deviation of 0.20 Å it is narrower than
the usual probes, so that these, and not its own width, say how sharply a core is seen."""


def channel_densities(channel: str, table: DensityTable) -> DensityTable:
    """Densities of one channel of the features.

    Parameters
    ----------
    channel : {"valence", "count", "core"}
        "valence" is the table itself; in "count" every atom has the same Gaussian of integral one; "core" holds the
        electrons that the table leaves out, Z less its integral in whole numbers, in one Gaussian: none for H and He.
    table : DensityTable
        Names the elements.
    """
    if channel == "valence":
        return table
    if channel == "count":
        return DensityTable(channel, dict.fromkeys(table.densities, _gaussian(1.0, COUNT_EXPONENT)))
    n_core = {z: max(0, round(z - density.n_electrons)) for z, density in table.densities.items()}
    return DensityTable(channel, {z: _gaussian(n, CORE_EXPONENT) for z, n in n_core.items()})


def _gaussian(n_electrons: float, exponent: float) -> PseudoDensity:
    exponents = np.array([exponent])
    return PseudoDensity(n_electrons * (exponents / math.pi) ** 1.5, exponents)


def _symbol(number: int) -> str:
    return chemical_symbols[number] if 0 <= number < len(chemical_symbols) else f"element {number}"
