"""What a model says of structures besides energies, forces and virials: what somebody asks for, as far as it goes."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from mliap_hybrid.model.born_charges import born_charges
from mliap_hybrid.model.dipoles import dipole_moments
from mliap_hybrid.model.heads import HeadsOfGeometry
from mliap_hybrid.model.parameters import Parameter, PredictedParameter
from mliap_hybrid.model.sum_of_terms import Total
from mliap_hybrid.quantities import QUANTITIES
from mliap_hybrid.structure import Geometry


def further_quantities(
    names: Collection[str],
    total: Total,
    charge: Parameter | None,
    geometry: Geometry,
    positions: Tensor,
    periodic: Tensor,
    species: Tensor,
    heads: Callable[[], HeadsOfGeometry],
) -> dict[str, Tensor]:
    """Quantities of `Prediction.others`.

    Parameters
    ----------
    names : collection of str
        Quantities that are asked for.
    total : Total
        Of the geometry.
    charge : Parameter, optional
        The charges of the model.
    geometry : Geometry
        Of whole structures.
    positions : Tensor, shape (n_atoms, 3), Å
    periodic : Tensor, shape (n_structures,), bool
        Whether a structure is periodic in any direction.
    species : Tensor, shape (n_atoms,), int64
    heads : callable
        Gives the heads of the geometry, where they are needed again.

    Returns
    -------
    dict of str to Tensor
        Those that the model gives; differentiable in its weights where total and heads carry a graph.
    """
    given = {
        name: geometry.communication.sum(
            total.components[name] if name in total.components else torch.zeros_like(total.energies)
        )
        for name, quantity in QUANTITIES.items()
        if quantity.is_component and name in names
    }
    for name, quantity in QUANTITIES.items():
        values = total.parameters.get(quantity.parameter or "")
        if quantity.field is None and name in names and values is not None:
            given[name] = values
    if "polarisability" in names and (polarisabilities := total.polarisabilities()) is not None:
        given["polarisability"] = polarisabilities
    # Born charges of models with dipoles would need how these change with places: see `born_charges_by_field`.
    if "born_charges" in names and isinstance(charge, PredictedParameter) and total.dipoles is None:
        given["born_charges"] = born_charges(charge, geometry, positions, periodic, species, heads())
    if "dipole" in names and "charge" in total.parameters:
        charges, moments = total.parameters["charge"], None
        if charge is not None and periodic.any():  # elsewhere it is the same with and without
            of_head = heads().values[charge.head] if charge.head is not None else None
            moments = charge.moments(geometry, species, of_head)
        given["dipole"] = dipole_moments(charges, moments, positions, geometry.communication)
        if total.dipoles is not None:
            given["dipole"] = given["dipole"] + geometry.communication.sum(total.dipoles)
    return given
