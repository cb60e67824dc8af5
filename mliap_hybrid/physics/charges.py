"""Where fixed charges come from: oxidation states, reference charges, or a table. One charge for each element."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence

import torch
from ase.data import atomic_numbers, chemical_symbols
from pymatgen.core import Composition, Element
from torch import Tensor

from mliap_hybrid.errors import InputError, did_you_mean
from mliap_hybrid.structure import Batch

NEUTRALITY_TOLERANCE = 1e-3
"""Largest difference in e between the sum of the charges and a structure's total charge."""


CHARGE_OF_ELECTRONEGATIVITY = 0.5
"""e per unit of Pauling's scale: about what fits of NaCl and of water end at."""


def charges_from_table(table: Mapping[str, float], elements: Sequence[int]) -> dict[int, float]:
    """Charges given by the user, by symbol.

    Parameters
    ----------
    table : mapping of str to float, e
    elements : sequence of int
        Atomic numbers that need a charge.

    Returns
    -------
    dict of int to float
        Atomic number -> charge.

    Raises
    ------
    InputError
        If a symbol is not an element or an element has no charge.
    """
    for symbol in table:
        if symbol not in atomic_numbers:
            raise InputError(f"charges: '{symbol}' is not an element: {did_you_mean(symbol, chemical_symbols[1:])}")
    missing = [chemical_symbols[z] for z in elements if chemical_symbols[z] not in table]
    if missing:
        raise InputError(f"charges: no charge given for {', '.join(missing)}; expected one for every element")
    return {z: float(table[chemical_symbols[z]]) for z in elements}


def formal_charges(batches: Sequence[Batch]) -> dict[int, float]:
    """Oxidation states that pymatgen guesses for the structure with most elements, with its total charge.

    Raises
    ------
    InputError
        If no assignment of oxidation states gives the total charge, or only one of zeros.
    """
    most = max(int(torch.unique(batch.numbers).numel()) for batch in batches)
    richest = [batch for batch in batches if int(torch.unique(batch.numbers).numel()) == most]
    # Neutral ones first: of charged ones pymatgen tries all states of all their atoms.
    largest = min(richest, key=lambda batch: abs(float(batch.total_charges[0])))
    counts = torch.bincount(largest.numbers).tolist()
    charge = round(float(largest.total_charges[0]))
    divisor = math.gcd(*counts, charge)
    composition = Composition({chemical_symbols[z]: n // divisor for z, n in enumerate(counts) if n})
    guesses = composition.oxi_state_guesses(target_charge=charge // divisor)
    if not guesses or not any(guesses[0].values()):
        found = "only zeros" if guesses else "none"
        raise InputError(
            f"oxidation states of {composition.reduced_formula} that sum to {charge:+d} e: pymatgen finds {found}; "
            "give a table instead, such as charges: {Na: 1.0, Cl: -1.0}, or charges: fitted"
        )
    return {atomic_numbers[symbol]: float(state) for symbol, state in guesses[0].items()}


def electronegativity_charges(batches: Sequence[Batch]) -> dict[int, float]:
    """Charges by Pauling's electronegativities: a start where there are no oxidation states.

    Each is `CHARGE_OF_ELECTRONEGATIVITY` times the difference of the mean over the atoms and the element's; elements
    without an electronegativity (noble gases) have that mean.
    """
    numbers = torch.cat([batch.numbers for batch in batches])
    elements = torch.unique(numbers).tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of noble gases, which have none
        values = {z: float(Element.from_Z(z).X) for z in elements}
    known = [values[z] for z in numbers.tolist() if not math.isnan(values[z])]
    mean = sum(known) / len(known) if known else 0.0
    return {z: 0.0 if math.isnan(x) else CHARGE_OF_ELECTRONEGATIVITY * (mean - x) for z, x in values.items()}


def reference_charges(batches: Sequence[Batch]) -> dict[int, float]:
    """Mean reference charge of each element, moved to the nearest set that sums to each structure's total charge.

    Structures without reference charges are passed over.

    Raises
    ------
    InputError
        If no structure has reference charges.
    """
    labelled = [(batch, batch.charges) for batch in batches if batch.charges is not None]
    if not labelled:
        raise InputError(
            "charges: reference needs reference charges in the data; name their key under data.keys.charges"
        )
    numbers = torch.cat([batch.numbers for batch, _ in labelled])
    charges = torch.cat([charges for _, charges in labelled])
    elements = torch.unique(numbers)  # (n_elements,)
    means = torch.stack([charges[numbers == z].mean() for z in elements])  # (n_elements,)
    means = nearest_neutral(means, elements.tolist(), [batch for batch, _ in labelled])
    return {int(z): float(q) for z, q in zip(elements, means, strict=True)}


def nearest_neutral(charges: Tensor, elements: Sequence[int], batches: Sequence[Batch]) -> Tensor:
    """The charges nearest to `charges` that sum to the total charge of every structure, as far as this can be.

    Parameters
    ----------
    charges : Tensor, shape (n_elements,), e
    elements : sequence of int
        Atomic number of each entry.
    batches : sequence of Batch

    Returns
    -------
    Tensor, shape (n_elements,), e
        charges + pinv(C) (Q - C charges), with C the element counts of the distinct compositions.
    """
    rows = {(*_counts(batch, elements), float(batch.total_charges[0])) for batch in batches}
    table = torch.tensor(sorted(rows), dtype=charges.dtype)  # (n_compositions, n_elements + 1)
    counts, totals = table[:, :-1], table[:, -1]
    return charges + torch.linalg.pinv(counts) @ (totals - counts @ charges)


def check_total_charge(charges: Mapping[int, float], batches: Sequence[Batch]) -> None:
    """Refuse charges whose sum is not the total charge of a structure.

    Raises
    ------
    InputError
        Naming the first structure, its formula, the sum found and the sum expected.
    """
    elements = sorted(charges)
    values = torch.tensor([charges[z] for z in elements], dtype=torch.float64)  # (n_elements,)
    for index, batch in enumerate(batches):
        counts = _counts(batch, elements)
        found, expected = (
            float(torch.tensor(counts, dtype=torch.float64) @ values),
            float(batch.total_charges[0]),
        )
        if abs(found - expected) > NEUTRALITY_TOLERANCE:
            formula = "".join(f"{chemical_symbols[z]}{n}" for z, n in zip(elements, counts, strict=True) if n)
            listed = ", ".join(f"{chemical_symbols[z]}: {charges[z]:+.4f}" for z in elements)
            raise InputError(
                f"frame {index} ({formula}): the charges {{{listed}}} sum to {found:+.4f} e, "
                f"but its total charge is {expected:+.4f} e; change the charges, or give the total charge under "
                "data.keys.total_charge"
            )


def _counts(batch: Batch, elements: Sequence[int]) -> tuple[int, ...]:
    return tuple(int((batch.numbers == z).sum()) for z in elements)
