"""Ionic systems for models whose charges follow the atoms, and their energy computed in Python."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import torch
from lammps_runs import Run

from mliap_hybrid.neighbors import neighbor_pairs
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.structure import Batch
from mliap_hybrid.testing.toy_charges import CoordinationCharges

ELEMENTS = ["Na", "Cl"]
IONS = (ELEMENTS, [0.5, -0.9], [0.02, 0.01])
"""Arguments of `CoordinationCharges`: base charges, and what each neighbour adds, e."""

SMALL = "block 0 2 0 2 0 3"
TILTED = "prism 0 2 0 2 0 3 0.3 -0.2 0.25"

POTENTIAL = "pair_style mliap unified model.pkl 0 trusted yes\npair_coeff * * Na Cl\n"
KSPACE = "kspace_style pppm 1e-6\nkspace_modify gewald 0.62 mesh 36 36 54 order 7\n"
"""A mesh that no change of box or charges changes."""

COARSE = "kspace_style pppm 1e-4\nkspace_modify gewald 0.5 mesh 16 16 24\n"
"""A faster one, for runs that are compared with one another."""

DYNAMICS = "velocity all create 300 12\nfix move all nve\ntimestep 0.0005\nthermo 2\nrun 4\n"


def ions(box: str = SMALL, newton: str = "on", lattice: float = 5.6, style: str = "charge", extra: str = "") -> str:
    """Disordered rock salt, its atoms without charges; `extra` follows the creation of the atoms."""
    return f"""
units metal
newton {newton}
atom_style {style}
lattice custom {lattice} a1 1 0 0 a2 0 1 0 a3 0 0 1 basis 0 0 0 basis 0.5 0.5 0 basis 0.5 0 0.5 basis 0 0.5 0.5 &
  basis 0.5 0 0 basis 0 0.5 0 basis 0 0 0.5 basis 0.5 0.5 0.5
region box {box}
create_box 2 box
create_atoms 1 box basis 5 2 basis 6 2 basis 7 2 basis 8 2
mass 1 22.99
mass 2 35.45
{extra}displace_atoms all random 0.25 0.25 0.25 1234 units box
"""


def save(directory: Path, model: CoordinationCharges) -> None:
    """Pickle a model where a run expects it."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.pkl").write_bytes(pickle.dumps(model))


def final_structure(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions (n, 3), element indices (n,) and cell (3, 3) of the last frame that a run dumped and printed."""
    frame, row = run.frames()[-1], run.thermo[-1]
    positions = np.stack([frame[name] for name in "xyz"], axis=1)
    cell = np.array([[row["Lx"], 0, 0], [row["Xy"], row["Ly"], 0], [row["Xz"], row["Yz"], row["Lz"]]])
    return positions, frame["type"].astype(int) - 1, cell


class PythonEnergy:
    """Energy and charges of a toy model, from its definition and the Ewald sum of this package."""

    def __init__(self, model: CoordinationCharges, total_charge: float | None = None) -> None:
        self.model = model
        self.total_charge = model.total_charge if total_charge is None else total_charge

    def charges(self, positions: np.ndarray, elements: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """(n,) e."""
        i, j, distances = self._pairs(positions, cell)
        window = (1.0 - distances**2 / self.model.cutoff**2) ** 3
        coordination = np.bincount(i, window, minlength=len(elements))
        base, unconstrained = self.model.base[elements], self.model.charges_per_neighbour[elements] * coordination
        if self.model.neutrality == "shift":
            charges = base + unconstrained
            return charges + (self.total_charge - charges.sum()) / len(charges)
        return base + np.bincount(i, window * (unconstrained[j] - unconstrained[i]), minlength=len(elements))

    def energies(self, positions: np.ndarray, elements: np.ndarray, cell: np.ndarray) -> tuple[float, float]:
        """Pair energy and Coulomb energy, eV."""
        _, _, distances = self._pairs(positions, cell)
        window = (1.0 - distances**2 / self.model.cutoff**2) ** 3
        repulsion = 0.5 * self.model.repulsion * (window * np.exp(-distances / self.model.decay)).sum()
        q = torch.from_numpy(self.charges(positions, elements, cell))
        none = torch.zeros(0, dtype=torch.int64)
        batch = Batch(
            positions=torch.from_numpy(positions),
            numbers=torch.ones(len(q), dtype=torch.int64),
            cells=torch.from_numpy(cell)[None],
            periodic=torch.tensor([[True, True, True]]),
            structure_of_atom=torch.zeros(len(q), dtype=torch.int64),
            pair_i=none,
            pair_j=none,
            pair_shifts=none.reshape(0, 3),
            total_charges=q.sum(0, keepdim=True),
        )
        return float(repulsion), float(gaussian_charge_energy(batch, q, self.model.smearing).energies)

    def _pairs(self, positions: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        i, j, shifts = (t.numpy() for t in neighbor_pairs(positions, cell, (True, True, True), self.model.cutoff))
        return i, j, np.linalg.norm(positions[j] + shifts @ cell - positions[i], axis=1)
