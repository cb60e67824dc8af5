"""A small unified model whose energy needs other ranks, to test what `Ranks` and the exchanges do.

It is pickled by reference, so this module must be importable where LAMMPS runs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mliap_hybrid.lammps.exchange import as_tensor, write_energies, write_pair_forces
from mliap_hybrid.lammps.host_arrays import listed_atoms
from mliap_hybrid.lammps.ranks import Ranks

Array = NDArray[np.float64]
Operator = Callable[[Tensor], Tensor]


def linked_energies(
    vectors: Tensor, pair_i: Tensor, n_centres: int, cutoff: float, k: int, to_neighbours: Operator, total: Operator
) -> tuple[Tensor, Tensor]:
    """Energies in which every atom knows what its neighbours know of theirs, and one of the whole system.

    With the window w(r) = (1 - r^2 / r_c^2)^3 and k numbers u_i = c sum_j w(r_ij), c_m = 1 / (m + 1), of each atom

        E = sum_i tanh(u_i) . sum_j w(r_ij) cos(u_j) + (c . sum_i u_i)^2 / 1000

    Parameters
    ----------
    vectors : Tensor, shape (n_pairs, 3)
    pair_i : Tensor, shape (n_pairs,), int64
    n_centres : int
    cutoff : float
        r_c.
    k : int
    to_neighbours : callable
        (n_centres, k) -> (n_pairs, k).
    total : callable
        Sum of (k,) over all ranks.

    Returns
    -------
    Tensor, shape (n_centres,)
        The first term, by atoms.
    Tensor, shape ()
        The second.
    """
    window = (1.0 - (vectors**2).sum(1) / cutoff**2) ** 3  # (n_pairs,)
    factors = 1.0 / torch.arange(1, k + 1, dtype=vectors.dtype)  # (k,)
    zeros = vectors.new_zeros((n_centres, k))
    u = zeros.index_add(0, pair_i, window[:, None] * factors)  # (n_centres, k)
    sums = zeros.index_add(0, pair_i, window[:, None] * to_neighbours(u).cos())  # (n_centres, k)
    return (u.tanh() * sums).sum(1), (factors * total(u.sum(0))).sum() ** 2 / 1000.0


class Linked:
    """`linked_energies` on the ranks of LAMMPS; its exchanges of other numbers are written to ``rank<rank>.npz``.

    Parameters
    ----------
    directory : Path
        Where to write.
    element_types : list of str
    cutoff : float
    k : int
        Numbers of each atom.
    """

    ndescriptors = 1
    nparams = 1
    interface: Any = None

    def __init__(self, directory: Path, element_types: list[str], cutoff: float, k: int) -> None:
        self.directory = directory
        self.element_types = element_types
        self.cutoff = cutoff
        self.rcutfac = 0.5 * cutoff
        self.k = k

    def compute_descriptors(self, data: Any) -> None:
        """Nothing: there are none."""

    def compute_gradients(self, data: Any) -> None:
        """Nothing: there are none."""

    def compute_forces(self, data: Any) -> None:
        """A step of the plugin, whose data object knows other ranks."""
        self.step(data, data)

    def step(self, of_lammps: Any, data: Any) -> None:
        """Record, compute, and hand energies and pair forces to LAMMPS' data object; `data` is it or knows more."""
        seen: dict[str, Any] = {"tag": data.tag, "nlocal": data.nlocal}
        for k in (1, 3, 9, 40):
            seen |= {f"{name}_{k}": array for name, array in recorded(data, k).items()}
        np.savez(self.directory / f"rank{data.comm.rank}.npz", **seen)

        n_centres, listed = int(data.nlistatoms), torch.from_numpy(listed_atoms(data)).long()
        centre_of_atom = torch.full((int(data.ntotal),), -1)  # (n_total,)
        centre_of_atom[listed] = torch.arange(n_centres)
        centres = as_tensor(data.pair_i).long() if data.npairs else listed[:0]  # (n_pairs,) local indices
        vectors = as_tensor(data.rij).clone() if data.npairs else torch.zeros((0, 3), dtype=torch.float64)
        vectors.requires_grad_()
        pair_i = centre_of_atom[centres]  # (n_pairs,)
        rows = (pair_i >= 0).nonzero().squeeze(1)  # (n_rows,): pairs of ghosts left out
        ranks = Ranks(data, rows)
        energies, of_system = linked_energies(
            vectors[rows], pair_i[rows], n_centres, self.cutoff, self.k, ranks.to_neighbours, ranks.sum
        )
        share = of_system / data.comm.size
        (gradients,) = torch.autograd.grad(energies.sum() + share, vectors)
        write_energies(of_lammps, energies.detach())
        of_lammps.energy = float((energies.sum() + share).detach())
        write_pair_forces(of_lammps, gradients)


def recorded(data: Any, k: int) -> dict[str, Array]:
    """What both exchanges make of k numbers of each atom, (n_total, k) each."""
    generator = np.random.default_rng([k, data.comm.rank])
    u, v = generator.normal(size=(2, data.ntotal, k))
    forward, reverse = np.full((2, data.ntotal, k), np.nan)
    data.forward_exchange(u, forward, k)
    data.reverse_exchange(v, reverse, k)
    return {"u": u, "v": v, "forward": forward, "reverse": reverse}
