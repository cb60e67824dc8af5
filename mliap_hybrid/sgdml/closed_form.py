"""From a training file and labelled frames to a model with a kernel model of molecules in it.

The kernel model is trained on what repulsion and charges leave of the labels, so that the sum of all is exact where it
was trained, and its long-range part is known. Element energies E0 are taken out, too, which makes the numbers small.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from ase import Atoms

from mliap_hybrid.config import GDMLSettings, TrainingFile
from mliap_hybrid.data.baseline import compositions, fit_baseline
from mliap_hybrid.data.frames import Frame
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.none import NoFeatures
from mliap_hybrid.fitting.charge_sources import find_charges
from mliap_hybrid.fitting.explicit_terms import explicit_terms, fixed_physics
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.molecules.gdml import GDMLModel
from mliap_hybrid.model.term_section import MadeTerm
from mliap_hybrid.model.terms.baseline import Baseline
from mliap_hybrid.model.terms.molecules import MoleculeTerm
from mliap_hybrid.model.terms.standard import element_parameter
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.sgdml.kernel_matrix import Track
from mliap_hybrid.sgdml.molecules import Molecules, geometries_from_frames, molecule_cutoff
from mliap_hybrid.sgdml.sampling import stratified_sample
from mliap_hybrid.sgdml.search import search_sigma, symmetries_of
from mliap_hybrid.sgdml.symmetries import evenly_chosen
from mliap_hybrid.sgdml.trainer import GDMLOptions
from mliap_hybrid.structure import Batch

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FittedMolecule:
    """A model with a kernel model in it, and what it was trained on."""

    model: HybridModel
    train_frames: np.ndarray
    """(n_train,): the frames that were trained on, among those of the training part."""


def fit_molecule(
    settings: TrainingFile, gdml: GDMLSettings, training: Sequence[Batch], validation: Sequence[Batch], track: Track
) -> FittedMolecule:
    """Train a kernel model.

    Parameters
    ----------
    settings : TrainingFile
    gdml : GDMLSettings
        Its section of the kernel model.
    training, validation : sequence of Batch
        One labelled structure each; not empty.
    track : Track
        Shows progress.

    Returns
    -------
    FittedMolecule

    Raises
    ------
    InputError
        If the frames are not of one molecule, or too few, or `train_gdml` refuses their labels.
    """
    batches = [*training, *validation]
    labelled = molecules_of_batches(batches)
    elements = tuple(torch.unique(labelled.numbers).tolist())
    drawn = _drawn(labelled.energies[: len(training)].numpy(), gdml, settings.seed)
    chosen = evenly_chosen(len(validation), gdml.n_validation)
    used = np.concatenate([drawn, len(training) + np.asarray(chosen)])

    cutoff = cutoff_of(labelled, settings.features.cutoff)
    of_molecules = settings.features.model_copy(update={"cutoff": cutoff})
    charges = find_charges(settings, training, validation, elements)
    explicit = explicit_terms(settings.model_copy(update={"features": of_molecules}), elements, charges)
    physics = [fixed_physics(batches[k], explicit, elements) for k in track(used, "physics")]
    molecules = _without(labelled.subset(used), physics)
    counts = compositions([batches[k] for k in used], elements)  # (n_used, n_elements)
    baseline = fit_baseline(counts[: len(drawn)], molecules.energies[: len(drawn)])  # (n_elements,)
    molecules = replace(molecules, energies=molecules.energies - counts @ baseline)

    train_frames, validation_frames = np.arange(len(drawn)), np.arange(len(drawn), len(used))
    permutations = symmetries_of(molecules.subset(train_frames), track) if gdml.symmetries else None
    options = GDMLOptions(gdml.with_energies, gdml.solver, tuple(gdml.jitters), settings.seed)
    logger.info("Training on %d frames, sigma chosen by %d", len(drawn), len(chosen))
    search = search_sigma(molecules, train_frames, validation_frames, gdml.sigmas, permutations, options, track)
    baseline_of = dict(zip(elements, baseline.tolist(), strict=True))
    model = model_of_molecules(search.best.model, cutoff, baseline_of, explicit)
    return FittedMolecule(model, drawn)


def model_of_molecules(
    gdml: GDMLModel, cutoff: float, baseline: Mapping[int, float] | None = None, explicit: Sequence[MadeTerm] = ()
) -> HybridModel:
    """A model whose energy is that of a kernel model, and of explicit terms.

    Parameters
    ----------
    gdml : GDMLModel
    cutoff : float, Å
        Which all atoms of a molecule are within, of each other.
    baseline : mapping of int to float, eV, optional
        Atomic number -> energy E0 of the element; zero by default.
    explicit : sequence of MadeTerm
        Without trained parameters.
    """
    elements = tuple(torch.unique(gdml.numbers).tolist())
    of_elements = element_parameter("baseline", "eV", baseline or dict.fromkeys(elements, 0.0), elements)
    model = HybridModel(
        features=NoFeatures(elements, cutoff),
        terms=[Baseline(), MoleculeTerm(gdml), *(made.term for made in explicit)],
        parameters=[of_elements, *(parameter for made in explicit for parameter in made.parameters)],
    )
    return model.double().eval()


def molecules_of_batches(batches: Sequence[Batch]) -> Molecules:
    """The geometries and labels of structures, each one molecule.

    Raises
    ------
    InputError
        If they are not of one molecule with its atoms in one order.
    """
    frames = [
        Frame(
            Atoms(b.numbers.numpy(), b.positions.numpy(), cell=b.cells[0].numpy(), pbc=b.periodic[0].numpy()),
            b.sources[0] if b.sources else "",
        )
        for b in batches
    ]
    numbers, positions, cell = geometries_from_frames(frames)
    energies, forces = [b.energies for b in batches], [b.forces for b in batches]
    return Molecules(
        numbers=numbers,
        positions=positions,
        energies=torch.cat([energy for energy in energies if energy is not None]),
        forces=torch.stack([force for force in forces if force is not None]),
        cell=cell,
    )


def cutoff_of(molecules: Molecules, least: float) -> float:
    """Cutoff in Å of a model of these molecules, at least that of other terms."""
    cell = None if molecules.cell is None else molecules.cell.numpy()
    return molecule_cutoff(((positions, cell) for positions in molecules.positions.numpy()), least)


def _drawn(energies: np.ndarray, gdml: GDMLSettings, seed: int) -> np.ndarray:
    """Training frames (n_train,) with the distribution of the energies (n_training,)."""
    if gdml.n_train is None:
        return np.arange(len(energies))
    if gdml.n_train > len(energies):
        raise InputError(
            f"gdml.n_train is {gdml.n_train}, but there are {len(energies)} training frames: label more, or ask for "
            "fewer, or leave n_train out for all of them"
        )
    return stratified_sample(energies, gdml.n_train, np.random.default_rng(seed))


def _without(molecules: Molecules, physics: Sequence[Prediction]) -> Molecules:
    """The molecules with what physics leaves of their labels."""
    energies = torch.cat([each.energies for each in physics])  # (n_frames,)
    forces = torch.stack([each.forces for each in physics])  # (n_frames, n_atoms, 3)
    return replace(molecules, energies=molecules.energies - energies, forces=molecules.forces - forces)
