"""Small unified models with a known answer, to test the LAMMPS side without a trained potential.

They are pickled by reference, so this module must be importable where LAMMPS runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mliap_hybrid.errors import InputError


class LennardJones:
    """Cut and not shifted, like ``pair_style lj/cut``: 4 epsilon ((sigma/r)^12 - (sigma/r)^6), same for all elements.

    Parameters
    ----------
    element_types : list of str
        Elements the model answers to.
    epsilon, sigma, cutoff : float
        In the units of the run.
    """

    def __init__(self, element_types: list[str], epsilon: float, sigma: float, cutoff: float) -> None:
        self.element_types = element_types
        self.epsilon = epsilon
        self.sigma = sigma
        self.rcutfac = 0.5 * cutoff
        self.ndescriptors = 1
        self.nparams = 1
        self.interface: Any = None

    def compute_descriptors(self, data: Any) -> None:
        """Nothing: there are none."""

    def compute_gradients(self, data: Any) -> None:
        """Nothing: there are none."""

    def compute_forces(self, data: Any) -> None:
        """Hand energies and forces of all pairs to LAMMPS; pairs of ghost centres belong to other ranks."""
        energies, forces = self.pair_terms(data.rij)
        forces[data.pair_i >= data.nlocal] = 0.0
        data.update_pair_energy(energies)
        data.update_pair_forces(forces)

    def pair_terms(self, rij: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Energy of each pair, and the derivative of the total energy with respect to each vector.

        Parameters
        ----------
        rij : array, shape (n_pairs, 3)
            x_j - x_i.

        Returns
        -------
        energies : array, shape (n_pairs,)
        forces : array, shape (n_pairs, 3)
            Half of the pair energy's derivative, as the list holds every pair twice.
        """
        r2 = np.einsum("pc,pc->p", rij, rij)  # (n_pairs,)
        attraction = (self.sigma**2 / r2) ** 3
        energies = 4.0 * self.epsilon * attraction * (attraction - 1.0)
        slope_over_r = -24.0 * self.epsilon * attraction * (2.0 * attraction - 1.0) / r2
        return energies, 0.5 * slope_over_r[:, None] * rij


class Recorder(LennardJones):
    """Writes what LAMMPS hands over into ``step<step>.rank<rank>.npz``, then answers as Lennard-Jones.

    Parameters
    ----------
    directory : Path
        Where to write.
    """

    def __init__(self, directory: Path, *lennard_jones: Any) -> None:
        super().__init__(*lennard_jones)
        self.directory = directory

    def compute_forces(self, data: Any) -> None:
        """Write, then compute."""
        arrays = "elems iatoms ielems numneighs pair_i pair_j jatoms jelems jtags rij x tag type cell box_origin"
        numbers = "nlocal ntotal nlistatoms natomneigh npairs nelements ndescriptors nparams size_gradforce step"
        content: dict[str, Any] = {
            name: np.copy(getattr(data, name)) for name in (*arrays.split(), *numbers.split(), "periodic")
        }
        content["q"] = np.array([]) if data.q is None else data.q.copy()
        content["words"] = np.array([str(data.unit_style), str(data.kspace_style), str(data.g_ewald)])
        content["all_atoms"] = np.array(data.comm.allreduce(data.nlocal))
        np.savez(self.directory / f"step{data.step}.rank{data.comm.rank}.npz", **content)
        super().compute_forces(data)


class OffsetLennardJones(LennardJones):
    """A model whose atoms have an energy also without neighbours.

    Parameters
    ----------
    offset : float
        That energy.
    *arguments
        Those of `LennardJones`.
    """

    def __init__(self, offset: float, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.offset = offset

    def compute_forces(self, data: Any) -> None:
        """As in `LennardJones`, and the offset for each listed atom."""
        super().compute_forces(data)
        data.eatoms += self.offset
        data.energy += self.offset * data.nlistatoms


class DirectWriter(LennardJones):
    """Writes ``f``, ``eatoms`` and ``energy`` itself instead of handing over pairs (needs newton on)."""

    def compute_forces(self, data: Any) -> None:
        """Add to the views of LAMMPS' arrays."""
        energies, forces = self.pair_terms(data.rij)
        np.add.at(data.f, data.pair_i, forces)
        np.subtract.at(data.f, data.pair_j, forces)
        per_atom = np.zeros(data.nlistatoms)  # (n_list_atoms,)
        np.add.at(per_atom, np.repeat(np.arange(data.nlistatoms), data.numneighs), 0.5 * energies)
        data.eatoms = per_atom
        data.energy = data.eatoms.sum()


class Failing(LennardJones):
    """Fails at one step, on one rank or on all; all ranks meet in a collective call of every step.

    Parameters
    ----------
    step : int
        When.
    rank : int or None
        Where; None for all ranks.
    by_user : bool
        Whether as a mistake that the user can mend, or as a fault of the program.
    """

    def __init__(self, step: int, rank: int | None, by_user: bool, *lennard_jones: Any) -> None:
        super().__init__(*lennard_jones)
        self.step = step
        self.rank = rank
        self.by_user = by_user

    def compute_forces(self, data: Any) -> None:
        """Fail, or compute."""
        if data.step == self.step and self.rank in (None, data.comm.rank):
            if self.by_user:
                raise InputError("the toy model was told to refuse this step")
            raise ZeroDivisionError("the toy model was told to break")
        data.comm.barrier()
        super().compute_forces(data)


class Unopenable:
    """Refuses to be unpickled on one rank only."""

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Fail on that rank, be an ordinary model on others."""
        from mpi4py import MPI

        if state["rank"] == MPI.COMM_WORLD.rank:
            raise ZeroDivisionError("the toy model cannot be opened here")
        self.__dict__.update(state, element_types=["Ar"], rcutfac=1.0, ndescriptors=1, nparams=1)
