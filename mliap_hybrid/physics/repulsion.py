"""Screened nuclear repulsion of Ziegler, Biersack and Littmark (The Stopping and Range of Ions in Solids, 1985)."""

from __future__ import annotations

import torch
from ase.data import covalent_radii
from torch import Tensor

from mliap_hybrid.structure import Geometry
from mliap_hybrid.units import BOHR, COULOMB_CONSTANT

SCREENING_AMPLITUDES = (0.18175, 0.50986, 0.28022, 0.02817)
"""Universal screening function: phi(x) = sum_t amplitude_t exp(-decay_t x), phi(0) = 1 within 1e-5."""

SCREENING_DECAYS = (3.19980, 0.94229, 0.40290, 0.20162)
"""Decay constants of the four terms, in units of the inverse screening length."""


def zbl_energy(distances: Tensor, z_i: Tensor, z_j: Tensor) -> Tensor:
    """Universal ZBL energy of bare pairs, k_e Z_i Z_j / r phi(r / a), a = 0.8854 a_0 / (Z_i^0.23 + Z_j^0.23).

    Parameters
    ----------
    distances : Tensor, shape (n_pairs,), Å
    z_i, z_j : Tensor, shape (n_pairs,)
        Atomic numbers, in the floating type of `distances`.

    Returns
    -------
    Tensor, shape (n_pairs,), eV
    """
    screening_length = 0.8854 * BOHR / (z_i**0.23 + z_j**0.23)  # (n_pairs,) Å
    x = distances / screening_length  # (n_pairs,)
    screening = torch.zeros_like(x)
    for amplitude, decay in zip(SCREENING_AMPLITUDES, SCREENING_DECAYS, strict=True):
        screening = screening + amplitude * torch.exp(-decay * x)
    return COULOMB_CONSTANT * z_i * z_j / distances * screening


def envelope(x: Tensor) -> Tensor:
    """1 at x = 0, 0 from x = 1 on, with two continuous derivatives at 1: 1 - 28 x^6 + 48 x^7 - 21 x^8.

    Source: Gasteiger, Groß, Günnemann, arXiv 2003.03123, eq. 8 with p = 6.
    """
    inside = 1.0 - x**6 * (28.0 - 48.0 * x + 21.0 * x**2)
    return torch.where(x < 1.0, inside, torch.zeros_like(x))


REACH = 0.7
"""Where the repulsion ends, in units of the sum of the covalent radii: below every bond (0.75 Å for C-H, 1.9 Å for
Na-Cl), so that the network need not undo it where it knows better."""


class ZBLRepulsion(torch.nn.Module):
    """ZBL repulsion that fades out below the length of a bond."""

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

    def forward(self, geometry: Geometry) -> Tensor:
        """Repulsion of each centre: half of that of its pairs.

        Parameters
        ----------
        geometry : Geometry

        Returns
        -------
        Tensor, shape (n_centres,), eV
        """
        distances = torch.linalg.vector_norm(geometry.pair_vectors, dim=1)  # (n_pairs,)
        energies = distances.new_zeros(geometry.n_centres)
        return energies.index_add(0, geometry.pair_i, self.pair_energies(geometry, distances))

    def pair_energies(self, geometry: Geometry, distances: Tensor) -> Tensor:
        """Half of each pair's repulsion, as its centre has it.

        Parameters
        ----------
        geometry : Geometry
        distances : Tensor, shape (n_pairs,), Å
            Lengths of the pair vectors.

        Returns
        -------
        Tensor, shape (n_pairs,), eV
        """
        radii = self.radii.to(distances.dtype)
        # index_select, since indexing with brackets takes four times as long.
        centre_radii = radii.index_select(0, geometry.centre_numbers)  # (n_centres,) Å
        sums = centre_radii.index_select(0, geometry.pair_i)  # (n_pairs,) Å
        sums = sums + radii.index_select(0, geometry.neighbour_numbers)
        reach = (REACH * sums).clamp(max=self.cutoff)  # (n_pairs,) Å
        close = (distances.detach() < reach).nonzero().squeeze(1)  # few pairs, none in an ordinary structure
        if len(close) == 0:
            return 0.0 * distances  # still a function of the distances, for autograd
        z_i = geometry.centre_numbers[geometry.pair_i[close]].to(distances.dtype)
        z_j = geometry.neighbour_numbers[close].to(distances.dtype)
        energies = 0.5 * zbl_energy(distances[close], z_i, z_j) * envelope(distances[close] / reach[close])
        return torch.zeros_like(distances).index_add(0, close, energies)
