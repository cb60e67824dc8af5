"""What an energy needs of other ranks, as differentiable functions of tensors: values of neighbours, and sums.

    to_neighbours   y_p = v_j(p)         adjoint: dE/dv_j = sum of dE/dy_p over the pairs p of all ranks with that j
    sum             y = sum_ranks x      adjoint: dE/dx = sum_ranks dE/dy

E is the sum of the scalars that the ranks differentiate. Both functions and their gradients are collective: all ranks
make the same calls, also those without atoms, and differentiate what came of them, or some wait for ever.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.data import MLIAPData
from mliap_hybrid.lammps.exchange import as_tensor, synchronise
from mliap_hybrid.lammps.instance_data import InstanceData

COLUMNS_OF_A_MESSAGE = 3
"""What the buffers of LAMMPS' KOKKOS version hold on processors: there it does not enlarge them for more."""


class Ranks:
    """The ranks of LAMMPS, for one step.

    Parameters
    ----------
    data : object
        The data object of LAMMPS: the plugin's, KOKKOS', or that of LAMMPS' own ML-IAP with an instance
        (`InstanceData`). It is valid during one call of a model, and so are gradients.
    rows : Tensor, shape (n_rows,), int64, or None
        Which of LAMMPS' pairs the energy has; None is all.
    """

    def __init__(self, data: Any, rows: Tensor | None = None):
        self._data = data
        self._rows = rows

    def to_neighbours(self, values: Tensor) -> Tensor:
        """Values of the neighbour of each pair. Collective, and differentiable once.

        Parameters
        ----------
        values : Tensor, shape (n_centres, k), float64
            Of the listed atoms of this rank, on the device of LAMMPS' arrays.

        Returns
        -------
        Tensor, shape (n_pairs, k)
            0 for neighbours that no rank has in its list.

        Raises
        ------
        InputError
            If LAMMPS does not offer the exchange.
        """
        of_atoms = values.new_zeros((int(self._data.ntotal), values.shape[1]))  # (n_total, k)
        of_atoms = of_atoms.index_add(0, self._listed.to(values.device), values)
        return _ToGhosts.apply(of_atoms, self._data).index_select(0, self._neighbours.to(values.device))

    def sum(self, values: Tensor) -> Tensor:
        """Sum over all ranks. Collective, and differentiable once.

        Parameters
        ----------
        values : Tensor, shape (k,), float64

        Returns
        -------
        Tensor, shape (k,)
            The same on all ranks.

        Raises
        ------
        InputError
            If the ranks cannot talk.
        """
        return _Sum.apply(values, self._data)

    # The gradient of an index_select by LAMMPS' int32 would take ten times as long as by int64.

    @cached_property
    def _listed(self) -> Tensor:
        """(n_centres,) int64: local index of each centre."""
        n_centres = int(self._data.nlistatoms)
        return as_tensor(self._data.iatoms)[:n_centres].long() if n_centres else torch.zeros(0, dtype=torch.int64)

    @cached_property
    def _neighbours(self) -> Tensor:
        """(n_pairs,) int64: local index of the neighbour of each pair."""
        n_pairs = int(self._data.npairs)
        neighbours = as_tensor(self._data.pair_j).long() if n_pairs else torch.zeros(0, dtype=torch.int64)
        return neighbours if self._rows is None else neighbours[self._rows]


class _ToGhosts(torch.autograd.Function):
    """Values of atoms and ghosts (n_total, k) -> the same with the ghosts' taken from their owners."""

    @staticmethod
    def forward(context: Any, values: Tensor, data: Any) -> Tensor:
        context.data = data
        return _exchanged("forward_exchange", data, values)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradients: Tensor) -> tuple[Tensor, None]:
        return _exchanged("reverse_exchange", context.data, gradients), None


class _Sum(torch.autograd.Function):
    """Values (k,) -> their sum over the ranks."""

    @staticmethod
    def forward(context: Any, values: Tensor, data: Any) -> Tensor:
        context.data = data
        return _summed(data, values)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradients: Tensor) -> tuple[Tensor, None]:
        return _summed(context.data, gradients), None


def _exchanged(name: str, data: Any, values: Tensor) -> Tensor:
    """What an exchange makes of values (n_total, k)."""
    exchange = getattr(data, name, None)
    if exchange is None:
        raise InputError(
            "a model of this kind needs values of atoms of other ranks, which this LAMMPS does not exchange; expected "
            "the plugin of mliap_hybrid, or the lines of `mliap-hybrid lammps-input --connect`"
        )
    n_columns = values.shape[1]
    enough = isinstance(data, MLIAPData | InstanceData) or values.is_cuda
    messages = values.split(n_columns if enough else COLUMNS_OF_A_MESSAGE, dim=1) if n_columns else ()
    results = [torch.empty(message.shape, dtype=message.dtype, device=message.device) for message in messages]
    synchronise(values.device)
    for message, result in zip(messages, results, strict=True):
        exchange(message.contiguous(), result, message.shape[1])
    synchronise(values.device)
    return torch.cat(results, dim=1) if results else values.clone()


def _summed(data: Any, values: Tensor) -> Tensor:
    """Sum of values of any shape over the ranks."""
    if getattr(data, "sum_over_ranks", None) is None:
        raise InputError(
            "a model of this kind needs sums over all ranks, which this LAMMPS does not offer; expected the plugin of "
            "mliap_hybrid, or the lines of `mliap-hybrid lammps-input --connect`"
        )
    return torch.from_numpy(data.sum_over_ranks(values.detach().cpu().numpy())).to(values)
