"""All of a model that is fitted once before its networks are trained, and then left alone."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mliap_hybrid.model.term import Term
from mliap_hybrid.model.whitening import Whitening


@dataclass(frozen=True)
class InitialFit:
    """Fitted once from the training frames, then left alone. Element arrays follow `elements`."""

    elements: tuple[int, ...]
    """Atomic numbers, ascending."""
    whitening: Whitening
    """Linear map between features and network."""
    baseline: Tensor
    """(n_elements,) float64, eV: E0 of the labels without repulsion and without fixed or starting charges."""
    charges: Tensor | None
    """(n_elements,) float64, e: fixed charges, or where others start from; None without long-range term."""
    unit_baseline: Tensor | None
    """(n_elements, n_products) float64, eV/e^2: E0 of the unit long-range energies; None unless charges are fitted.
    The E0 of the whole is baseline - unit_baseline @ products, the least-squares one for any charges."""
    counts: Tensor
    """(n_compositions, n_elements) float64: distinct compositions of the training frames."""
    known_terms: tuple[Term, ...] = ()
    """Terms that were trained before."""
