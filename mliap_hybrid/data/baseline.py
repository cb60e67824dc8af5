"""Energy of each element, E0, by least squares on the compositions: what a model adds to is the rest."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from mliap_hybrid.structure import Batch

logger = logging.getLogger(__name__)


def compositions(batches: Sequence[Batch], elements: Sequence[int]) -> Tensor:
    """Number of atoms of each element in each structure.

    Parameters
    ----------
    batches : sequence of Batch
        One structure each.
    elements : sequence of int
        Atomic numbers.

    Returns
    -------
    Tensor, shape (n_structures, n_elements), float64
    """
    known = torch.tensor(list(elements))  # (n_elements,)
    counts = [(batch.numbers[:, None] == known).sum(dim=0) for batch in batches]
    return torch.stack(counts).to(torch.float64)


def fit_baseline(counts: Tensor, energies: Tensor) -> Tensor:
    """Least-squares E0 with sum_e counts_e E0_e closest to the energies.

    Where the compositions leave a direction open (all frames Na32Cl32, say) the solution of smallest norm is taken,
    so that the energy is shared by the elements; totals are unaffected, dissociation to other compositions is.
    The result is linear in `energies`.

    Parameters
    ----------
    counts : Tensor, shape (n_structures, n_elements)
    energies : Tensor, shape (n_structures,), eV

    Returns
    -------
    Tensor, shape (n_elements,), eV
    """
    return torch.linalg.pinv(counts, rtol=1e-10) @ energies


def warn_if_degenerate(counts: Tensor) -> None:
    """Say in the log where the compositions do not determine every E0."""
    n_elements = counts.shape[1]
    rank = int(torch.linalg.matrix_rank(counts, rtol=1e-10))
    if rank < n_elements:
        logger.info(
            "The compositions determine %d of %d element energies; the smallest ones that fit were taken. "
            "Total energies of other compositions are not meaningful.",
            rank,
            n_elements,
        )
