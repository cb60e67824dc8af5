"""`gdml`, `molecules`: kernel models of molecules."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from mliap_hybrid.section import Positive, Section

SIGMAS = tuple(float(sigma) for sigma in range(5, 100, 5))
"""Length scales in 1/Å that are tried."""

JITTERS = (1e-10, 1e-8, 1e-6)
"""Added to the diagonal of the kernel matrix, one after the other until it is positive definite in double precision."""


class GDMLSettings(Section):
    """A kernel model of one molecule in place of features and network, trained in closed form (Chmiela et al. 2018).

    All frames hold the same molecule with its atoms in the same order. With `repulsion` and `electrostatics`, the model
    is of what these terms leave of energies and forces.
    """

    n_train: int | None = Field(default=None, ge=3)
    """Frames to train on, drawn from the training part with the distribution of its energies. null: all of it. Time
    grows with the third power, memory with the square."""
    sigmas: list[Positive] = Field(default=list(SIGMAS), min_length=1)
    """Length scales of the kernel in 1/Å, tried in ascending order until the validation error rises."""
    symmetries: bool = True
    """Whether permutations of equivalent atoms are found from the frames and built in (sGDML), or not (GDML)."""
    with_energies: bool = False
    """Whether energies are fitted along with the forces, not only used for the constant of integration."""
    solver: Literal["auto", "cholesky", "conjugate-gradients"] = "auto"
    """cholesky: exact, with a matrix that must fit into memory; conjugate-gradients: iterations without the matrix;
    auto: the first one as far as it is quick and fits."""
    jitters: list[Positive] = Field(default=list(JITTERS), min_length=1)
    """Regularisation relative to the variance of the labels; the next one where the one before is too small."""
    n_validation: int = Field(default=1000, ge=1)
    """Frames of the validation part, evenly chosen, that sigma is chosen by."""


class MoleculeSettings(Section):
    """A kernel model of the molecules that the frames consist of: a fixed term, to which a network adds the rest."""

    model: Path
    """Run folder of a training with `gdml`, or a model of the sgdml package (.npz), relative to the training file. All
    frames are made of its molecules, one after the other, each with its atoms in the order of that training."""

    def with_files_in(self, folder: Path) -> Self:
        """As in `Section`."""
        return self.model_copy(update={"model": folder / self.model})
