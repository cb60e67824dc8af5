"""Displacements of atoms that make copies of a structure: random, or the ones that hurt most."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor


def random_displacements(n_atoms: int, size: float, random: np.random.Generator) -> Tensor:
    """Each component uniform between -size and size.

    Parameters
    ----------
    n_atoms : int
    size : float, Å
    random : numpy.random.Generator

    Returns
    -------
    Tensor, shape (n_atoms, 3), float64, Å
    """
    return torch.from_numpy(random.uniform(-size, size, size=(n_atoms, 3)))


def displacements_of_length(n_atoms: int, length: float, random: np.random.Generator) -> Tensor:
    """Each atom by the same distance, in the direction of a random point of the cube [-1, 1]^3.

    Parameters
    ----------
    n_atoms : int
    length : float, Å
    random : numpy.random.Generator

    Returns
    -------
    Tensor, shape (n_atoms, 3), float64, Å
    """
    return length * unit_vectors(random_displacements(n_atoms, 1.0, random))


def adversarial_displacements(vectors: Tensor, size: float) -> Tensor:
    """Each atom against its vector, by the largest length that a random displacement has.

    Against the errors of the forces, the error of the energy grows the fastest; against the forces, the energy does.

    Parameters
    ----------
    vectors : Tensor, shape (n_atoms, 3), eV/Å
        Forces, or predicted minus reference forces.
    size : float, Å

    Returns
    -------
    Tensor, shape (n_atoms, 3), Å
        d_i = -sqrt(3) size v_i / |v_i|; zero where the vector is. It carries no gradient.
    """
    return -math.sqrt(3.0) * size * unit_vectors(vectors.detach())


def unit_vectors(vectors: Tensor) -> Tensor:
    """(n, 3): the directions; zero vectors stay zero."""
    lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)  # (n, 1)
    return torch.where(lengths > 0.0, vectors / lengths.clamp(min=torch.finfo(vectors.dtype).tiny), 0.0)


def displaced_atoms(n_atoms: int, fraction: float, random: np.random.Generator) -> Tensor:
    """Which atoms move: each with the same probability.

    Parameters
    ----------
    n_atoms : int
    fraction : float
        The probability.
    random : numpy.random.Generator

    Returns
    -------
    Tensor of bool, shape (n_atoms,)
    """
    return torch.from_numpy(random.uniform(size=n_atoms) < fraction)
