"""How the induced dipoles of close atoms are kept from each other: points replaced by charges of a size.

thole     a point in a density exp(-a r^3 / sqrt(alpha_i alpha_j)), the form of AMOEBA. With a = 0.39 and a set of
          like polarisabilities no arrangement was found that polarises itself without end, but none is excluded.
gaussian  both atoms are Gaussians of width c alpha^(1/3), that is, g = erf(r / (sqrt(2) s)) / r with
          s^2 = c^2 (alpha_i^(2/3) + alpha_j^(2/3)) (Elking, Darden and Woods, J. Comput. Chem. 28, 1261 (2007)). Their
          energy is an integral of a squared field, so that the matrix A of induction.py has no eigenvalue below
          1 - sqrt(2/pi) / (3 (sqrt(2) c)^3) in units of k_e / alpha, whatever the arrangement: 0.56 with c = 0.6.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from mliap_hybrid.physics.radial_derivatives import smeared_radial, thole_radial


class Damping(ABC):
    """A kernel between two polarisable atoms."""

    kind: ClassVar[str]
    """Its name in files."""
    factor: float

    @abstractmethod
    def radial(self, distances: Tensor, of_centres: Tensor, of_neighbours: Tensor) -> tuple[Tensor, Tensor]:
        """B_1 and B_2 of radial_derivatives.py.

        Parameters
        ----------
        distances : Tensor, shape (n_pairs,), Å
        of_centres, of_neighbours : Tensor, shape (n_pairs,), Å^3
            Polarisabilities of both atoms of each pair.

        Returns
        -------
        tuple of Tensor, shape (n_pairs,), 1/Å^3 and 1/Å^5
        """


@dataclass(frozen=True)
class TholeDamping(Damping):
    """Thole's exponential form."""

    kind: ClassVar[str] = "thole"
    factor: float = 0.39
    """a."""

    def radial(self, distances: Tensor, of_centres: Tensor, of_neighbours: Tensor) -> tuple[Tensor, Tensor]:
        """As in `Damping`."""
        return thole_radial(distances, (of_centres * of_neighbours).sqrt(), self.factor)


@dataclass(frozen=True)
class GaussianDamping(Damping):
    """Gaussians whose width goes with the cube root of the polarisability."""

    kind: ClassVar[str] = "gaussian"
    factor: float = 0.6
    """c."""

    def radial(self, distances: Tensor, of_centres: Tensor, of_neighbours: Tensor) -> tuple[Tensor, Tensor]:
        """As in `Damping`."""
        widths = self.factor * (of_centres ** (2.0 / 3.0) + of_neighbours ** (2.0 / 3.0)).sqrt()  # (n_pairs,) Å
        _, b1, b2 = smeared_radial(distances, widths, 2)
        return b1, b2


def damping_of(kind: str, factor: float) -> Damping:
    """The damping of a kind."""
    return TholeDamping(factor) if kind == "thole" else GaussianDamping(factor)
