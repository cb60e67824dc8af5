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
    made: dict[str, MadeTerm] = {}
    for section in (getattr(settings, name) for name in type(settings).model_fields):
        if isinstance(section, TermSection):
            term = section.make(TermContext(elements, settings.features.cutoff, start, made))
            made |= {} if term is None else {term.term.kind: term}
    return [*map(MadeTerm, known), *made.values()]


def parameters_of(made: Sequence[MadeTerm]) -> list[Parameter]:
    """All that terms take, each once: terms may share some."""
    return list({parameter.name: parameter for each in made for parameter in each.parameters}.values())


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
    parameters = parameters_of(made)
    species = species_by_number(elements)[batch.numbers]  # (n_atoms,)
    heads = _NoHeads([parameter.head for parameter in parameters if parameter.head is not None], batch)
    geometry = batch.geometry()
    with torch.no_grad():
        total = sum_of_terms(terms, parameters, geometry, species, heads)
        components = {name: batch.sum_over_structures(values) for name, values in total.components.items()}
        return replace(prediction_of(batch, geometry, total), others=components)
