"""The long-range term while charges of the elements are fitted: neutral by construction, quadratic in them.

    E = sum_{a <= b} q_a q_b E_ab,

so E_ab, its forces and its virial are computed once for each frame, from energies of unit charges.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from ase.data import atomic_numbers
from pymatgen.core import Element
from torch import Tensor

from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.term import Constants, Contribution, Term
from mliap_hybrid.model.terms.electrostatics import ElectrostaticsDescription
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.structure import Batch, Geometry

NO_ELECTRONEGATIVITY = ("He", "Ne", "Ar")
"""Elements without a Pauling value."""


class FittedCharges(torch.nn.Module):
    """Element charges q = q_start + N z with z trained; N spans the changes that keep every frame's total charge."""

    start: Tensor
    directions: Tensor

    def __init__(self, start: Tensor, counts: Tensor):
        """Make the parameters.

        Parameters
        ----------
        start : Tensor, shape (n_elements,), e
            Charges that sum to the total charge of every training frame.
        counts : Tensor, shape (n_frames, n_elements)
            Atoms of each element in each training frame.
        """
        super().__init__()
        _, singular_values, rows = torch.linalg.svd(counts, full_matrices=True)
        rank = int((singular_values > 1e-10 * singular_values[0]).sum())
        self.register_buffer("start", start.float())
        self.register_buffer("directions", rows[rank:].T.float())  # (n_elements, n_free): null space of the counts
        self.coordinates = torch.nn.Parameter(torch.zeros(rows.shape[0] - rank))  # (n_free,) z

    def forward(self) -> Tensor:
        """(n_elements,) e: the charges."""
        return self.start + self.directions @ self.coordinates

    def products(self) -> Tensor:
        """(n_products,) e^2: q_a q_b for a <= b, in the order of `element_pairs`."""
        charges = self()
        return torch.stack([charges[a] * charges[b] for a, b in element_pairs(len(charges))])


class FittedElectrostatics(Term):
    """The long-range energy of charges that are being fitted; of its constants alone."""

    kind = "electrostatics"
    cost = "solve"

    def __init__(self, charges: FittedCharges):
        super().__init__()
        self.charges = charges

    def energy(self, geometry: Geometry, parameters: ParameterValues) -> Tensor:
        """Not divided among atoms: zeros (n_centres,)."""
        return geometry.pair_vectors.new_zeros(geometry.n_centres)

    def contribution(
        self, geometry: Geometry, parameters: ParameterValues, constants: Constants | None = None
    ) -> Contribution:
        """As in `Term`, from the charge products of the frames."""
        assert isinstance(constants, ChargeProducts)
        products = self.charges.products()  # (n_products,)
        return Contribution(
            structure_energies=constants.energies @ products,
            forces=None if constants.forces is None else constants.forces @ products,
            virials=None if constants.virials is None else constants.virials @ products,
        )

    def describe(self) -> ElectrostaticsDescription:
        """Never in a model file: there, the charges are constants."""
        raise NotImplementedError

    @classmethod
    def restore(cls, description: Any, arrays: Mapping[str, Tensor], cutoff: float) -> FittedElectrostatics:
        """Never in a model file."""
        raise NotImplementedError


@dataclass(frozen=True)
class ChargeProducts(Constants):
    """Long-range energies of frames for unit products of charges, float32."""

    energies: Tensor
    """(n_frames, n_products), eV/e^2: without what element energies say of them."""
    forces: Tensor | None
    """(n_atoms, 3, n_products), eV/(Å e^2); None where forces are not trained on."""
    virials: Tensor | None
    """(n_frames, 3, 3, n_products), eV/e^2."""

    @property
    def n_bytes(self) -> int:
        """As in `Constants`."""
        return sum(part.nbytes for part in (self.energies, self.forces, self.virials) if part is not None)

    def followed_by(self, others: Sequence[Constants]) -> ChargeProducts:
        """As in `Constants`."""
        all_of_them = [self, *(other for other in others if isinstance(other, ChargeProducts))]
        parts = ([getattr(one, name) for one in all_of_them] for name in ("energies", "forces", "virials"))
        return ChargeProducts(*(None if part[0] is None else torch.cat(part) for part in parts))  # type: ignore[arg-type]


def element_pairs(n_elements: int) -> list[tuple[int, int]]:
    """Index pairs a <= b, the order of all unit arrays."""
    return list(itertools.combinations_with_replacement(range(n_elements), 2))


def unit_predictions(batch: Batch, elements: Sequence[int], smearing: float) -> Prediction:
    """E_ab of one frame, with forces and virial.

    Parameters
    ----------
    batch : Batch
        One structure.
    elements : sequence of int
        Atomic numbers.
    smearing : float, Å

    Returns
    -------
    Prediction
        With a last axis over `element_pairs`; per e^2.
    """
    single = [_of_unit_charges(batch, [z], smearing) for z in elements]
    units = []
    for a, b in element_pairs(len(elements)):
        if a == b:
            units.append(single[a])
            continue
        # Polarisation identity of a quadratic form: what is left of a and b together is their interaction.
        both = _of_unit_charges(batch, [elements[a], elements[b]], smearing)
        units.append(
            Prediction(
                energies=both.energies - single[a].energies - single[b].energies,
                forces=both.forces - single[a].forces - single[b].forces,
                virials=both.virials - single[a].virials - single[b].virials,
            )
        )
    return Prediction(
        energies=torch.stack([unit.energies for unit in units], dim=-1),
        forces=torch.stack([unit.forces for unit in units], dim=-1),
        virials=torch.stack([unit.virials for unit in units], dim=-1),
    )


def electronegative_is_negative(charges: Mapping[int, float]) -> dict[int, float]:
    """The charges, or their negative: the energy cannot tell, so the more electronegative elements get the electrons.

    Parameters
    ----------
    charges : mapping of int to float, e
        Atomic number -> charge; of neutral frames.
    """
    symbols = {number: symbol for symbol, number in atomic_numbers.items()}
    pauling = {z: Element(symbols[z]).X for z in charges if symbols[z] not in NO_ELECTRONEGATIVITY}
    mean = sum(pauling.values()) / max(1, len(pauling))
    moment = sum(charges[z] * (value - mean) for z, value in pauling.items())
    sign = -1.0 if moment > 0 else 1.0
    return {z: sign * charge for z, charge in charges.items()}


def _of_unit_charges(batch: Batch, elements: Sequence[int], smearing: float) -> Prediction:
    charges = torch.isin(batch.numbers, torch.tensor(elements)).to(torch.float64)  # (n_atoms,)
    result = gaussian_charge_energy(batch, charges, smearing)
    return Prediction(result.energies, result.forces, result.virials)
