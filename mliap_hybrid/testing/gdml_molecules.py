"""Made-up molecules with an exact potential: training data for kernel models, as many as a test wants."""

from __future__ import annotations

import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import chemical_symbols

from mliap_hybrid.data.labels import Frame
from mliap_hybrid.fitting.gdml.molecules import Molecules

AMMONIA = torch.tensor([[0.0, 0.0, 0.1], [0.94, 0.0, -0.27], [-0.47, 0.81, -0.27], [-0.47, -0.81, -0.27]])
"""N and three H, Å."""

AMMONIA_GROUP = torch.tensor([[0, 1, 2, 3], [0, 1, 3, 2], [0, 2, 1, 3], [0, 2, 3, 1], [0, 3, 1, 2], [0, 3, 2, 1]])
"""All permutations of the three H."""

AT_REST = (1.01, 1.63)
"""Lengths of NH and HH at the minimum, Å."""

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
