"""What LAMMPS' own ML-IAP does not tell a model, from the instance of LAMMPS that Python holds: no plugin is needed.

ML-IAP tells a model about pairs, not about atom IDs, charges, the box, units or other ranks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.exchange_arrays import exchange_rows
from mliap_hybrid.lammps.exchange_by_tags import forward_by_tags, reverse_by_tags
from mliap_hybrid.lammps.process import ranks_on_machine


class InstanceData:
    """The data object of LAMMPS' own ML-IAP with what an instance knows besides, under the names of `MLIAPData`.

    Parameters
    ----------
    data : object
        Of LAMMPS' own ML-IAP, plain or KOKKOS.
    instance : lammps.lammps
    """

    def __init__(self, data: Any, instance: Any):
        self._data = data
        self._instance = instance
        low, high, xy, yz, xz, periodic, _ = instance.extract_box()
        lengths = np.subtract(high, low)
        self.cell = np.array([[lengths[0], 0.0, 0.0], [xy, lengths[1], 0.0], [xz, yz, lengths[2]]])
        self.box_origin = np.array(low)
        self.periodic = tuple(bool(flag) for flag in periodic)

    check_run = True
    """Whether atoms, charges or settings can have changed since the last step: the instance does not say."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._data, name)

    @property
    def step(self) -> int:
        """Number of the time step."""
        return int(self._instance.extract_global("ntimestep"))

    @property
    def unit_style(self) -> str:
        """LAMMPS' `units` style, such as 'metal' or 'real'."""
        return str(self._instance.extract_global("units"))

    @property
    def kspace_style(self) -> str | None:
        """LAMMPS' `kspace_style`, None if none is defined."""
        style = str(self._instance.extract_global("kspace_style"))
        return None if style == "none" else style

    @property
    def dielectric(self) -> float:
        """What LAMMPS divides Coulomb energies by."""
        return float(self._instance.extract_global("dielectric"))

    @property
    def comm(self) -> Any:
        """Communicator of all ranks of this LAMMPS, None if it was built without MPI."""
        return self._instance.get_mpi_comm()

    @property
    def ranks_on_machine(self) -> int:
        """Number of ranks that share the machine with this one, itself among them. Collective."""
        return 1 if self.comm is None else ranks_on_machine(self.comm)

    @property
    def tag(self) -> NDArray[np.int32]:
        """Atom IDs of this rank's atoms, owned ones first, then ghosts."""
        return self._of_all_atoms("id")

    @property
    def molecule(self) -> NDArray[np.int32] | None:
        """Molecule IDs of the same, None if the atom style has none."""
        return self._of_all_atoms("molecule") if self._instance.extract_setting("molecule_flag") else None

    @property
    def x(self) -> NDArray[np.float64]:
        """Positions of the same, shape (ntotal, 3); not known on a GPU."""
        if runs_on_gpu(self._instance):
            raise AttributeError("x")
        return self._of_all_atoms("x")

    @property
    def q(self) -> NDArray[np.float64] | None:
        """Charges of the same, None if the atom style has none; not known on a GPU."""
        if runs_on_gpu(self._instance):
            raise AttributeError("q")
        return self._of_all_atoms("q") if self._instance.extract_setting("q_flag") else None

    def sum_over_ranks(self, values: Any) -> NDArray[np.float64]:
        """Sum of an array over all ranks. Collective."""
        total = np.array(values, dtype=np.float64, order="C")
        self.comm.Allreduce(total.copy(), total)
        return total

    def forward_exchange(self, copy_from: Any, copy_to: Any, vec_len: int) -> None:
        """Give ghosts the values of their owners. Collective; as `MLIAPData.forward_exchange`."""
        self._exchange("forward_exchange", forward_by_tags, copy_from, copy_to, vec_len)

    def reverse_exchange(self, copy_from: Any, copy_to: Any, vec_len: int) -> None:
        """Add the values of ghosts to those of their owners. Collective; as `MLIAPData.reverse_exchange`."""
        self._exchange("reverse_exchange", reverse_by_tags, copy_from, copy_to, vec_len)

    def _exchange(self, name: str, by_tags: Any, copy_from: Any, copy_to: Any, vec_len: int) -> None:
        """By LAMMPS where its arrays are on a GPU, else by atom IDs, which any LAMMPS has."""
        if runs_on_gpu(self._instance) and hasattr(self._data, name):
            getattr(self._data, name)(copy_from, copy_to, vec_len)
            return
        n_owned, tags, comm = int(self._data.nlocal), self.tag, self.comm

        def exchange(rows: NDArray[np.float64]) -> None:
            by_tags(comm, tags, n_owned, rows)

        exchange_rows(name, copy_from, copy_to, vec_len, int(self._data.ntotal), exchange)

    def _of_all_atoms(self, name: str) -> NDArray[Any]:
        if runs_on_gpu(self._instance):
            raise InputError("this model is not supported on GPUs yet; expected a run on processors")
        values: NDArray[Any] = self._instance.numpy.extract_atom(name, nelem=self._data.ntotal)
        return values


def runs_on_gpu(instance: Any) -> bool:
    """Whether LAMMPS keeps its atoms on a GPU, where Python sees old copies of what an instance gives."""
    return int(instance.extract_setting("kokkos_ngpus")) > 0
