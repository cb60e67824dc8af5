"""Stand-ins for the data objects that LAMMPS hands to a unified model, each with the manners of the real one.

`PluginData` is this package's plugin, `UpstreamData` LAMMPS' own ML-IAP package, `KokkosData` its KOKKOS version. All
are filled from a structure as LAMMPS would: atoms of one rank first, then ghosts (images, and atoms of other ranks).
Results are collected as LAMMPS does; `energy` and `eatoms` start as NaN because LAMMPS never clears them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from ase import Atoms

from mliap_hybrid.lammps.exchange_arrays import exchange_rows
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.structure import Batch
from mliap_hybrid.testing.rank_arrays import RankArrays


class _Results(ABC):
    """Accumulators of one rank, and the part of the interface that all three data objects share."""

    def __init__(self, arrays: RankArrays):
        self._arrays = arrays
        self._energy = np.nan
        self._eatoms = np.full(arrays.nlistatoms, np.nan)
        self._forces = np.zeros((len(arrays.owner), 3))
        self._virial = np.zeros((3, 3))
        self.ntotal, self.nlocal, self.nlistatoms = len(arrays.owner), arrays.nlocal, arrays.nlistatoms
        self.natomneigh, self.npairs = len(arrays.iatoms), len(arrays.pair_i)
        self.eflag = self.vflag = 1

    @abstractmethod
    def _array(self, values: np.ndarray, allocated: bool = False) -> Any:
        """How this kind of data object hands out an array; `allocated`: whether it has memory before its first row."""

    elems = property(lambda self: self._array(self._arrays.elems, allocated=True))
    iatoms = property(lambda self: self._array(self._arrays.iatoms))
    pair_i = property(lambda self: self._array(self._arrays.pair_i))
    pair_j = property(lambda self: self._array(self._arrays.pair_j))
    jatoms = pair_j
    rij = property(lambda self: self._array(self._arrays.rij))

    def _set_energy(self, value: float) -> None:
        self._energy = float(value)

    def _add_pair_forces(self, forces: np.ndarray) -> None:
        assert forces.shape == (self.npairs, 3)
        np.add.at(self._forces, self._arrays.pair_i, forces)
        np.add.at(self._forces, self._arrays.pair_j, -forces)
        self._virial -= self._arrays.rij.T @ forces

    def result(self, n_atoms: int) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        """Energy, energies of the listed atoms, forces (n_atoms, 3) with ghosts folded home, virial (3, 3)."""
        forces = np.zeros((n_atoms, 3))
        np.add.at(forces, self._arrays.owner, self._forces)
        return self._energy, self._eatoms, forces, self._virial


def _strict_buffer(array: Any, shape: tuple[int, ...]) -> np.ndarray:
    """What Cython's `double[:, ::1]` takes: a C-contiguous float64 buffer that is not empty."""
    view = memoryview(array)
    if view.format != "d" or not view.c_contiguous or not view.nbytes:
        raise ValueError("Buffer dtype mismatch, not C-contiguous, or empty")
    assert view.shape == shape
    return np.asarray(view)


def _check_rows(allocated: bool) -> None:
    """What Cython does of a pointer to no rows: nothing where it is NULL, else a memory view, which must have rows."""
    if allocated:
        raise ValueError("Invalid shape in axis 0: 0.")


class UpstreamData(_Results):
    """LAMMPS' own: numpy, `energy` and `eatoms` can only be set, nothing about box, charges or ranks.

    `had_rows` says that the rank had atoms and pairs before: LAMMPS allocates with the first row, and what it has
    allocated it does not give back.
    """

    def __init__(self, arrays: RankArrays, had_rows: bool = False):
        super().__init__(arrays)
        self._had_rows = had_rows

    def _array(self, values: np.ndarray, allocated: bool = False) -> np.ndarray | None:
        if not len(values):
            _check_rows(allocated or self._had_rows)
        return values if len(values) else None

    def _set_eatoms(self, value: np.ndarray) -> None:
        if self.nlistatoms == 0:
            _check_rows(self._had_rows)
            raise ValueError("attempt to set NULL eatoms")
        self._eatoms[:] = _strict_buffer(value, (self.nlistatoms,))

    energy = property(fset=_Results._set_energy)
    eatoms = property(fset=_set_eatoms)

    def update_pair_forces(self, fij: Any) -> None:
        """Add fij to the centres and its opposite to the neighbours."""
        self._add_pair_forces(_strict_buffer(fij, (self.npairs, 3)))


class PluginData(UpstreamData):
    """This package's plugin: arrays of length zero instead of None, readable energies, and what upstream lacks.

    A model that predicts charges must own all atoms here, as on a single rank; `smearing` is the width of its charges
    in Å, `total_charge` their sum in e.
    """

    def __init__(
        self,
        arrays: RankArrays,
        atoms: Atoms,
        q: np.ndarray | None = None,
        comm: Any = None,
        smearing: float = 1.0,
        total_charge: float = 0.0,
    ):
        super().__init__(arrays)
        self._smearing = smearing
        self.total_charge = total_charge
        self._coulomb_energies = np.zeros(arrays.nlistatoms)
        self.numneighs = np.bincount(arrays.pair_i, minlength=len(arrays.owner))[arrays.iatoms].astype(np.int32)
        self.ielems = arrays.elems[arrays.iatoms]
        self.x = atoms.positions[arrays.owner]
        self.q = None if q is None else q[arrays.owner]
        self.tag = arrays.owner + 1
        self.cell, self.periodic, self.box_origin = atoms.cell.array, atoms.pbc, np.zeros(3)
        self.unit_style = "metal"
        self.kspace_style: str | None = "pppm"
        self._comm = comm

    def _array(self, values: np.ndarray, allocated: bool = False) -> np.ndarray:
        return values

    @property
    def comm(self) -> Any:
        """Communicator of all ranks; this process alone where none was given."""
        from mpi4py import MPI

        return MPI.COMM_SELF if self._comm is None else self._comm

    energy = property(lambda self: self._energy, _Results._set_energy)
    eatoms = property(lambda self: self._eatoms, UpstreamData._set_eatoms)

    def solve_coulomb(self, charges: np.ndarray) -> np.ndarray:
        """Solve exactly, add energy, forces and virial at fixed charges, return the potentials in eV/e."""
        owned = self._arrays.iatoms
        none = torch.zeros(0, dtype=torch.int64)
        batch = Batch(
            positions=torch.from_numpy(self.x[owned]),
            numbers=torch.ones(len(owned), dtype=torch.int64),
            cells=torch.from_numpy(np.array(self.cell))[None],
            periodic=torch.from_numpy(np.array(self.periodic))[None],
            structure_of_atom=torch.zeros(len(owned), dtype=torch.int64),
            pair_i=none,
            pair_j=none,
            pair_shifts=none.reshape(0, 3),
            total_charges=torch.tensor([self.total_charge]),
        )
        result = gaussian_charge_energy(batch, torch.from_numpy(np.array(charges)), self._smearing)
        potentials = result.potentials.numpy()
        self.add_coulomb(charges, potentials, result.forces.numpy(), result.virials[0].numpy())
        return potentials

    def add_coulomb(self, charges: np.ndarray, potentials: np.ndarray, forces: np.ndarray, virial: np.ndarray) -> None:
        """Add a Coulomb energy that the model has solved for: q_i phi_i / 2 for each atom."""
        self.q = np.zeros(self.ntotal)
        self.q[self._arrays.iatoms] = charges
        self.forward_exchange(self.q, self.q, 1)
        self._coulomb_energies = 0.5 * np.asarray(charges) * np.asarray(potentials)
        self._forces[self._arrays.iatoms] += forces
        self._virial += virial

    def forward_exchange(self, copy_from: Any, copy_to: Any, vec_len: int) -> None:
        """Values of all atoms, (n_total, vec_len), the ghosts' taken from their owners."""
        forward, n_total = self._arrays.forward_exchange, self.ntotal
        exchange_rows("forward_exchange", copy_from, copy_to, vec_len, n_total, forward)

    def reverse_exchange(self, copy_from: Any, copy_to: Any, vec_len: int) -> None:
        """Values of all atoms, (n_total, vec_len), the ghosts' added to those of their owners and set to 0."""
        reverse, n_total = self._arrays.reverse_exchange, self.ntotal
        exchange_rows("reverse_exchange", copy_from, copy_to, vec_len, n_total, reverse)

    def sum_over_ranks(self, values: Any) -> np.ndarray:
        """Sum of an array or number over the ranks of `comm`."""
        return np.asarray(self.comm.allreduce(np.array(values, dtype=float)))

    def result(self, n_atoms: int) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        """As the base class, with the Coulomb energy that LAMMPS adds."""
        energy, energies, forces, virial = super().result(n_atoms)
        return energy + self._coulomb_energies.sum(), energies + self._coulomb_energies, forces, virial


class DeviceArray:
    """An array that can only be had through DLPack: turning it into numpy, a copy to the host, is an error."""

    def __init__(self, tensor: torch.Tensor):
        self._tensor = tensor

    def __dlpack__(self, **options: Any) -> Any:
        return self._tensor.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[Any, int]:
        return self._tensor.__dlpack_device__()

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("implicit conversion of a device array to numpy")


class KokkosData(_Results):
    """The KOKKOS version: arrays on a device, `eatoms` a view without a setter, writers for either side."""

    columns_on_processors = 3
    """Numbers of an atom that its buffers surely hold on processors; more are written past their end."""

    def __init__(self, arrays: RankArrays, device: str = "cpu", had_rows: bool = False):
        super().__init__(arrays)
        self._had_rows = had_rows
        self._device = torch.device(device)
        self.dev = 0 if self._device.type == "cpu" else 1
        self._eatoms_device = torch.full((arrays.nlistatoms,), np.nan, dtype=torch.float64, device=self._device)

    def _array(self, values: np.ndarray, allocated: bool = False) -> DeviceArray | None:
        if not len(values) and self._device.type == "cpu":  # memory of the device may be empty
            _check_rows(allocated or self._had_rows)
            return None
        return DeviceArray(torch.from_numpy(values).to(self._device))

    energy = property(fset=_Results._set_energy)

    @property
    def eatoms(self) -> DeviceArray:
        """View of the energies of the listed atoms."""
        if self.nlistatoms == 0:
            _check_rows(self._had_rows)
            raise ValueError("attempt to set NULL eatoms")
        return DeviceArray(self._eatoms_device)

    def update_pair_forces(self, fij: Any) -> None:
        """Add fij, from the side where the arrays are."""
        if self.dev == 0:
            self.update_pair_forces_cpu(fij)
        else:
            self.update_pair_forces_gpu(fij)

    def update_pair_forces_cpu(self, fij: Any) -> None:
        """Add fij from host memory."""
        self._add_pair_forces(_strict_buffer(fij, (self.npairs, 3)))

    def update_pair_forces_gpu(self, fij: torch.Tensor) -> None:
        """Add fij from device memory."""
        assert fij.is_cuda
        assert fij.is_contiguous()
        assert fij.dtype == torch.float64
        self._add_pair_forces(fij.cpu().numpy())

    def forward_exchange(self, copy_from: Any, copy_to: Any, vec_len: int) -> None:
        """Ghosts get the values of their owners."""
        self._exchange(self._arrays.forward_exchange, copy_from, copy_to, vec_len)

    def reverse_exchange(self, copy_from: Any, copy_to: Any, vec_len: int) -> None:
        """Owners get the sum of their ghosts' values and their own, ghosts 0."""
        self._exchange(self._arrays.reverse_exchange, copy_from, copy_to, vec_len)

    def _exchange(self, exchange: Any, copy_from: Any, copy_to: Any, vec_len: int) -> None:
        """As LAMMPS, which takes the addresses of two tensors and believes their size; no numpy array has those."""
        if copy_from.dtype != copy_to.dtype:
            raise TypeError("Types of copy_from and copy_to mismatch")
        if not hasattr(copy_from, "data_ptr"):
            raise AttributeError("'memoryview' object has no attribute 'ptr'")
        assert copy_from.dtype in (torch.float32, torch.float64)
        for tensor in (copy_from, copy_to):  # what LAMMPS would read or write elsewhere
            assert tensor.is_contiguous()
            assert tensor.device == self._device
            assert tensor.numel() == self.ntotal * vec_len
        if self.dev == 0:
            assert vec_len <= self.columns_on_processors
        rows = copy_from.detach().cpu().numpy().reshape(self.ntotal, vec_len).copy()
        exchange(rows)
        copy_to.copy_(torch.from_numpy(rows).reshape(copy_to.shape))

    def result(self, n_atoms: int) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        """As the base class, with the energies fetched from the device."""
        self._eatoms = self._eatoms_device.cpu().numpy()
        return super().result(n_atoms)
