"""A kernel model that was trained before: from a run folder, or from a file of the sgdml package."""

from __future__ import annotations

from pathlib import Path

from mliap_hybrid.config import TrainingFile
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import load_model
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.term import Term
from mliap_hybrid.sgdml.closed_form import model_of_molecules
from mliap_hybrid.sgdml.molecules import cutoff_with_margin
from mliap_hybrid.sgdml.npz import read_gdml_model


def imported_model(file: Path) -> HybridModel:
    """A model of the sgdml package (.npz), with a cutoff that all its training geometries fit into.

    Raises
    ------
    InputError
        If the file is no such model.
    """
    gdml = read_gdml_model(file)
    return model_of_molecules(gdml, cutoff_with_margin(1.0 / float(gdml.descriptors.min())))


def known_terms(settings: TrainingFile) -> tuple[Term, ...]:
    """What a training file names that was trained before: the energy of molecules, or nothing.

    Raises
    ------
    InputError
        If what it names is not a kernel model.
    """
    if settings.molecules is None:
        return ()
    path = settings.molecules.model
    model = imported_model(path) if path.suffix == ".npz" else load_model(path)
    known = tuple(term for term in model.all_terms if term.is_known)
    if not known or len(model.heads):
        raise InputError(f"molecules.model is {path}, which is no kernel model: expected a run with `gdml`, or an .npz")
    return known
