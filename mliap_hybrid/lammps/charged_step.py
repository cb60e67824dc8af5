"""One step of a model with predicted charges, on atoms that are spread over processors.

    features -> raw charges -> charges with the right sum -> potentials phi_i = dE/dq_i -> one gradient for all

The maps from raw to right charges are those of model/charge_shift.py and model/charge_increments.py; here the sums
and the neighbours' values come from other ranks. Every rank makes every exchange in every step, also without atoms.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.lammps.coulomb_engines import CoulombEngine
from mliap_hybrid.lammps.exchange import listed_atoms
from mliap_hybrid.model.charge_increments import ChargeIncrements, exchanged, window, window_gradients
from mliap_hybrid.model.charge_model import ChargeModel
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.structure import Geometry


def charged_step(
    evaluator: Evaluator, engine: CoulombEngine, data: Any, geometry: Geometry, energy_unit: float
) -> tuple[Tensor, Tensor]:
    """Local energies, and the gradient of the whole energy but for the forces at fixed charges. Collective.

    Parameters
    ----------
    evaluator : Evaluator
        Of a model with predicted charges.
    engine : CoulombEngine
    data : object
        The plugin's data object.
    geometry : Geometry
        Listed atoms of this rank.
    energy_unit : float, eV
        LAMMPS' unit of energy.

    Returns
    -------
    energies : Tensor, shape (n_centres,), eV
    pair_gradients : Tensor, shape (n_pairs, 3), eV/Å
    """
    model = evaluator.model
    assert model.charge_model is not None
    forward = evaluator.begin(geometry, 0.0 if np.isnan(data.total_charge) else data.total_charge)
    neutrality = NEUTRALITY[model.charge_model.neutrality](model.charge_model, data, geometry)
    charges = neutrality.charges(forward.charges, model.rows[geometry.centre_numbers])  # (n_centres,)
    potentials = engine.solve(data, charges, energy_unit)  # (n_centres,)
    response = neutrality.response(potentials)  # (n_centres,) dE/draw_i
    gradients = forward.gradient(response)  # (n_pairs, 3)
    of_map = neutrality.pair_gradients(potentials)
    return forward.energies, gradients if of_map is None else gradients + of_map


class Neutrality(ABC):
    """A map from raw numbers to charges with the right sum, and its derivative, for one step."""

    def __init__(self, charge_model: ChargeModel, data: Any, geometry: Geometry):
        self.charge_model = charge_model
        self.data = data
        self.geometry = geometry

    @abstractmethod
    def charges(self, raw: Tensor, rows: Tensor) -> Tensor:
        """Charges (n_centres,), e, from raw numbers and rows of the elements (n_centres,) each; called first."""

    @abstractmethod
    def response(self, potentials: Tensor) -> Tensor:
        """dE/draw_i (n_centres,), eV/e, from the potentials (n_centres,); called second."""

    def pair_gradients(self, potentials: Tensor) -> Tensor | None:
        """sum_i phi_i dq_i/dr_p (n_pairs, 3), eV/Å, at fixed raw numbers; called last."""
        return None


class ShiftOverRanks(Neutrality):
    """q_i = raw_i + (Q - sum_k raw_k) / N over the atoms of all ranks."""

    def charges(self, raw: Tensor, rows: Tensor) -> Tensor:
        """q_i (n_centres,), e."""
        return raw + self._mean(raw, self.data.total_charge)

    def response(self, potentials: Tensor) -> Tensor:
        """phi_i - mean(phi) (n_centres,), eV/e."""
        return potentials + self._mean(potentials, 0.0)

    def _mean(self, values: Tensor, total: float) -> float:
        """(total - sum of the values) / N."""
        found, n_atoms = self.data.sum_over_ranks([float(values.sum()), len(values)])
        return (total - found) / max(n_atoms, 1.0)


class IncrementsOverRanks(Neutrality):
    """q_i = q0_i + sum_j w(r_ij) (u_j - u_i), with neighbours of other ranks."""

    charge_model: ChargeIncrements

    def charges(self, raw: Tensor, rows: Tensor) -> Tensor:
        """q_i (n_centres,), e."""
        self.weights = window(self.geometry.pair_vectors, self.charge_model.cutoff)  # (n_pairs,)
        self.raw, self.neighbour_raw = raw, self._of_neighbours(raw)
        moved = exchanged(raw, self.neighbour_raw, self.geometry.pair_i, self.weights)  # (n_centres,)
        return self.charge_model.element_charges[rows] + moved

    def response(self, potentials: Tensor) -> Tensor:
        """dE/du_i (n_centres,), eV/e."""
        return exchanged(potentials, self._of_neighbours(potentials), self.geometry.pair_i, self.weights)

    def pair_gradients(self, potentials: Tensor) -> Tensor:
        """phi_i dw/dr_p (u_j - u_i) (n_pairs, 3), eV/Å."""
        geometry, cutoff = self.geometry, self.charge_model.cutoff
        return window_gradients(
            self.raw, self.neighbour_raw, potentials, geometry.pair_i, geometry.pair_vectors, cutoff
        )

    def _of_neighbours(self, values: Tensor) -> Tensor:
        """Value of the neighbour of each pair (n_pairs,) from those of the centres (n_centres,)."""
        of_all = np.zeros(self.data.ntotal)
        of_all[listed_atoms(self.data)] = values.numpy()
        self.data.forward_exchange(of_all, of_all, 1)
        return torch.from_numpy(of_all[self.data.pair_j] if self.data.npairs else np.zeros(0))


NEUTRALITY: dict[str, type[Neutrality]] = {"shift": ShiftOverRanks, "increments": IncrementsOverRanks}
"""`ChargeModel.neutrality` -> how it is kept on many ranks."""
