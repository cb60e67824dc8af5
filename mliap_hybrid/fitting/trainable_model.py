"""Energies, forces and virials of prepared frames: exact, and many times faster than from the positions.

With g_i = dE_i/dF_i from the network alone and the constant derivatives dF_i/dr_p (feature_derivatives.py),

    dE/dr_p = g_i(p) . dF_i/dr_p,      f_i = +sum_p dE/dr_p,   f_j = -sum_p dE/dr_p,      W = -sum_p r_p (x) dE/dr_p.

Where forces are direct, g_i is what a network of its own says (model/direct_forces.py). Where charges are predicted,
it is dE_i/dF_i + (dE/draw_i) draw_i/dF_i, and the long-range term at fixed charges comes on top: model/charge_model.py
and fitting/prepared_charges.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.fitting.charge_products import FittedCharges
from mliap_hybrid.fitting.prepared_charges import ChargeConstants
from mliap_hybrid.fitting.training_frames import TrainingFrames
from mliap_hybrid.kernels.pair_sums import PairSums
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.charge_model import ChargedAtoms, ChargeModel
from mliap_hybrid.model.direct_forces import ForceNetwork
from mliap_hybrid.prediction import Prediction


class TrainableModel(torch.nn.Module):
    """The parameters that are trained: the networks, and the charges where they are fitted or predicted."""

    def __init__(
        self,
        network: AtomicNetwork,
        charges: FittedCharges | None = None,
        charge_model: ChargeModel | None = None,
        total_charge_input: bool = False,
        force_network: ForceNetwork | None = None,
    ):
        """Put the parts together.

        Parameters
        ----------
        network : AtomicNetwork
        charges : FittedCharges, optional
        charge_model : ChargeModel, optional
        total_charge_input : bool
            Whether the networks take the total charge of the frame as a last input.
        force_network : ForceNetwork, optional
            Where forces are direct; not together with a charge model.
        """
        super().__init__()
        self.network = network
        self.charges = charges
        self.charge_model = charge_model
        self.total_charge_input = total_charge_input
        self.force_network = force_network

    def forward(self, frames: TrainingFrames) -> Prediction:
        """What the trained part says of the frames, differentiable in its parameters.

        Parameters
        ----------
        frames : TrainingFrames

        Returns
        -------
        Prediction
            float32; to be compared with the labels of `frames`.
        """
        if self.charge_model is not None and frames.predicted is not None:
            return self._with_predicted_charges(self.charge_model, frames, frames.predicted)
        atomic, slopes = self.energies_and_slopes(frames.features, frames.rows)  # (n_atoms,), (n_atoms, n_kept)
        local = _collect(frames, atomic, frames.derivatives.pair_gradients(frames, slopes))
        if self.charges is None or frames.unit_energies is None:
            return local
        products = self.charges.products()  # (n_products,)
        return Prediction(
            energies=local.energies + frames.unit_energies @ products,
            forces=local.forces if frames.unit_forces is None else local.forces + frames.unit_forces @ products,
            virials=local.virials if frames.unit_virials is None else local.virials + frames.unit_virials @ products,
        )

    def energies_and_slopes(self, features: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Energies of atoms, and the slopes that forces follow from, of a part that predicts no charges.

        Parameters
        ----------
        features : Tensor, shape (n_atoms, n_kept)
        rows : Tensor, shape (n_atoms,), int64
            Index of each atom's element.

        Returns
        -------
        energies : Tensor, shape (n_atoms,), eV
        slopes : Tensor, shape (n_atoms, n_kept), eV
            dE_i/dx_i, or what the force network says in its place.
        """
        if self.force_network is not None:
            return self.network(features, rows), self.force_network(features, rows)
        return self.network.energies_and_slopes(features, rows)

    def predicted_charges(self, frames: TrainingFrames) -> Tensor:
        """Charges (n_atoms,), e, of a part that predicts them."""
        assert self.charge_model is not None
        assert frames.predicted is not None
        raw = self.charge_model.raw(self._inputs(frames.features, frames), frames.rows)  # (n_atoms,)
        return self.charge_model.charges(raw, _charged_atoms(frames, frames.predicted))

    def _with_predicted_charges(
        self, charge_model: ChargeModel, frames: TrainingFrames, constants: ChargeConstants
    ) -> Prediction:
        atoms = _charged_atoms(frames, constants)
        features = frames.features.detach().requires_grad_()  # (n_atoms, n_kept)
        with torch.enable_grad():
            inputs = self._inputs(features, frames)
            atomic = self.network(inputs, frames.rows)  # (n_atoms,)
            raw = charge_model.raw(inputs, frames.rows)  # (n_atoms,)
            charges = charge_model.charges(raw, atoms)  # (n_atoms,)
            long_range = constants.long_range(charges)
            born_charges = None
            if constants.born_charges is not None:
                (raw_slopes,) = torch.autograd.grad(raw.sum(), features, retain_graph=True, create_graph=self.training)
                of_pairs = frames.derivatives.pair_gradients(frames, raw_slopes)  # (n_pairs, 3) draw_i/dr_p
                positions, periodic = constants.positions, constants.periodic
                born_charges = charge_model.born_charges(raw, charges, of_pairs, atoms, positions, periodic)
            weights = [torch.ones_like(atomic), charge_model.response(long_range.potentials, atoms)]
            (slopes,) = torch.autograd.grad([atomic, raw], features, weights, create_graph=self.training)
        gradients = frames.derivatives.pair_gradients(frames, slopes)  # (n_pairs, 3)
        of_map = charge_model.pair_gradients(raw, long_range.potentials, atoms)
        local = _collect(frames, atomic, gradients if of_map is None else gradients + of_map)
        return Prediction(
            energies=local.energies + long_range.energies,
            forces=local.forces + long_range.forces,
            virials=local.virials + long_range.virials,
            charges=charges,
            potentials=long_range.potentials,
            born_charges=born_charges,
        )

    def _inputs(self, features: Tensor, frames: TrainingFrames) -> Tensor:
        """What the networks see: whitened features, and the total charge where it is an input."""
        if not self.total_charge_input:
            return features
        assert frames.predicted is not None
        totals = frames.predicted.total_charges[frames.frame_of_atom]  # (n_atoms,)
        return torch.cat([features, totals[:, None]], dim=1)


def _charged_atoms(frames: TrainingFrames, constants: ChargeConstants) -> ChargedAtoms:
    return ChargedAtoms(
        frames.rows,
        frames.frame_of_atom,
        constants.total_charges,
        frames.pair_i,
        frames.pair_j,
        frames.pair_vectors.to(frames.features.dtype),
    )


def _collect(frames: TrainingFrames, atomic: Tensor, gradients: Tensor) -> Prediction:
    """Structures from atomic energies (n_atoms,) and dE/dr_p (n_pairs, 3)."""
    sums = PairSums(frames.pair_i, frames.pair_j, frames.pair_vectors, frames.frame_of_atom, frames.n_frames)
    forces, virials = sums(gradients)
    return Prediction(_sum_by(frames.frame_of_atom, atomic, frames.n_frames), forces, virials)


def _sum_by(index: Tensor, values: Tensor, n: int) -> Tensor:
    return values.new_zeros((n, *values.shape[1:])).index_add(0, index, values)
