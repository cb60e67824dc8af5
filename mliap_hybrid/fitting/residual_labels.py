"""What is left of labels for the trained parts to explain, and what trained terms keep of the frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from mliap_hybrid.data.baseline import compositions
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.charge_products import ChargeProducts, unit_predictions
from mliap_hybrid.fitting.explicit_terms import energies_at_start, fits_charges, fixed_physics, term_constants
from mliap_hybrid.fitting.frame_labels import Label
from mliap_hybrid.fitting.initial_fit import InitialFit
from mliap_hybrid.model.term import Constants
from mliap_hybrid.model.term_section import MadeTerm
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.quantities import Quantity
from mliap_hybrid.structure import Batch


@dataclass(frozen=True)
class FrameTerms:
    """What the terms besides the network say of one frame."""

    fixed: Prediction
    """Of those without trained parameters."""
    products: Prediction | None
    """Long-range term for unit products of charges, where they are fitted."""
    constants: Mapping[str, Constants]
    """Of the other trained terms."""
    energies: Tensor
    """(1,) eV: what the baseline is fitted without: the fixed terms, and the trained ones as they start."""


def frame_terms(batch: Batch, terms: Sequence[MadeTerm], elements: tuple[int, ...], with_virials: bool) -> FrameTerms:
    """Everything about a frame that no feature is needed for.

    Parameters
    ----------
    batch : Batch
        One structure.
    terms : sequence of MadeTerm
        From `explicit_terms`.
    elements : tuple of int
        Atomic numbers, ascending.
    with_virials : bool
        Whether virials are trained on.

    Raises
    ------
    InputError
        If a term refuses the frame.
    """
    geometry = batch.geometry()
    for made in terms:
        try:
            made.term.check(geometry)
        except InputError as error:
            raise InputError(f"{batch.sources[0]}: {error}") from None
    fixed = fixed_physics(batch, terms, elements)
    smearings = [made.term.smearing for made in terms if fits_charges(made)]
    return FrameTerms(
        fixed=fixed,
        products=unit_predictions(batch, elements, smearings[0]) if smearings else None,  # type: ignore[arg-type]
        constants=term_constants(batch, terms, with_virials),
        energies=fixed.energies + energies_at_start(batch, terms, elements),
    )


def residual_labels(batch: Batch, fixed: Prediction, fit: InitialFit, trained: Sequence[Quantity]) -> dict[str, Label]:
    """Labels to train on: of sums of terms, what fixed terms and element energies leave of them.

    Parameters
    ----------
    batch : Batch
        One structure, with its labels.
    fixed : Prediction
        Of the fixed terms.
    fit : InitialFit
    trained : sequence of Quantity
        What is trained on where there is a label.
    """
    labels = {}
    for quantity in trained:
        label = batch.labels.get(quantity.name)
        if label is None:
            continue
        if quantity.is_sum_of_terms and (of_fixed := fixed.values_of(quantity)) is not None:
            label = label - of_fixed
        if quantity.has_baseline:
            label = label - compositions([batch], fit.elements) @ fit.baseline  # (1,)
        labels[quantity.name] = Label(label.float())
    return labels


def constants_of_frame(
    batch: Batch, terms: FrameTerms, fit: InitialFit, use_forces: bool, use_virials: bool
) -> dict[str, Constants]:
    """What all trained terms keep of a frame, the products of fitted charges without what element energies say."""
    constants = dict(terms.constants)
    if terms.products is not None and fit.unit_baseline is not None:
        baseline = compositions([batch], fit.elements) @ fit.unit_baseline  # (1, n_products)
        constants["electrostatics"] = ChargeProducts(
            (terms.products.energies - baseline).float(),
            terms.products.forces.float() if use_forces else None,
            terms.products.virials.float() if use_virials else None,
        )
    return constants
