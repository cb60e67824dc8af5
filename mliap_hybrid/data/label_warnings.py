"""All that is conspicuous of labelled frames, in sentences: what training and evaluation warn of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mliap_hybrid.config import LabelKeys, LabelUnits
from mliap_hybrid.data.distances import distance_warning
from mliap_hybrid.data.file_units import read_as
from mliap_hybrid.data.frames import Frame
from mliap_hybrid.data.kinetic_part import kinetic_part_warning
from mliap_hybrid.data.plausibility import implausible_labels
from mliap_hybrid.data.stress_plausibility import implausible_stresses
from mliap_hybrid.data.suspect_frames import suspicious_frames
from mliap_hybrid.structure import Batch


def label_warnings(frames: Sequence[Frame], batches: Sequence[Batch], keys: LabelKeys, units: LabelUnits) -> list[str]:
    """Sentences on labels that may be wrong, and on what nobody reads.

    Parameters
    ----------
    frames : sequence of Frame
        Not empty.
    batches : sequence of Batch
        The same frames, with labels in eV and Å.
    keys : LabelKeys
    units : LabelUnits
        What the training file says of the units.

    Returns
    -------
    list of str
        Empty where nothing is conspicuous.
    """
    found = read_as(frames[0].units, units)
    of_stress = "virial" if keys.virial is not None else units.stress or f"{found.energy}/{found.length}^3"
    with np.errstate(all="ignore"):  # of labels as large as 1e200, which are told
        kinetic = kinetic_part_warning(frames, batches)
        distances = distance_warning(batches, found.length)
        return [
            *suspicious_frames(frames, keys),
            *implausible_labels(batches, units, frames[0].units),
            *implausible_stresses(batches, of_stress),
            *(sentence for sentence in (kinetic, distances) if sentence is not None),
        ]
