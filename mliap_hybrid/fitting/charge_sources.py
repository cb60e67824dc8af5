"""Charges of the elements that a training file asks for: fixed ones, or those that a fit starts from."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from ase.data import chemical_symbols
from torch import Tensor

from mliap_hybrid.config import TrainingFile
from mliap_hybrid.errors import InputError
from mliap_hybrid.physics.charges import (
    charges_from_table,
    check_total_charge,
    electronegativity_charges,
    formal_charges,
    nearest_neutral,
    reference_charges,
)
from mliap_hybrid.structure import Batch

logger = logging.getLogger(__name__)

LABEL_TOLERANCE = 0.1
"""Largest difference in e between the sum of a frame's charge labels and its total charge: partial charges from
densities on a grid are off by a little."""


def find_charges(
    settings: TrainingFile, training: Sequence[Batch], others: Sequence[Batch], elements: tuple[int, ...]
) -> Tensor | None:
    """Charges of the elements from the source that the training file names.

    Returns
    -------
    Tensor, shape (n_elements,), float64, e, or None
        Where fitted, the start: formal charges, or where there are none, those of electronegativities, moved to
        neutrality; where predicted, the start that is asked for.

    Raises
    ------
    InputError
        If the source has no charge for an element, or they do not sum to the total charge of a frame.
    """
    source = settings.electrostatics.charge_source
    if source.name == "none":
        return None
    if source.name == "zero":
        table = dict.fromkeys(elements, 0.0)
    elif isinstance(source.name, dict):
        table = charges_from_table(source.name, elements)
    elif source.name == "reference":
        table = reference_charges(training)
    else:
        table = _start(training) if source.is_start else formal_charges(training)
    missing = [z for z in elements if z not in table]
    if missing:
        symbols = ", ".join(chemical_symbols[z] for z in missing)
        raise InputError(
            f"electrostatics.{source.setting} {source.name}: no charge for {symbols}; give a table instead"
        )
    charges = torch.tensor([table[z] for z in elements], dtype=torch.float64)  # (n_elements,)
    if source.meets_labels:
        check_charge_labels([*training, *others])
    if source.any_sum:
        return charges
    if source.is_start:
        charges = nearest_neutral(charges, elements, training)
    check_total_charge(dict(zip(elements, charges.tolist(), strict=True)), [*training, *others])
    return charges


def _start(training: Sequence[Batch]) -> dict[int, float]:
    """Charges that a fit starts from: any will do, where there are no formal ones."""
    try:
        return formal_charges(training)
    except InputError as error:
        logger.info("Charges start from electronegativities; %s", error)
        return electronegativity_charges(training)


def check_charge_labels(batches: Sequence[Batch]) -> None:
    """Refuse charge labels that predicted charges cannot have, since theirs sum to the total charge.

    Raises
    ------
    InputError
        Naming the first frame, the sum found and the sum expected.
    """
    for index, batch in enumerate(batches):
        if batch.charges is None:
            continue
        found, expected = float(batch.charges.sum()), float(batch.total_charges[0])
        if abs(found - expected) > LABEL_TOLERANCE:
            raise InputError(
                f"frame {index} of training and validation: the charge labels sum to {found:+.3f} e, but the total "
                f"charge is {expected:+.3f} e; give the total charge under data.keys.total_charge"
            )
