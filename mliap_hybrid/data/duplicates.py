"""Structures that occur twice: counted, and taken out of validation and test where training has seen them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from mliap_hybrid.data.splits import SPLITS, Split
from mliap_hybrid.errors import InputError
from mliap_hybrid.structure import Batch

logger = logging.getLogger(__name__)

RESOLUTION = 1e-5
"""Structures are the same where no position and no lattice vector differs by more than about this, Å."""

SAME_ENERGY = 1e-3
"""Energies of the same structure that differ by more contradict each other, eV/atom."""

SAME_FORCE = 1e-2
"""The same for components of forces, eV/Å."""

N_NAMED = 5
"""Frames that a message names."""


def duplicates(batches: Sequence[Batch]) -> list[list[int]]:
    """Groups of equal structures: the same atoms in the same order at the same places, with the same total charge.

    Copies that are turned, shifted or renumbered are not found.

    Parameters
    ----------
    batches : sequence of Batch
        One structure each.

    Returns
    -------
    list of list of int
        Indices of each group of two or more, ascending.
    """
    groups: dict[bytes, list[int]] = {}
    for index, batch in enumerate(batches):
        groups.setdefault(_key(batch), []).append(index)
    return [group for group in groups.values() if len(group) > 1]


def without_leaks(split: Split, batches: Sequence[Batch]) -> Split:
    """The split without validation frames that training has, and without test frames that training or validation has.

    An error of such a frame would look better than the model is. What is left out, and what else occurs twice, is said
    in the log.

    Parameters
    ----------
    split : Split
    batches : sequence of Batch
        All frames, one structure each.

    Returns
    -------
    Split
        Of the same training frames.

    Raises
    ------
    InputError
        If no validation frame is left.
    """
    groups = duplicates(batches)
    if not groups:
        return split
    part_of = {index: part for part in SPLITS for index in getattr(split, part)}
    copies = [group[1:] for group in groups]
    n_copies = sum(map(len, copies))
    logger.warning(
        "Warning: %d of %d frames have the structure of another frame: %s",
        n_copies,
        len(batches),
        _named([f"{batches[group[0]].sources[0]} and {batches[group[1]].sources[0]}" for group in groups]),
    )
    contradicting = [group for group in groups if _contradict([batches[index] for index in group])]
    if contradicting:
        logger.warning(
            "Warning: their energies or forces contradict each other in %d cases, so that one label must be wrong: %s",
            len(contradicting),
            _named([" and ".join(batches[index].sources[0] for index in group) for group in contradicting]),
        )
    dropped = {index for group in groups for index in _leaks(group, part_of)}
    if dropped:
        logger.warning(
            "Warning: %d frames of validation and test are left out, since training or validation has the same "
            "structure: %s",
            len(dropped),
            _named([batches[index].sources[0] for index in sorted(dropped)]),
        )
    kept = {part: [index for index in getattr(split, part) if index not in dropped] for part in SPLITS}
    if not kept["validation"]:
        raise InputError(
            f"each of the {len(split.validation)} validation frames has the structure of a training frame: remove the "
            "copies from the data, or use other frames for validation"
        )
    return Split(**kept)


def _leaks(group: Sequence[int], part_of: dict[int, str]) -> list[int]:
    """Frames of a group that must not be in their part, since an earlier part has the structure."""
    first = min(SPLITS.index(part_of[index]) for index in group)
    return [index for index in group if SPLITS.index(part_of[index]) > first]


def _contradict(batches: Sequence[Batch]) -> bool:
    """Whether labels of the same structure differ by more than rounding."""
    first, *others = batches
    return any(
        _differ(first.energies, other.energies, SAME_ENERGY * first.n_atoms)
        or _differ(first.forces, other.forces, SAME_FORCE)
        for other in others
    )


def _differ(label: Tensor | None, other: Tensor | None, tolerance: float) -> bool:
    return label is not None and other is not None and float((label - other).abs().max()) > tolerance


def _key(batch: Batch) -> bytes:
    digest = hashlib.sha256(batch.numbers.numpy().tobytes())
    digest.update(batch.periodic.numpy().tobytes())
    fields = [] if batch.electric_fields is None else [batch.electric_fields]
    for values in (batch.positions, batch.cells, batch.total_charges, *fields):
        digest.update(np.round(values.numpy() / RESOLUTION).astype(np.int64).tobytes())
    return digest.digest()


def _named(names: Sequence[str]) -> str:
    more = f"; and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
    return "; ".join(names[:N_NAMED]) + more
