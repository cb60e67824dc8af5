"""Energies and gradients of a trained model, as fast as they can be had: in runs, in ASE and in error tables.

The terms are added up by sum_of_terms.py. On a processor the native kernels do features, networks and gradients in one
pass; where they do not reach (a GPU, features that they do not know, direct forces) torch does the networks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.kernels.multipoles import NativeMultipoles
from mliap_hybrid.kernels.plan import is_supported
from mliap_hybrid.model.born_charges import born_charges
from mliap_hybrid.model.heads import HeadsOfGeometry
from mliap_hybrid.model.heads_of_geometry import NativeHeads, TorchHeads
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.native import has_native_networks, native_networks
from mliap_hybrid.model.parameters import PredictedParameter
from mliap_hybrid.model.structures import prediction_of
from mliap_hybrid.model.sum_of_terms import Total, sum_of_terms
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.structure import Batch, Geometry


class Evaluator:
    """A model that is no longer trained: weights that change later are not seen."""

    def __init__(self, model: HybridModel, dtype: torch.dtype = torch.float64, *, by_torch: bool = False):
        """Set up the fastest path for a model.

        Parameters
        ----------
        model : HybridModel
        dtype : {torch.float64, torch.float32}
            Precision of the native kernels; sums and explicit terms are float64 at either.
        by_torch : bool
            Leave out the native kernels, for comparison.
        """
        self.model = model
        self.dtype = dtype
        self.native: NativeMultipoles | None = None
        self._has_networks = not by_torch and len(model.heads) > 0 and has_native_networks(model)
        self._total_charge = 0.0
        if self._has_networks:
            self.native = native_networks(model, dtype)
        elif not by_torch and is_supported(model.features):
            self.native = NativeMultipoles(model.features, dtype=dtype)

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
        geometry = batch.geometry()
        return prediction_of(batch, geometry, self.total(geometry))

    def total(self, geometry: Geometry) -> Total:
        """Energies of the centres, and all that changes with positions. Collective where centres are divided.

        Parameters
        ----------
        geometry : Geometry
            With communication.

        Raises
        ------
        InputError
            If features or molecules refuse the geometry.
        """
        model = self.model
        with torch.no_grad():
            heads = self.heads(geometry) if len(model.heads) else None
            species = model.species(geometry.centre_numbers)
            return sum_of_terms(
                model.all_terms,
                model.all_parameters,
                geometry,
                species,
                heads,
                neighbour_species=lambda: model.species(geometry.neighbour_numbers),
            )

    def heads(self, geometry: Geometry) -> HeadsOfGeometry:
        """What the heads say of the centres; derivatives are asked for later."""
        totals = self._totals(geometry)
        native = self.native if geometry.pair_vectors.device.type == "cpu" else None
        if native is not None and self._has_networks:
            # Structures of several total charges are left to torch, features included.
            native = self._set_for(totals)
        if native is None:
            return TorchHeads(self.model, geometry, totals)
        native.n_threads = torch.get_num_threads()
        if self._has_networks:
            return NativeHeads(self.model.heads, native, geometry)
        return TorchHeads(self.model, geometry, totals, native)

    def each_network(self, geometry: Geometry) -> list[tuple[Tensor, Tensor]]:
        """Values (n_centres,) and their gradient (n_pairs, 3) of each network: of a committee, those of its members."""
        with torch.no_grad():
            if self.native is not None and self._has_networks:
                return list(zip(*self.native.each_energy(geometry), strict=True))
            return TorchHeads(self.model, geometry, self._totals(geometry), self.native).each()

    def born_charges(self, batch: Batch) -> Tensor:
        """Born effective charges Z*_ab = dM_a/dr_b (n_atoms, 3, 3), e, of a model that predicts charges."""
        model, geometry = self.model, batch.geometry()
        parameter = model.parameter("charge")
        if not isinstance(parameter, PredictedParameter):
            raise ValueError("expected a model with predicted charges")
        with torch.no_grad():
            heads = self.heads(geometry)
            species, periodic = model.species(batch.numbers), batch.periodic.any(1)
            return born_charges(parameter, geometry, batch.positions, periodic, species, heads)

    def _totals(self, geometry: Geometry) -> Tensor:
        """Total charge of the structure of each centre (n_centres,), where networks ask for it."""
        if not self.model.total_charge_input:
            return geometry.pair_vectors.new_zeros(geometry.n_centres)
        communication = geometry.communication
        return communication.to_centres(communication.total_charges)

    def _set_for(self, totals: Tensor) -> NativeMultipoles | None:
        """The kernels, set up for the total charge (n_centres,) if it is an input of the networks; None for several."""
        if not self.model.total_charge_input or len(totals) == 0:
            return self.native
        lowest, highest = totals.aminmax()
        if lowest != highest:
            return None
        if float(lowest) != self._total_charge:
            self._total_charge = float(lowest)
            self.native = native_networks(self.model, self.dtype, total_charge=self._total_charge)
        return self.native


def predict(model: HybridModel, batch: Batch) -> Prediction:
    """The same by torch alone, in the precision of the batch: what the kernels are compared with.

    Parameters
    ----------
    model : HybridModel
    batch : Batch
        With all pairs up to the model's cutoff.
    """
    return Evaluator(model, by_torch=True).predict(batch)
