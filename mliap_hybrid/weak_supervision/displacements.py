"""Displacements of atoms that make copies of a structure: random, or the ones that hurt most."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

SOFTEST = 1.0
"""Stiffness in eV/Å^2 below which no vibration is moved; bending C-C-H has some 5, turning about a bond less than 1."""


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


def thermal_displacements(hessian: Tensor, size: float, random: np.random.Generator) -> Tensor:
    """As heat moves atoms: far where they are held softly, so that each vibration has its part of the energy.

    Parameters
    ----------
    hessian : Tensor, shape (3 n_atoms, 3 n_atoms), eV/Å^2
        Motions that are softer than SOFTEST are left out: rigid ones, and those that the model does not know.
    size : float, Å
        The root mean square over components is that of random displacements, size / sqrt(3).
    random : numpy.random.Generator

    Returns
    -------
    Tensor, shape (n_atoms, 3), float64, Å
    """
    stiffness, modes = torch.linalg.eigh(hessian)  # (3 n_atoms,), (3 n_atoms, 3 n_atoms)
    amplitudes = torch.from_numpy(random.normal(size=len(stiffness)))  # (3 n_atoms,)
    amplitudes = torch.where(stiffness > SOFTEST, amplitudes / stiffness.clamp(min=SOFTEST).sqrt(), 0.0)
    displacements = (modes @ amplitudes).reshape(-1, 3)  # (n_atoms, 3)
    length = torch.linalg.vector_norm(displacements).clamp(min=torch.finfo(displacements.dtype).tiny)
    return size * math.sqrt(len(displacements)) * displacements / length


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
