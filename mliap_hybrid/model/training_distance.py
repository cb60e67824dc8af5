"""How far the surroundings of an atom are from those that a model was trained on: one number for each atom.

With the outputs h of the last hidden layer of the (first) energy network, and e the element of atom i,

    u_i^2 = |A_e h_i + b_e|^2                                 own distance: Mahalanobis' to the training atoms of e
    d_i^2 = u_i^2 + s sum_j w(r_ij) u_j^2,   w(r) = (1 - (r / cutoff)^2)^3,   s = NEIGHBOUR_SHARE

A_e^T A_e is the inverse covariance of h, times the squared force error of the element. u is the leverage of the last
layer, a linear fit to h (Bigi, Chong and Ceriotti, Mach. Learn.: Sci. Technol. 5, 045018 (2024)); the force on an atom
holds the slopes of its neighbours' energies, so their distances count for it as well. The root mean square of d over
validation atoms is 1 (fitting/distance_fit.py).
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from mliap_hybrid.structure import Geometry

NEIGHBOUR_SHARE = 0.2
"""s: what a neighbour counts, where it is close."""

LARGE_ERROR = 3.0
"""Force errors above so many times those of validation atoms are large."""

Positive = Annotated[float, Field(gt=0)]


class DistanceDescription(BaseModel):
    """Numbers of a distance to the training set that files hold beside its tensors."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    outside: Positive
    """Distance from which on an atom is outside of what the model knows: runs look for it."""
    caution: Positive
    """Distance that one in twenty validation atoms with small force errors is beyond."""
    force_error: Positive | None
    """Root mean square force error of validation atoms, eV/Å: that of a distance of 1; None without force labels."""
    n_atoms: Annotated[int, Field(ge=1)]
    """Atoms that these numbers come from."""


class TrainingDistance(torch.nn.Module):
    """The distance as a function of hidden values."""

    map: Tensor
    shift: Tensor

    def __init__(self, map_: Tensor, shift: Tensor, description: DistanceDescription):
        """Take what was fitted.

        Parameters
        ----------
        map_ : Tensor, shape (n_elements, n_hidden, n_hidden)
            A.
        shift : Tensor, shape (n_elements, n_hidden)
            b.
        description : DistanceDescription
        """
        super().__init__()
        self.register_buffer("map", map_)
        self.register_buffer("shift", shift)
        self.description = description

    def own_squares(self, hidden: Tensor, species: Tensor) -> Tensor:
        """u^2 (n_centres,), of arguments as those of the function."""
        return own_squares(hidden, species, self.map, self.shift)


def own_squares(hidden: Tensor, species: Tensor, maps: Tensor, shifts: Tensor) -> Tensor:
    """u^2 of atoms.

    Parameters
    ----------
    hidden : Tensor, shape (n_centres, n_hidden)
    species : Tensor, shape (n_centres,), int64
        Index of each centre's element.
    maps, shifts : Tensor, shape (n_elements, n_hidden, n_hidden) and (n_elements, n_hidden)
        A and b.

    Returns
    -------
    Tensor, shape (n_centres,)
    """
    squares = hidden.new_zeros(len(hidden))
    for e, (of_map, shift) in enumerate(zip(maps, shifts, strict=True)):
        rows = (species == e).nonzero().squeeze(1)
        mapped = hidden.index_select(0, rows) @ of_map.T + shift  # (n_of_element, n_hidden)
        squares = squares.index_copy(0, rows, mapped.square().sum(1))
    return squares


def with_neighbours(squares: Tensor, geometry: Geometry, cutoff: float) -> Tensor:
    """d^2 from u^2, each (n_centres,), or (n_centres, k) for k parts of it. Collective where centres are divided.

    Parameters
    ----------
    squares : Tensor, shape (n_centres, ...)
    geometry : Geometry
        With communication.
    cutoff : float, Å
    """
    of_neighbours = geometry.communication.to_neighbours(squares)  # (n_pairs, ...)
    remaining = (1.0 - geometry.pair_vectors.square().sum(1) / cutoff**2).clamp(min=0.0)  # (n_pairs,)
    shares = (NEIGHBOUR_SHARE * remaining**3).view(-1, *[1] * (squares.ndim - 1))
    return squares.index_add(0, geometry.pair_i, (shares * of_neighbours).to(squares.dtype))
