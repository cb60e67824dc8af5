"""What LAMMPS' own ML-IAP does not tell a model, from the instance of LAMMPS that Python holds: no plugin is needed.

ML-IAP tells a model about pairs, not about atom IDs, positions, the box or other ranks: those come from the instance.
Predicted charges also give something back. Energy, forces and virial of the exact Coulomb sum go through a
`fix external`, which adds them to everything else before the integration:

    fix        coulomb all external pf/array 1
    fix_modify coulomb energy yes virial yes
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.data import in_lammps_order

FIX_LINES = "`fix {0} all external pf/array 1` and `fix_modify {0} energy yes virial yes`"


class InstanceData:
    """The data object of LAMMPS' own ML-IAP with IDs of atoms, step and communicator, as `MLIAPData` has them.

    Parameters
    ----------
    data : object
        Of LAMMPS' own ML-IAP, with arrays in the memory of the processor.
    instance : lammps.lammps

    Raises
    ------
    InputError
        If LAMMPS runs on a GPU.
    """

    def __init__(self, data: Any, instance: Any):
        self._data = data
        self._instance = instance
        self.comm = instance.get_mpi_comm()
        if data.rij is not None and not isinstance(data.rij, np.ndarray):
            raise InputError("this model is not supported with KOKKOS yet; expected a run without it")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._data, name)

    @property
    def step(self) -> int:
        """Number of the time step."""
        return int(self._instance.extract_global("ntimestep"))

    @property
    def tag(self) -> NDArray[np.int32]:
        """Atom IDs of this rank's atoms, owned ones first, then ghosts."""
        return self._of_all_atoms("id")

    @property
    def molecule(self) -> NDArray[np.int32] | None:
        """Molecule IDs of the same, None if the atom style has none."""
        return self._of_all_atoms("molecule") if self._instance.extract_setting("molecule_flag") else None

    def _of_all_atoms(self, name: str) -> NDArray[np.int32]:
        values: NDArray[np.int32] = self._instance.numpy.extract_atom(name, nelem=self._data.ntotal)
        return values


class ConnectedData(InstanceData):
    """The data object of LAMMPS' own ML-IAP with what predicted charges need besides: that of `MLIAPData`.

    Parameters
    ----------
    data : object
        Of LAMMPS' own ML-IAP, with arrays in the memory of the processor.
    instance : lammps.lammps
    fix : str
        ID of the `fix external`.
    total_charge : float, e
        NaN if it follows from the atoms.

    Raises
    ------
    InputError
        If the fix is missing, LAMMPS runs on a GPU, or ranks cannot talk to each other.
    """

    def __init__(self, data: Any, instance: Any, fix: str, total_charge: float):
        super().__init__(data, instance)
        self._fix = fix
        self.total_charge = total_charge
        if not instance.has_id("fix", fix):
            raise InputError(f"the model predicts charges and expects {FIX_LINES.format(fix)} in the input")
        if self.comm is None:
            raise InputError("predicted charges expect a LAMMPS with MPI and the package mpi4py")
        low, high, xy, yz, xz, periodic, _ = instance.extract_box()
        lengths = np.subtract(high, low)
        self.cell = np.array([[lengths[0], 0.0, 0.0], [xy, lengths[1], 0.0], [xz, yz, lengths[2]]])
        self.box_origin = np.array(low)
        self.periodic = tuple(bool(flag) for flag in periodic)
        self.unit_style = str(instance.extract_global("units"))

    @property
    def x(self) -> NDArray[np.float64]:
        """Positions of this rank's atoms, owned ones first."""
        positions: NDArray[np.float64] = self._instance.numpy.extract_atom("x")
        return positions

    def sum_over_ranks(self, values: ArrayLike) -> NDArray[np.float64]:
        """Sum of an array over all ranks. Collective."""
        total = np.array(values, dtype=np.float64, order="C")
        self.comm.Allreduce(total.copy(), total)
        return total

    def forward_exchange(self, values: ArrayLike) -> NDArray[np.float64]:
        """Give ghosts the values (ntotal,) of their owners. Collective; every rank gets those of all atoms."""
        exchanged = np.array(values, dtype=np.float64)
        n_owned, n_total = (self._instance.extract_setting(name) for name in ("nlocal", "nall"))
        tags = self._instance.numpy.extract_atom("id", nelem=n_total)
        of_all_tags = np.concatenate(self.comm.allgather(np.array(tags[:n_owned], dtype=np.int64)))
        of_all = np.concatenate(self.comm.allgather(exchanged[:n_owned]))
        order = np.argsort(of_all_tags)
        exchanged[:] = of_all[order[np.searchsorted(of_all_tags, tags, sorter=order)]]
        return exchanged

    def add_coulomb(self, charges: ArrayLike, potentials: ArrayLike, forces: ArrayLike, virial: ArrayLike) -> None:
        """Add a Coulomb energy 1/2 sum_i q_i phi_i, its forces and virial. Collective; as `MLIAPData.add_coulomb`."""
        listed = self._data.iatoms[: self._data.nlistatoms]
        of_fix = self._instance.numpy.fix_external_get_force(self._fix)  # (nlocal, 3)
        if len(of_fix):
            self._instance.numpy.extract_atom("q")[listed] = charges
            of_fix[:] = 0.0
            of_fix[listed] = forces
        share = 0.5 * np.dot(charges, potentials)
        energy, *whole = self.sum_over_ranks([share, *in_lammps_order(np.asarray(virial))])
        self._instance.fix_external_set_energy_global(self._fix, energy)
        self._instance.fix_external_set_virial_global(self._fix, whole)
