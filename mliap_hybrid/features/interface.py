"""What models, training and LAMMPS ask of features, whatever they are made of."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor

from mliap_hybrid.structure import Geometry


class Featuriser(Protocol):
    """Numbers that describe the surroundings of an atom, and their derivatives.

    They see neighbours up to the cutoff and nothing else, and do not change when all atoms are turned, reflected,
    shifted or exchanged. `GaussianMultipoles` and `SymmetryFunctions` are two.
    """

    n_features: int
    """How many there are for each atom."""
    cutoff: float
    """Å."""
    elements: tuple[int, ...]
    """Atomic numbers that may occur, ascending."""

    @property
    def feature_labels(self) -> list[str]:
        """One short label for each feature, in order."""

    def __call__(self, geometry: Geometry) -> Tensor:
        """Features (n_centres, n_features), differentiable twice by autograd.

        Raises
        ------
        InputError
            If an atom is of none of the elements, its position is not a number, or two atoms sit at one place.
        """

    def forward_with_state(self, geometry: Geometry) -> tuple[Tensor, Any]:
        """Features (n_centres, n_features), and what `vjp` needs of the way to them."""

    def vjp(self, geometry: Geometry, feature_gradient: Tensor, state: Any = None) -> Tensor:
        """dE/dr_p (n_pairs, 3) of each pair vector from dE/dF, `feature_gradient` (n_centres, n_features)."""

    def jacobian(self, geometry: Geometry) -> Tensor:
        """Derivatives (n_pairs, 3, n_features) of each centre's features by its pair vectors."""
