"""The frames of a training: read, checked and split."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from ase.data import chemical_symbols

from mliap_hybrid.config import TrainingFile
from mliap_hybrid.data.duplicates import without_leaks
from mliap_hybrid.data.file_units import length_factor
from mliap_hybrid.data.formats import check_elements_apply
from mliap_hybrid.data.frames import Frame
from mliap_hybrid.data.label_warnings import label_warnings
from mliap_hybrid.data.missing_labels import check_missing_labels, check_useful_labels, n_labelled_frames
from mliap_hybrid.data.reading import frame_to_batch, read_frames
from mliap_hybrid.data.splits import Split, split_frames
from mliap_hybrid.data.suspect_frames import check_energies
from mliap_hybrid.errors import InputError
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.sgdml.molecules import check_same_molecule, molecule_cutoff
from mliap_hybrid.structure import Batch

logger = logging.getLogger(__name__)


def load_data(settings: TrainingFile, display: Display) -> dict[str, list[Batch]]:
    """Read, check and split the frames.

    Returns
    -------
    dict of str to list of Batch
        "train", "validation" and "test" -> one labelled structure each.

    Raises
    ------
    InputError
        If a file, a label or the split is wrong, or an element is in no training frame.
    """
    data = settings.data
    check_elements_apply(data.elements, data.all_files, "data.elements")
    frames, of_validation, of_test = (
        read_frames(files, data.elements) for files in (data.files, data.validation_files, data.test_files)
    )
    frames += of_validation + of_test
    allow_missing = data.missing_labels == "allow"
    check_missing_labels(frames, data.keys, allow_missing)
    if "energy" in settings.weighted_labels():
        check_energies(frames, data.keys)
    if allow_missing:
        check_useful_labels(frames, data.keys, settings.weighted_labels())
        counts = n_labelled_frames(frames, data.keys).items()
        logger.info("Of %d frames have labels: %s", len(frames), ", ".join(f"{label} {n}" for label, n in counts))
    split = split_frames(frames, data, settings.seed, len(of_validation), len(of_test))
    cutoff = settings.features.cutoff if settings.gdml is None else _cutoff_of_molecule(frames, settings)
    batches = [
        frame_to_batch(frame, cutoff, data.keys, data.units, allow_missing)
        for frame in display.track(frames, "reading frames")
    ]
    for sentence in label_warnings(frames, batches, data.keys, data.units):
        logger.warning("Warning: %s", sentence)
    split = without_leaks(split, batches)
    _check_elements(frames, batches, split)
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    return {name: [batches[index] for index in indices] for name, indices in parts.items()}


def _cutoff_of_molecule(frames: Sequence[Frame], settings: TrainingFile) -> float:
    """Cutoff of a model of one molecule, of which all frames are checked to be."""
    check_same_molecule(frames)
    lengths = [length_factor(frame.units, settings.data.units, frame.source) for frame in frames]
    geometries = (
        (frame.atoms.positions * length, frame.atoms.cell.array * length if frame.atoms.pbc.all() else None)
        for frame, length in zip(frames, lengths, strict=True)
    )
    return molecule_cutoff(geometries, settings.features.cutoff)


def _check_elements(frames: Sequence[Frame], batches: Sequence[Batch], split: Split) -> None:
    """Refuse frames with elements that are in no training frame."""
    trained = set(torch.cat([batches[index].numbers for index in split.train]).tolist())
    for index in [*split.validation, *split.test]:
        unknown = sorted(set(batches[index].numbers.tolist()) - trained)
        if unknown:
            symbols = ", ".join(chemical_symbols[z] for z in unknown)
            raise InputError(f"{frames[index].source} holds {symbols}, which no training frame has: change the split")
