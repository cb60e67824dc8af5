"""A structure as one rank of LAMMPS sees it: its own atoms first, then ghosts (images, and atoms of other ranks)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from mliap_hybrid.neighbors import neighbor_pairs


@dataclass
class RankArrays:
    """What one rank of LAMMPS knows."""

    nlocal: int
    """Number of owned atoms, which come first."""
    owner: np.ndarray
    """(n_total,) index in the structure of each owned or ghost atom."""
    positions: np.ndarray
    """(n_total, 3) float64, Å."""
    elems: np.ndarray
    """(n_total,) int32: index into the model's elements; -1 for a NULL type."""
    iatoms: np.ndarray
    """(n_list_atoms,) int32: atoms that have pairs listed; owned ones first."""
    nlistatoms: int
    """Number of owned atoms among them."""
    pair_i: np.ndarray
    """(n_pairs,) int32."""
    pair_j: np.ndarray
    """(n_pairs,) int32."""
    rij: np.ndarray
    """(n_pairs, 3) float64, Å: x_j - x_i."""

    def forward_exchange(self, rows: np.ndarray) -> None:
        """Give ghosts the rows (n_total, n_columns) of their owners, in place, on a rank that owns all atoms."""
        rows[:] = rows[self._owned_index()]

    def reverse_exchange(self, rows: np.ndarray) -> None:
        """Add the rows of ghosts to those of their owners and set them to 0, likewise."""
        sums = np.zeros_like(rows)
        np.add.at(sums, self._owned_index(), rows)
        rows[:] = sums

    def _owned_index(self) -> np.ndarray:
        """(n_total,): local index of the owner of each atom or ghost."""
        return np.argsort(self.owner[: self.nlocal])[self.owner]


def rank_arrays(
    atoms: Atoms,
    cutoff: float,
    elements: Sequence[str],
    owned: Sequence[int] | None = None,
    null_elements: Sequence[str] = (),
    ghost_pairs: bool = False,
) -> RankArrays:
    """Lay a structure out as one rank sees it.

    Parameters
    ----------
    atoms : ase.Atoms
    cutoff : float, Å
    elements : sequence of str
        The model's element types.
    owned : sequence of int or None
        Atoms of this rank; None is all.
    null_elements : sequence of str
        Elements mapped to NULL: in nobody's list.
    ghost_pairs : bool
        Whether ghosts that are images of owned atoms list their pairs, too (`unified FILE 1`).
    """
    pair_i, pair_j, shifts = (t.numpy() for t in neighbor_pairs(atoms.positions, atoms.cell.array, atoms.pbc, cutoff))
    vectors = atoms.positions[pair_j] + shifts @ atoms.cell.array - atoms.positions[pair_i]
    owned = list(range(len(atoms))) if owned is None else list(owned)
    index_of: dict[tuple[int, ...], int] = {(i, 0, 0, 0): k for k, i in enumerate(owned)}  # (atom, shift) -> index

    def index(atom: int, shift: np.ndarray) -> int:
        return index_of.setdefault((atom, *map(int, shift)), len(index_of))

    mapped = [symbol not in null_elements for symbol in atoms.symbols]
    keep = np.array([mapped[i] and mapped[j] for i, j in zip(pair_i, pair_j, strict=True)], dtype=bool)
    mine = keep & np.isin(pair_i, owned)
    i_list = [index_of[(i, 0, 0, 0)] for i in pair_i[mine]]
    j_list = [index(j, s) for j, s in zip(pair_j[mine], shifts[mine], strict=True)]
    rij = list(vectors[mine])
    iatoms = [index_of[(i, 0, 0, 0)] for i in owned if mapped[i]]
    n_list_atoms = len(iatoms)
    if ghost_pairs:
        for atom, *shift in [key for key in index_of if any(key[1:])][:5]:
            iatoms.append(index_of[(atom, *shift)])
            for p in np.flatnonzero(keep & (pair_i == atom)):
                i_list.append(index_of[(atom, *shift)])
                j_list.append(index(pair_j[p], shifts[p] + np.array(shift)))
                rij.append(vectors[p])
    owner = np.array([key[0] for key in index_of], dtype=np.int64)
    kinds = [list(elements).index(s) if s not in null_elements else -1 for s in atoms.symbols]
    return RankArrays(
        nlocal=len(owned),
        owner=owner,
        positions=atoms.positions[owner] + np.array([key[1:] for key in index_of]).reshape(-1, 3) @ atoms.cell.array,
        elems=np.array([kinds[i] for i in owner], dtype=np.int32),
        iatoms=np.array(iatoms, dtype=np.int32),
        nlistatoms=n_list_atoms,
        pair_i=np.array(i_list, dtype=np.int32),
        pair_j=np.array(j_list, dtype=np.int32),
        rij=np.array(rij, dtype=np.float64).reshape(-1, 3),
    )
