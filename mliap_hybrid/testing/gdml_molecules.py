"""Made-up molecules with an exact potential: training data for kernel models, as many as a test wants."""

from __future__ import annotations

import numpy as np
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import chemical_symbols

from mliap_hybrid.data.frames import Frame
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.term_section import MadeTerm
from mliap_hybrid.model.terms.electrostatics import Electrostatics
from mliap_hybrid.model.terms.repulsion import ZBLRepulsion
from mliap_hybrid.model.terms.standard import element_parameter
from mliap_hybrid.sgdml.closed_form import model_of_molecules
from mliap_hybrid.sgdml.molecules import Molecules
from mliap_hybrid.sgdml.trainer import train_gdml

AMMONIA = torch.tensor([[0.0, 0.0, 0.1], [0.94, 0.0, -0.27], [-0.47, 0.81, -0.27], [-0.47, -0.81, -0.27]])
"""N and three H, Å."""

AMMONIA_GROUP = torch.tensor([[0, 1, 2, 3], [0, 1, 3, 2], [0, 2, 1, 3], [0, 2, 3, 1], [0, 3, 1, 2], [0, 3, 2, 1]])
"""All permutations of the three H."""

AT_REST = (1.01, 1.63)
"""Lengths of NH and HH at the minimum, Å."""

SIGMA = 3.0
"""A good length scale for it, 1/Å."""

DEPTH, STEEPNESS, OFFSET = 4.0, 1.6, -1500.0
"""Of the Morse potentials of pairs, eV and 1/Å, and an energy that says nothing, eV."""


def ammonia(n_frames: int, spread: float = 0.08, seed: int = 0, permuted: bool = False) -> Molecules:
    """Distorted, turned NH3 molecules, all pairs of whose atoms are bound by Morse potentials.

    Parameters
    ----------
    n_frames : int
    spread : float, Å
        Of the normally distributed displacements.
    seed : int
    permuted : bool
        Whether the hydrogens change places from frame to frame.
    """
    random = torch.Generator().manual_seed(seed)
    positions = AMMONIA.double() + spread * torch.randn(n_frames, 4, 3, generator=random, dtype=torch.float64)
    if permuted:
        order = AMMONIA_GROUP[torch.randint(6, (n_frames,), generator=random)]  # (n_frames, 4)
        positions = positions.gather(1, order[:, :, None].expand(-1, -1, 3))
    axes, _ = torch.linalg.qr(torch.randn(n_frames, 3, 3, generator=random, dtype=torch.float64))
    positions = (positions @ axes).requires_grad_()  # (n_frames, 4, 3)
    energies = morse_energies(positions)
    (gradients,) = torch.autograd.grad(energies.sum(), positions)
    return Molecules(torch.tensor([7, 1, 1, 1]), positions.detach(), energies.detach(), -gradients)


def morse_energies(positions: torch.Tensor) -> torch.Tensor:
    """(n_frames,) eV of NH3 at positions (n_frames, 4, 3)."""
    i, j = torch.tril_indices(4, 4, offset=-1)
    lengths = (positions[:, i] - positions[:, j]).norm(dim=2)  # (n_frames, 6)
    at_rest = torch.where(j == 0, *AT_REST)  # (6,)
    return OFFSET + DEPTH * (1.0 - torch.exp(-STEEPNESS * (lengths - at_rest))).square().sum(1)


def as_frames(molecules: Molecules) -> list[Frame]:
    """The same as labelled ASE structures."""
    frames = []
    for index in range(molecules.n_frames):
        symbols = [chemical_symbols[number] for number in molecules.numbers.tolist()]
        atoms = Atoms(symbols, molecules.positions[index].numpy())
        forces = molecules.forces[index].numpy()
        atoms.calc = SinglePointCalculator(atoms, energy=float(molecules.energies[index]), forces=forces)
        frames.append(Frame(atoms, f"ammonia.extxyz, frame {index}"))
    return frames


def molecule_model(charges: dict[int, float] | None = None, cutoff: float = 5.0) -> HybridModel:
    """A model of ammonia: a kernel model of 40 geometries, repulsion, and charges if asked for.

    Parameters
    ----------
    charges : dict of int to float, e, optional
        Atomic number -> charge.
    cutoff : float, Å
    """
    gdml = train_gdml(ammonia(40), SIGMA, AMMONIA_GROUP).model
    explicit = [MadeTerm(ZBLRepulsion(cutoff))]
    if charges is not None:
        of_elements = element_parameter("charge", "e", charges, (1, 7))
        explicit.append(MadeTerm(Electrostatics(0.9), (of_elements,)))
    return model_of_molecules(gdml, cutoff, baseline={1: -3.0, 7: -50.0}, explicit=explicit)


def shuffled(atoms: Atoms, n_atoms: int, seed: int = 0) -> tuple[Atoms, np.ndarray]:
    """Molecules of `n_atoms` atoms each whose atoms of one element were exchanged at random; and the order that did it.

    Parameters
    ----------
    atoms : ase.Atoms
    n_atoms : int
    seed : int
    """
    random, order = np.random.default_rng(seed), np.arange(len(atoms))
    for start in range(0, len(atoms), n_atoms):
        numbers = atoms.numbers[start : start + n_atoms]
        for number in np.unique(numbers):
            places = start + np.flatnonzero(numbers == number)
            order[places] = random.permutation(places)
    return atoms[order], order


def box_of_ammonia(n_molecules: int, edge: float = 13.0, seed: int = 0) -> Atoms:
    """Distorted molecules at the places of a cubic lattice in a skewed periodic box, wrapped into it.

    Parameters
    ----------
    n_molecules : int
        At most 27.
    edge : float, Å
    seed : int
    """
    molecules = ammonia(n_molecules, seed=seed).positions.numpy()  # (n_molecules, 4, 3)
    places = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3)[:n_molecules] * edge / 3
    positions = (molecules + places[:, None]).reshape(-1, 3)
    cell = edge * np.array([[1.0, 0.0, 0.0], [0.1, 1.0, 0.0], [-0.05, 0.15, 1.0]])
    atoms = Atoms([7, 1, 1, 1] * n_molecules, positions, cell=cell, pbc=True)
    atoms.wrap()
    return atoms
