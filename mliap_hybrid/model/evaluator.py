"""Energies and gradients of a trained model, as fast as they can be had: in runs, in ASE and in error tables.

The terms are added up by sum_of_terms.py. The best back end for features and device (kernels/backend.py) computes
features, and networks and gradients with them where it can do so in one pass; elsewhere torch does the networks.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.kernels.backend import Backend
from mliap_hybrid.model.born_charges import born_charges_by_field
from mliap_hybrid.model.further_quantities import further_quantities
from mliap_hybrid.model.heads import HeadsOfGeometry
from mliap_hybrid.model.heads_of_geometry import FusedHeads, TorchHeads
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.native import backend_of
from mliap_hybrid.model.structures import prediction_of
from mliap_hybrid.model.sum_of_terms import Total, sum_of_terms
from mliap_hybrid.model.training_distance import with_neighbours
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
            Precision of the back end; sums and explicit terms are float64 at either.
        by_torch : bool
            Do without a back end, for comparison.
        """
        self.model = model
        self.dtype = dtype
        self.by_torch = by_torch
        self.backend: Backend | None = None
        self._total_charge = 0.0
        if not by_torch:
            self.backend_on(model.species_of_number.device, 0.0)

    def predict(self, batch: Batch, others: Collection[str] = ()) -> Prediction:
        """Energies, forces and virials of whole structures, with the long-range term.

        Parameters
        ----------
        batch : Batch
            With all pairs up to the model's cutoff.
        others : collection of str
            Further quantities that are asked for.

        Returns
        -------
        Prediction
            With those of the further quantities that the model gives.

        Raises
        ------
        InputError
            If an atom's element is not one of the model's.
        """
        self.model.check_elements(batch.numbers)
        geometry = batch.geometry()
        total = self.total(geometry)
        prediction = prediction_of(batch, geometry, total)
        return replace(prediction, others=self._further(others, batch, geometry, total)) if others else prediction

    def total(self, geometry: Geometry) -> Total:
        """Energies of the centres, and all that changes with positions. Collective where centres are divided.

        Parameters
        ----------
        geometry : Geometry
            With communication.

        Raises
        ------
        InputError
            If features or a term refuse the geometry.
        """
        model = self.model
        with torch.no_grad():
            for term in model.all_terms:
                term.check(geometry)
            seen = model.seen(geometry)
            heads = self.heads(seen) if len(model.heads) else None
            species = model.species(geometry.centre_numbers)
            return sum_of_terms(
                model.all_terms,
                model.all_parameters,
                geometry,
                species,
                heads,
                neighbour_species=lambda: model.species(geometry.neighbour_numbers),
                seen=seen,
            )

    def heads(self, geometry: Geometry) -> HeadsOfGeometry:
        """What the heads say of the centres of what they see; derivatives are asked for later."""
        totals = self._totals(geometry)
        total = self._single_total(totals)
        if self.by_torch or total is None:  # structures of several total charges are left to torch, features included
            return TorchHeads(self.model, geometry, totals)
        backend = self.backend_on(geometry.pair_vectors.device, total)
        if backend.n_heads:
            return FusedHeads(self.model.heads, backend, geometry)
        return TorchHeads(self.model, geometry, totals, backend)

    def backend_on(self, device: torch.device, total_charge: float) -> Backend:
        """The back end for a device, its networks set up for structures of a total charge in e."""
        if self.backend is None or self.backend.device != device or self._total_charge != total_charge:
            self._total_charge = total_charge
            self.backend = backend_of(self.model, device, self.dtype, total_charge)
        return self.backend

    def each_network(self, geometry: Geometry) -> list[tuple[Tensor, Tensor]]:
        """Values (n_centres,) and their gradient (n_pairs, 3) of each network: of a committee, those of its members."""
        with torch.no_grad():
            geometry = self.model.seen(geometry)
            backend = None if self.by_torch else self.backend_on(geometry.pair_vectors.device, 0.0)
            if backend is not None and backend.n_heads:
                return list(zip(*backend.heads_and_gradients(geometry), strict=True))
            return TorchHeads(self.model, geometry, self._totals(geometry), backend).each_network()

    def training_distances(self, geometry: Geometry) -> Tensor:
        """Distance of each centre to the training set (n_centres,), float64. Collective where centres are divided.

        Parameters
        ----------
        geometry : Geometry
            With communication.

        Raises
        ------
        InputError
            If the model knows no distance.
        """
        if self.model.distance is None:
            raise InputError(
                "the model knows no distance to its training set: it is older than that, or has no energy network with "
                "hidden layers; train it again"
            )
        species, seen = self.model.species(geometry.centre_numbers), self.model.seen(geometry)
        with torch.no_grad():
            squares = self.model.distance.own_squares(self.hidden_values(geometry), species)
            return with_neighbours(squares, seen, self.model.cutoff).sqrt()

    def hidden_values(self, geometry: Geometry) -> Tensor:
        """What the last hidden layer of the first network gives for the centres (n_centres, n_hidden), float64."""
        model, network = self.model, self.model.heads.networks[0]
        with torch.no_grad():
            seen = model.seen(geometry)
            features = model.features(seen) if self.by_torch else self._backend(seen).forward(seen)
            inputs = model.network_inputs(features.double(), self._totals(seen).double())
            return network.hidden_values(inputs, model.species(geometry.centre_numbers))

    def _backend(self, geometry: Geometry) -> Backend:
        """The back end for the features of a geometry, whatever the total charge."""
        return self.backend_on(geometry.pair_vectors.device, self._total_charge)

    def _further(self, names: Collection[str], batch: Batch, geometry: Geometry, total: Total) -> dict[str, Tensor]:
        """Quantities besides energies, forces and virials."""
        species, periodic = self.model.species(batch.numbers), batch.periodic.any(1)
        with torch.no_grad():
            given = further_quantities(
                names,
                total,
                self.model.parameter("charge"),
                self.model.seen(geometry),
                batch.positions,
                periodic,
                species,
                lambda: self.heads(self.model.seen(geometry)),
            )
        if "born_charges" in names and total.dipoles is not None:
            given["born_charges"] = born_charges_by_field(batch, lambda moved: self.predict(moved).forces)
        return given

    def _totals(self, geometry: Geometry) -> Tensor:
        """Total charge of the structure of each centre (n_centres,), where networks ask for it."""
        if not self.model.total_charge_input:
            return geometry.pair_vectors.new_zeros(geometry.n_centres)
        communication = geometry.communication
        return communication.to_centres(communication.total_charges)

    def _single_total(self, totals: Tensor) -> float | None:
        """The total charge (n_centres,) of all structures; None where there are several and networks see it."""
        if not self.model.total_charge_input or len(totals) == 0:
            return 0.0
        lowest, highest = totals.aminmax()
        return float(lowest) if lowest == highest else None


def predict(model: HybridModel, batch: Batch) -> Prediction:
    """The same by torch alone, in the precision of the batch: what the kernels are compared with.

    Parameters
    ----------
    model : HybridModel
    batch : Batch
        With all pairs up to the model's cutoff.
    """
    return Evaluator(model, by_torch=True).predict(batch)
