"""Screened nuclear repulsion of pairs that are closer than any bond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from ase.data import covalent_radii
from torch import Tensor

from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.term import Constants, Contribution, PairTerm, TermDescription
from mliap_hybrid.model.term_section import MadeTerm, TermContext, TermSection
from mliap_hybrid.physics.zbl import envelope, screening_length, zbl_energy
from mliap_hybrid.structure import Geometry

REACH = 0.7
"""Where the repulsion ends, in units of the sum of the covalent radii: below every bond (0.75 Å for C-H, 1.9 Å for
Na-Cl), so that the network need not undo it where it knows better."""


class RepulsionSettings(TermSection):
    """Screened nuclear repulsion (Ziegler, Biersack, Littmark 1985) at short distance."""

    kind: Literal["zbl", "none"] = "zbl"
    """zbl adds it, none leaves it out."""

    def make(self, context: TermContext) -> MadeTerm | None:
        """As in `TermSection`."""
        return MadeTerm(ZBLRepulsion(context.cutoff)) if self.kind == "zbl" else None


class RepulsionDescription(TermDescription):
    """The term in a model file; it ends at the cutoff of the model at the latest."""

    kind: Literal["zbl"] = "zbl"

    def title(self, sources: Mapping[str, str], on_features: str, n_members: int) -> str:
        """As in `TermDescription`."""
        return "ZBL repulsion"


class ZBLRepulsion(PairTerm):
    """ZBL repulsion that fades out below the length of a bond."""

    kind = "zbl"
    radii: Tensor

    def __init__(self, cutoff: float):
        """Make the term.

        Parameters
        ----------
        cutoff : float, Å
            Cutoff of the neighbour pairs; the term never reaches farther.
        """
        super().__init__()
        self.cutoff = cutoff
        # Cordero et al., Dalton Trans. 2008, 2832, as tabulated by ASE; index = atomic number.
        self.register_buffer("radii", torch.tensor(covalent_radii, dtype=torch.float64), persistent=False)

    def pair_energies(self, geometry: Geometry, distances: Tensor, parameters: ParameterValues) -> Tensor:
        """Half of each pair's repulsion (n_pairs,), eV, as its centre has it."""
        reach = self._reach(geometry).to(distances.dtype)  # (n_pairs,) Å
        close = (distances.detach() < reach).nonzero().squeeze(1)  # few pairs, none in an ordinary structure
        z_i = geometry.centre_numbers[geometry.pair_i[close]].to(distances.dtype)
        z_j = geometry.neighbour_numbers[close].to(distances.dtype)
        energies = 0.5 * zbl_energy(distances[close], z_i, z_j) * envelope(distances[close] / reach[close])
        return torch.zeros_like(distances).index_add(0, close, energies)

    def contribution(
        self, geometry: Geometry, parameters: ParameterValues, constants: Constants | None = None
    ) -> Contribution:
        """As in `Term`; nothing where no atoms are that close."""
        if not (geometry.distances < self._reach(geometry)).any():
            return Contribution()
        return super().contribution(geometry, parameters)

    def describe(self) -> RepulsionDescription:
        """As in `Term`."""
        return RepulsionDescription()

    @classmethod
    def restore(cls, description: Any, arrays: Mapping[str, Tensor], cutoff: float) -> ZBLRepulsion:
        """As in `Term`."""
        return cls(cutoff)

    def lengths(self, elements: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Screening length and reach (n_elements, n_elements) of pairs of elements, Å."""
        z = torch.tensor(elements, dtype=torch.float64)  # (n_elements,)
        radii = self.radii.cpu()[list(elements)]  # (n_elements,) Å
        reach = (REACH * (radii[:, None] + radii)).clamp(max=self.cutoff)
        return screening_length(z[:, None], z).numpy(), reach.numpy()

    def _reach(self, geometry: Geometry) -> Tensor:
        """(n_pairs,) Å: where the repulsion of each pair ends."""
        # index_select, since indexing with brackets takes four times as long.
        centre_radii = self.radii.index_select(0, geometry.centre_numbers)  # (n_centres,) Å
        sums = centre_radii.index_select(0, geometry.pair_i)  # (n_pairs,) Å
        sums = sums + self.radii.index_select(0, geometry.neighbour_numbers)
        return (REACH * sums).clamp(max=self.cutoff)
