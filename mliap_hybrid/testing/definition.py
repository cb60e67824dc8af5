"""A model's energy by its definition, differentiated automatically: the judge of `sum_of_terms` and of all pullbacks.

Nothing is taken from there: parameters are written down once more, and derivatives go through them, the features and
the terms to positions and strain. The long-range sum alone brings its own (physics/ewald.py).
"""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.model.direct_forces import DirectNetwork
from mliap_hybrid.model.heads import Head
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.neutrality import Increments, Shift
from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.parameters import PredictedParameter
from mliap_hybrid.model.terms.electrostatics import Electrostatics
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.structure import Batch, Geometry


def predict_by_definition(model: HybridModel, batch: Batch) -> Prediction:
    """Energies, forces and virials of structures, by automatic differentiation.

    Parameters
    ----------
    model : HybridModel
        Without molecules, whose energy has no graph.
    batch : Batch
        With all pairs up to the model's cutoff.
    """
    with torch.enable_grad():
        positions = batch.positions.detach().clone().requires_grad_()  # (n_atoms, 3)
        strain = torch.zeros_like(batch.cells).requires_grad_()  # (n_structures, 3, 3)
        vectors = batch.pair_vectors(positions)  # (n_pairs, 3)
        of_pairs = strain[batch.structure_of_atom[batch.pair_i]]  # (n_pairs, 3, 3)
        geometry = batch.geometry(vectors + torch.einsum("pab,pb->pa", of_pairs, vectors))
        values = _values(model, batch, geometry)
        local = [term.energy(geometry, values) for term in model.all_terms if term.cost != "solve"]
        energies = sum(local[1:], local[0])  # (n_atoms,)
        outputs, weights = [energies], [torch.ones_like(energies)]
        long_range, electrostatics = None, model.term(Electrostatics)
        if electrostatics is not None:
            charges = values["charge"]
            long_range = gaussian_charge_energy(batch, charges.detach(), electrostatics.smearing)
            outputs, weights = [*outputs, charges], [*weights, long_range.potentials]
        graphs = [(output, weight) for output, weight in zip(outputs, weights, strict=True) if output.requires_grad]
        gradient, of_strain = torch.autograd.grad(
            [output for output, _ in graphs],
            [positions, strain],
            [weight for _, weight in graphs],
            allow_unused=True,
            materialize_grads=True,
        )
    sums = batch.sum_over_structures(energies.detach())  # (n_structures,)
    if long_range is None:
        return Prediction(sums, -gradient, -of_strain)
    return Prediction(
        energies=sums + long_range.energies,
        forces=long_range.forces - gradient,
        virials=long_range.virials - of_strain,
        charges=values["charge"].detach(),
        potentials=long_range.potentials,
    )


def _values(model: HybridModel, batch: Batch, geometry: Geometry) -> ParameterValues:
    """Parameter -> values (n_atoms,), with a graph to the pair vectors."""
    species, totals = model.species(batch.numbers), batch.total_charges[batch.structure_of_atom]
    of_heads = {}
    if len(model.heads):
        inputs = model.network_inputs(model.features(geometry), totals)  # (n_atoms, n_inputs)
        of_heads = {head.name: _of_head(head, inputs, species) for head in model.heads}
    values = {}
    for parameter in model.all_parameters:
        if isinstance(parameter, PredictedParameter):
            start = parameter.start[species]  # (n_atoms,)
            free = parameter.bound.values(start, of_heads[parameter.name])  # (n_atoms,)
            values[parameter.name] = _constrained(parameter, start, free, batch, geometry.pair_vectors)
        elif parameter.source == "predicted":
            values[parameter.name] = of_heads[parameter.name]
        else:
            values[parameter.name] = parameter.values[species]  # type: ignore[index]
    return ParameterValues(geometry, values)


def _of_head(head: Head, inputs: Tensor, species: Tensor) -> Tensor:
    """Values (n_atoms,) of a head. Of direct forces, their gradient is what the force network says."""
    values = []
    for network in head.networks:
        of_network = network(inputs, species)
        if isinstance(network, DirectNetwork):
            feature_gradients = network.force_network(inputs, species).detach()  # (n_atoms, n_inputs)
            of_network = of_network.detach() + (feature_gradients * (inputs - inputs.detach())).sum(1)
        values.append(of_network)
    return torch.stack(values).mean(0)


def _constrained(
    parameter: PredictedParameter, start: Tensor, free: Tensor, batch: Batch, pair_vectors: Tensor
) -> Tensor:
    """Values (n_atoms,) whose sum over a structure is what it has to be."""
    if isinstance(parameter.neutrality, Shift):
        missing = batch.total_charges - batch.sum_over_structures(free)  # (n_structures,)
        return free + (missing / batch.atoms_per_structure())[batch.structure_of_atom]
    if isinstance(parameter.neutrality, Increments):
        change = free - start  # (n_atoms,)
        window = (1.0 - (pair_vectors.norm(dim=1) / parameter.neutrality.cutoff).square()).clamp(min=0.0) ** 3
        return start.index_add(0, batch.pair_i, window * (change[batch.pair_j] - change[batch.pair_i]))
    return free
