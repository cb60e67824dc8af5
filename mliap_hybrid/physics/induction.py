"""Dipoles that charges and permanent dipoles induce in polarisable atoms, and the energy of all dipoles.

With charges q, permanent dipoles p, induced ones m, d = p + m, and Gaussians of width sigma as in multipoles.py,

    U(m) = W(q, d) - W(q, 0) - sum_i self_i d_i^2 / 2 + sum_i k_e m_i^2 / (2 alpha_i)
           - sum_i m_i . sum_j [ D_ij (q_j, p_j) + D_ij (0, m_j) / 2 ],               dU/dm = 0,

W the energy of the Gaussians and self_i what each has with itself. D is the field of damped atoms (damping.py) less
that of these Gaussians: close atoms induce as damped ones do, distant ones as Gaussians, which are points there.
Permanent dipoles act on charges and on each other as Gaussians, which charges are, too. Where charges and permanent
dipoles of a molecule shall not polarise the molecule itself, as in AMOEBA, the damped field is left out for its pairs
in the first D.

U is stationary in m, so that its derivatives by all else are those at fixed m (Applequist, Carl and Fung, J. Am. Chem.
Soc. 94, 2952 (1972)), and the condition is a linear system,

    A m = b,    A m = k_e m / alpha - (field of m),    b = field of q and p, and of what is outside,

the last with -d_i.E_i more in U, with A positive definite unless atoms polarise each other without end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from mliap_hybrid.multipoles import Multipoles
from mliap_hybrid.physics.damping import Damping
from mliap_hybrid.physics.radial_derivatives import smeared_radial, smeared_radial_at_zero
from mliap_hybrid.units import COULOMB_CONSTANT


def pair_fields(vectors: Tensor, radial: tuple[Tensor, Tensor], charges: Tensor, dipoles: Tensor) -> Tensor:
    """Field at the centre of each pair of what its neighbour carries: -r_p [ q B_1 - (mu.r_p) B_2 ] - mu B_1.

    Parameters
    ----------
    vectors : Tensor, shape (n_pairs, 3), Å
        r_p = r_j - r_i.
    radial : tuple of Tensor, shape (n_pairs,), V/(e Å^2) and V/(e Å^4)
        k_e B_1 and k_e B_2.
    charges : Tensor, shape (n_pairs,), e
    dipoles : Tensor, shape (n_pairs, 3), e Å

    Returns
    -------
    Tensor, shape (n_pairs, 3), V/Å
    """
    b1, b2 = radial
    along = (dipoles * vectors).sum(1)  # (n_pairs,)
    return (along * b2 - charges * b1)[:, None] * vectors - b1[:, None] * dipoles


def damping_differences(
    distances: Tensor, of_centres: Tensor, of_neighbours: Tensor, switch: Tensor, damping: Damping, smearing: float
) -> tuple[Tensor, Tensor]:
    """k_e B_1 and k_e B_2 of damped atoms less those of Gaussians.

    Parameters
    ----------
    distances : Tensor, shape (n_pairs,), Å
    of_centres, of_neighbours : Tensor, shape (n_pairs,), Å^3
        Polarisabilities of both atoms of each pair.
    switch : Tensor, shape (n_pairs,)
        Goes to zero before the cutoff of the pairs.
    damping : Damping
    smearing : float, Å

    Returns
    -------
    tuple of Tensor, shape (n_pairs,), V/(e Å^2) and V/(e Å^4)
    """
    _, *smeared = smeared_radial(distances, smearing, 2)
    damped = damping.radial(distances, of_centres, of_neighbours)
    factor = COULOMB_CONSTANT * switch  # (n_pairs,)
    return factor * (damped[0] - smeared[0]), factor * (damped[1] - smeared[1])


def gaussians_taken_back(distances: Tensor, switch: Tensor, smearing: float) -> tuple[Tensor, Tensor]:
    """The same of atoms that do not act on each other: what is left of all together is nothing."""
    _, b1, b2 = smeared_radial(distances, smearing, 2)
    factor = -COULOMB_CONSTANT * switch  # (n_pairs,)
    return factor * b1, factor * b2


def own_field(smearing: float) -> float:
    """self of a Gaussian: minus its field at its own middle over its dipole, V/(e Å^2)."""
    return COULOMB_CONSTANT * smeared_radial_at_zero(smearing, 1)


@dataclass(frozen=True)
class Induction:
    """The linear system of induced dipoles."""

    multipoles: Multipoles
    smearing: float
    """Å."""
    polarisabilities: Tensor
    """(n_centres,) Å^3: alpha."""
    vectors: Tensor
    """(n_pairs, 3) Å: r_j - r_i."""
    direct: tuple[Tensor, Tensor]
    """(n_pairs,) each: of `damping_differences`, by which charges and permanent dipoles act."""
    mutual: tuple[Tensor, Tensor]
    """(n_pairs,) each: the same of induced dipoles."""
    to_neighbours: Callable[[Tensor], Tensor]
    """Values of centres (n_centres, ...) -> those of neighbours (n_pairs, ...). Collective."""
    over_pairs: Callable[[Tensor], Tensor]
    """Values of pairs (n_pairs, ...) -> sums over the pairs of each centre (n_centres, ...)."""

    def field_of(self, charges: Tensor, dipoles: Tensor, charges_of_neighbours: Tensor) -> Tensor:
        """b (n_centres, 3), V/Å: field that charges and permanent dipoles make at each atom. Collective.

        Parameters
        ----------
        charges : Tensor, shape (n_centres,), e
        dipoles : Tensor, shape (n_centres, 3), e Å
        charges_of_neighbours : Tensor, shape (n_pairs,), e
        """
        close = pair_fields(self.vectors, self.direct, charges_of_neighbours, self.to_neighbours(dipoles))
        return self._of_gaussians(charges, dipoles) + self.over_pairs(close)

    def apply(self, dipoles: Tensor) -> Tensor:
        """A m (n_centres, 3), V/Å, of m (n_centres, 3), e Å. Collective."""
        no_charges, none_of_neighbours = dipoles.new_zeros(len(dipoles)), self.vectors.new_zeros(len(self.vectors))
        close = pair_fields(self.vectors, self.mutual, none_of_neighbours, self.to_neighbours(dipoles))
        held = COULOMB_CONSTANT * dipoles / self.polarisabilities[:, None]
        return held - self._of_gaussians(no_charges, dipoles) - self.over_pairs(close)

    def _of_gaussians(self, charges: Tensor, dipoles: Tensor) -> Tensor:
        """Field (n_centres, 3), V/Å, of all other atoms' Gaussians."""
        _, fields = self.multipoles.potentials_and_fields(charges, dipoles)
        return fields + own_field(self.smearing) * dipoles

    @property
    def preconditioner(self) -> Tensor:
        """(n_centres,) e Å^2/V: A^-1 of atoms that do not see each other."""
        return self.polarisabilities / COULOMB_CONSTANT

    def detached(self) -> Induction:
        """The same without a graph."""
        direct, mutual = ((b1.detach(), b2.detach()) for b1, b2 in (self.direct, self.mutual))
        return replace(
            self,
            polarisabilities=self.polarisabilities.detach(),
            vectors=self.vectors.detach(),
            direct=direct,
            mutual=mutual,
        )
