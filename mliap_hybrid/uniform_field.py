"""A uniform electric field that acts on charges and dipoles of atoms.

    U = -E.M,      M = sum_i m_i,      m_i = Z_i r_i + mu_i

Z_i is what atom i carries wherever it goes, mu_i a moment of vectors between atoms (model/neutrality.py), and r_i a
place that does not jump where the atom crosses the boundary of a periodic cell. With the charges q_i, at fixed charges
of atoms and of what pairs give each other,

    F_i = q_i E,      W = -dU/d(strain) = (M (x) E + E (x) M) / 2,      dU/dZ_i = -E.r_i,      dU/dmu_i = -E.

U of a system with a total charge Q depends on the origin of the coordinates, by -Q E.shift; forces do not, and sum to
Q E. W is that of symmetric strains, as labels of stresses have it: the field, which is not strained, exerts the torque
M x E besides. LAMMPS has the whole of M (x) E, which a box that is sheared feels (plugin/uniform_field.h).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class FieldAction:
    """Energy of charges in the field, and derivatives at fixed charges; None where they were handed over elsewhere."""

    energies: Tensor
    """(n_centres,) eV: -E.m_i."""
    forces: Tensor | None = None
    """(n_centres, 3) eV/Å: q_i E."""
    virials: Tensor | None = None
    """(n_structures, 3, 3) eV: of symmetric strains."""


@dataclass(frozen=True)
class UniformField:
    """The field at the centres of a geometry."""

    vectors: Tensor
    """(n_centres, 3) V/Å: E of the structure of each centre."""
    positions: Tensor
    """(n_centres, 3) Å: r, without jumps at boundaries."""
    sum: Callable[[Tensor], Tensor]
    """Values (n_centres, ...) -> their sums over structures (n_structures, ...), over all ranks. Collective."""

    @property
    def potentials(self) -> Tensor:
        """(n_centres,) V: -E.r_i."""
        return -(self.vectors * self.positions).sum(1)

    def act(self, charges: Tensor, moments: Tensor) -> FieldAction:
        """What the field does to charges q (n_centres,), e, with the moments m (n_centres, 3), e Å. Collective."""
        products = moments[:, :, None] * self.vectors[:, None, :]  # (n_centres, 3, 3)
        return FieldAction(
            energies=-(moments * self.vectors).sum(1),
            forces=charges[:, None] * self.vectors,
            virials=self.sum(0.5 * (products + products.mT)),
        )
