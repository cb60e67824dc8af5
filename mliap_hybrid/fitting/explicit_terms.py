"""The terms of a training besides element energies and network: those that are known, and those that are trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from mliap_hybrid.config import TrainingFile
from mliap_hybrid.model.parameters import Parameter
from mliap_hybrid.model.structures import prediction_of
from mliap_hybrid.model.sum_of_terms import sum_of_terms
from mliap_hybrid.model.term import Constants, Term
from mliap_hybrid.model.term_section import MadeTerm, TermContext, TermSection
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.species import species_by_number
from mliap_hybrid.structure import Batch


def explicit_terms(
    settings: TrainingFile, elements: tuple[int, ...], charges: Tensor | None, known: Sequence[Term] = ()
) -> list[MadeTerm]:
    """Terms that were trained before, and all that the sections of a training file ask for.

    Parameters
    ----------
    settings : TrainingFile
    elements : tuple of int
        Atomic numbers, ascending.
    charges : Tensor, shape (n_elements,), e, or None
        Fixed, or where others start.
    known : sequence of Term
        Trained before.
    """
    start = {} if charges is None else {"charge": charges}
    context = TermContext(elements, settings.features.cutoff, start, settings.electrostatics.smearing)
    sections = [getattr(settings, name) for name in type(settings).model_fields]
    made = [section.make(context) for section in sections if isinstance(section, TermSection)]
    return with_borrowed([*map(MadeTerm, known), *(term for term in made if term is not None)])


def with_borrowed(terms: Sequence[MadeTerm]) -> list[MadeTerm]:
    """The terms, each with those parameters of others that it takes, such as the charges of another term."""
    owned = {parameter.name: parameter for made in terms for parameter in made.parameters}
    own = [{parameter.name for parameter in made.parameters} for made in terms]
    return [
        replace(made, borrowed=tuple(owned[name] for name in made.term.takes if name not in names and name in owned))
        for made, names in zip(terms, own, strict=True)
    ]


def fixed_physics(batch: Batch, terms: Sequence[MadeTerm], elements: tuple[int, ...]) -> Prediction:
    """What terms without trained parameters say of structures, with forces and virials.

    Parameters
    ----------
    batch : Batch
    terms : sequence of MadeTerm
        Trained ones are left out.
    elements : tuple of int
        Atomic numbers, ascending.
    """
    return _prediction(batch, [made for made in terms if not made.is_trained], elements)


def fits_charges(made: MadeTerm) -> bool:
    """Whether a term is that of fitted charges, whose energy is a sum of products (charge_products.py)."""
    return made.term.kind == "electrostatics" and made.parameters[0].source == "fitted"


def energies_at_start(batch: Batch, terms: Sequence[MadeTerm], elements: tuple[int, ...]) -> Tensor:
    """Energies (n_structures,), eV, of the trained terms before the training, where heads say zero.

    Those of fitted charges are left out: element energies are fitted to each of their products.
    """
    trained = [made for made in terms if made.is_trained and not fits_charges(made)]
    return _prediction(batch, trained, elements).energies


def term_constants(batch: Batch, terms: Sequence[MadeTerm], with_virials: bool) -> dict[str, Constants]:
    """Kind of each trained term -> what it keeps of a frame; fitted charges keep their products."""
    trained = [made.term for made in terms if made.is_trained and not fits_charges(made)]
    kept = {term.kind: term.constants(batch.geometry(), with_virials) for term in trained}
    return {kind: constants for kind, constants in kept.items() if constants is not None}


class _NoHeads:
    """Heads before the training: zero."""

    def __init__(self, names: Sequence[str], batch: Batch):
        self.values = {name: batch.positions.new_zeros(batch.n_atoms) for name in names}
        self._none = batch.positions.new_zeros((batch.n_pairs, 3))

    def pair_gradients(self, weights: object) -> Tensor:
        """Zero."""
        return self._none


def _prediction(batch: Batch, made: Sequence[MadeTerm], elements: tuple[int, ...]) -> Prediction:
    terms: list[Term] = [each.term for each in made]
    taken = [parameter for each in made for parameter in (*each.parameters, *each.borrowed)]
    parameters: list[Parameter] = list({parameter.name: parameter for parameter in taken}.values())
    species = species_by_number(elements)[batch.numbers]  # (n_atoms,)
    heads = _NoHeads([parameter.head for parameter in parameters if parameter.head is not None], batch)
    geometry = batch.geometry()
    with torch.no_grad():
        return prediction_of(batch, geometry, sum_of_terms(terms, parameters, geometry, species, heads))
