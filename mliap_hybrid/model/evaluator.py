"""Energies and gradients of a trained model, as fast as they can be had: in runs, in ASE and in error tables.

The same numbers as `derivatives.predict` gives by automatic differentiation. On a processor the native kernels do
features, network and gradient in one pass; where they do not reach (a GPU, features that they do not know) torch takes
the direct path: features, network forward and backward, then the features' own transposed Jacobian.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mliap_hybrid.kernels.multipoles import NativeMultipoles
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.charge_model import charged_atoms
from mliap_hybrid.model.committee import CommitteeNetwork, members_of
from mliap_hybrid.model.derivatives import add_long_range, assemble
from mliap_hybrid.model.forward_pass import ForwardPass
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.native import has_native_networks, native_networks
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.structure import Batch, Geometry


class Evaluator:
    """A model that is no longer trained: weights that change later are not seen."""

    def __init__(self, model: HybridModel, dtype: torch.dtype = torch.float64):
        """Set up the fastest path for a model.

        Parameters
        ----------
        model : HybridModel
        dtype : {torch.float64, torch.float32}
            Precision of the native kernels; sums and explicit terms are float64 at either.
        """
        self.model = model
        self.dtype = dtype
        self.native: NativeMultipoles | None = None
        self._native_total_charge = 0.0
        if has_native_networks(model):
            self._set_native_networks(0.0)

    def _set_native_networks(self, total_charge: float) -> None:
        """Networks on the kernels, for structures of this total charge."""
        self._native_total_charge = total_charge
        self.native = native_networks(self.model, self.dtype, total_charge=total_charge)

    def predict(self, batch: Batch) -> Prediction:
        """Energies, forces and virials of whole structures, with the long-range term.

        Parameters
        ----------
        batch : Batch
            With all pairs up to the model's cutoff.

        Returns
        -------
        Prediction

        Raises
        ------
        InputError
            If an atom's element is not one of the model's.
        """
        self.model.check_elements(batch.numbers)
        vectors = batch.pair_vectors()  # (n_pairs, 3)
        if self.model.charge_model is not None:
            return self._predict_with_charges(batch, vectors)
        energies, gradients = self.local_terms(batch.geometry(vectors))
        local = assemble(batch, energies, gradients, vectors)
        if self.model.charges is None:
            return local
        charges = self.model.charges[batch.numbers]  # (n_atoms,)
        return add_long_range(local, charges, gaussian_charge_energy(batch, charges, self.model.smearing))

    def begin(self, geometry: Geometry, total_charge: float | Tensor = 0.0) -> ForwardPass:
        """Energies and raw charges of the centres of a model that predicts charges; gradients are asked for later.

        Parameters
        ----------
        geometry : Geometry
        total_charge : float or Tensor, shape (n_centres,), e
            Total charge of the structure, or of that of each centre; matters where it is an input of the networks.

        Returns
        -------
        ForwardPass

        Raises
        ------
        InputError
            If an atom's element is not one of the model's.
        ValueError
            If the model does not predict charges.
        """
        if self.model.charge_model is None:
            raise ValueError("expected a model with predicted charges")
        charge_model, rows = self.model.charge_model, self.model.rows[geometry.centre_numbers]
        (energies, energy_slopes), (values, value_slopes) = self._both_networks(geometry, total_charge)
        explicit_energies, explicit_slopes = self._explicit_terms(geometry, smearing_correction=False)
        moves = charge_model.network.bounded(values)  # (n_centres,)
        stretch = charge_model.network.bounded_slope(moves).index_select(0, geometry.pair_i)  # (n_pairs,)
        return ForwardPass(
            energies=energies + explicit_energies,
            charges=charge_model.raw_of(moves, rows),
            energy_slopes=energy_slopes + explicit_slopes,
            charge_slopes=stretch[:, None] * value_slopes,
            pair_i=geometry.pair_i,
        )

    def born_charges(self, batch: Batch) -> Tensor:
        """Born effective charges Z*_ab = dM_a/dr_b (n_atoms, 3, 3), e, of a model that predicts charges."""
        model, vectors = self.model, batch.pair_vectors()
        assert model.charge_model is not None
        forward = self.begin(batch.geometry(vectors), batch.total_charges[batch.structure_of_atom])
        atoms = charged_atoms(batch, model.rows[batch.numbers], vectors)
        charges = model.charge_model.charges(forward.charges, atoms)  # (n_atoms,)
        return model.charge_model.born_charges(
            forward.charges, charges, forward.charge_slopes, atoms, batch.positions, batch.periodic.any(1)
        )

    def local_terms(self, geometry: Geometry, *, smearing_correction: bool = False) -> tuple[Tensor, Tensor]:
        """Energies of the centres without the long-range term, and their gradient; charges are fixed or there are none.

        Parameters
        ----------
        geometry : Geometry
        smearing_correction : bool
            Add what the pair style adds to LAMMPS' point-charge energy.

        Returns
        -------
        energies : Tensor, shape (n_centres,), eV
        pair_gradients : Tensor, shape (n_pairs, 3), eV/Å
            g_p = dE/dr_p of the sum of the energies, r_p = r_j - r_i; what stands for it where forces are direct.
        """
        explicit_energies, explicit_gradients = self._explicit_terms(geometry, smearing_correction)
        if self.model.network is None:
            return explicit_energies, explicit_gradients
        energies, gradients = self._network(geometry)
        return energies + explicit_energies, gradients + explicit_gradients

    def each_member(self, geometry: Geometry) -> list[tuple[Tensor, Tensor]]:
        """Network energies (n_centres,), eV, and their gradient (n_pairs, 3), eV/Å, of each member of a committee."""
        if (native := self._native_on(geometry)) is not None:
            return list(zip(*native.each_energy(geometry), strict=True))
        return self._torch_networks(members_of(self.model.network), geometry)

    def _predict_with_charges(self, batch: Batch, vectors: Tensor) -> Prediction:
        model = self.model
        assert model.charge_model is not None
        forward = self.begin(batch.geometry(vectors), batch.total_charges[batch.structure_of_atom])
        atoms = charged_atoms(batch, model.rows[batch.numbers], vectors)
        charges = model.charge_model.charges(forward.charges, atoms)  # (n_atoms,)
        long_range = gaussian_charge_energy(batch, charges, model.smearing)
        gradients = forward.gradient(model.charge_model.response(long_range.potentials, atoms))  # (n_pairs, 3)
        of_map = model.charge_model.pair_gradients(forward.charges, long_range.potentials, atoms)
        if of_map is not None:
            gradients = gradients + of_map
        return add_long_range(assemble(batch, forward.energies, gradients, vectors), charges, long_range)

    def _network(self, geometry: Geometry) -> tuple[Tensor, Tensor]:
        """Network energies (n_centres,) and their gradient (n_pairs, 3), or what stands for it in direct forces."""
        if not self.model.is_conservative:
            return self._direct(geometry)
        if (native := self._native_on(geometry)) is not None:
            energies, gradients = native.mean_energy(geometry)  # (n_members, n_centres), (n_pairs, 3)
            return energies.mean(0), gradients
        assert self.model.network is not None
        return self._torch_networks([self.model.network], geometry)[0]

    def _direct(self, geometry: Geometry) -> tuple[Tensor, Tensor]:
        """Network energies (n_centres,), and pair gradients (n_pairs, 3) from the slopes of the force network."""
        model, numbers = self.model, geometry.centre_numbers
        native = self._native_on(geometry)
        with torch.no_grad():
            if native is None:
                features, state = model.features.forward_with_state(geometry)  # (n_centres, n_features)
            else:
                pairs = native.sort(geometry)
                features, state = native.forward_with_moments(pairs)
            features = features.double()
            energies, slopes = model.network_energies(features, numbers), model.feature_slopes(features, numbers)
            if native is None:
                return energies, model.features.gradient(geometry, slopes, state)
            return energies, native.vjp(pairs, slopes, state)

    def _both_networks(self, geometry: Geometry, total_charge: float | Tensor) -> list[tuple[Tensor, Tensor]]:
        """Values (n_centres,) of energy and charge network, each with its gradient (n_pairs, 3)."""
        assert self.model.network is not None
        assert self.model.charge_model is not None
        if self._native_for(total_charge) and (native := self._native_on(geometry)) is not None:
            return list(zip(*native.each_energy(geometry), strict=True))
        networks = [self.model.network, self.model.charge_model.network.network]
        return self._torch_networks(networks, geometry, total_charge)

    def _native_on(self, geometry: Geometry) -> NativeMultipoles | None:
        """The kernels, with as many threads as torch; None where they do not reach."""
        if self.native is None or geometry.pair_vectors.device.type != "cpu":
            return None
        self.native.n_threads = torch.get_num_threads()
        return self.native

    def _native_for(self, total_charge: float | Tensor) -> bool:
        """Whether the kernels can do both networks, set up for the total charge if it is an input of theirs."""
        if self.native is None:
            return False
        totals = torch.as_tensor(total_charge, dtype=torch.float64)
        if not self.model.total_charge_input or totals.numel() == 0:
            return True
        lowest, highest = totals.aminmax()
        if lowest != highest:
            return False
        if float(lowest) != self._native_total_charge:
            self._set_native_networks(float(lowest))
        return True

    def _torch_networks(
        self,
        networks: Sequence[AtomicNetwork | CommitteeNetwork],
        geometry: Geometry,
        total_charge: float | Tensor = 0.0,
    ) -> list[tuple[Tensor, Tensor]]:
        """Values (n_centres,) of networks on the features, each with its gradient (n_pairs, 3)."""
        model, rows = self.model, self.model.rows[geometry.centre_numbers]
        values, state = model.features.forward_with_state(geometry)  # (n_centres, n_features)
        totals = torch.as_tensor(total_charge, dtype=values.dtype, device=values.device).expand(len(values))
        answers = []
        for network in networks:
            with torch.enable_grad():
                features = values.detach().requires_grad_()
                outputs = network(model.network_inputs(features, totals), rows)  # (n_centres,)
                (feature_gradients,) = torch.autograd.grad(outputs.sum(), features)  # (n_centres, n_features)
            answers.append((outputs.detach(), model.features.gradient(geometry, feature_gradients, state)))
        return answers

    def _explicit_terms(self, geometry: Geometry, smearing_correction: bool) -> tuple[Tensor, Tensor]:
        """All local terms but the network: energies (n_centres,), and their gradient (n_pairs, 3)."""
        model = self.model
        energies, gradients = self._pair_terms(geometry, smearing_correction)
        energies = energies + model.element_energies(geometry.centre_numbers)
        if model.molecules is None:
            return energies, gradients
        of_molecules, molecule_gradients = model.molecules.energies_and_gradients(geometry)
        return energies + of_molecules, gradients + molecule_gradients

    def _pair_terms(self, geometry: Geometry, smearing_correction: bool) -> tuple[Tensor, Tensor]:
        """Pair energies (n_centres,), with those of LAMMPS' charges if asked for, and (dE/dr) r_p / r (n_pairs, 3)."""
        model, vectors = self.model, geometry.pair_vectors.detach()
        energies = vectors.new_zeros(geometry.n_centres)  # (n_centres,)
        if model.repulsion is None and model.charges is None:
            return energies, torch.zeros_like(vectors)
        distances = torch.linalg.vector_norm(vectors, dim=1)  # (n_pairs,)
        with torch.enable_grad():
            distances = distances.requires_grad_()
            pair_energies = model.pair_energies(geometry, distances)  # (n_pairs,)
            if smearing_correction and model.charges is not None:
                self_energies, of_pairs = model.smearing_correction(geometry, distances)
                energies, pair_energies = energies + self_energies, pair_energies + of_pairs
            if not pair_energies.requires_grad:
                return energies, torch.zeros_like(vectors)
            (slopes,) = torch.autograd.grad(pair_energies.sum(), distances)  # (n_pairs,) eV/Å
        energies = energies.index_add(0, geometry.pair_i, pair_energies.detach())
        return energies, (slopes / distances.detach())[:, None] * vectors
