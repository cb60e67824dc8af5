"""What left_out_element.py asks: labelled samples, and the elements to leave out of training in turn."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
import torch
from ase.data import atomic_numbers
from pymatgen.core import Structure

from mliap_hybrid.config import LabelKeys
from mliap_hybrid.data.reading import frame_to_batch, read_frames, structure_to_batch
from mliap_hybrid.structure import Batch, join_batches
from mliap_hybrid.units import energy_unit

CUTOFF = 5.0  # Å
UNITS = {"meV/atom": 1e-3, "kcal/mol": energy_unit("kcal/mol")}  # eV
MOLECULAR, CRYSTALLINE = [0.25, 0.5, 1.0, 2.0], [0.7, 1.0, 1.4, 2.0]  # probe widths in Å: narrow ones for short bonds


@dataclass(frozen=True)
class Sample:
    """A crystal; or a dimer and, as a second structure whose energy is subtracted, its monomers far apart."""

    batch: Batch
    energy: float  # eV; of a crystal, from the mean of its element
    size: int  # what errors of the energy are divided by
    tests: frozenset[int]  # elements that it tests, where it is not trained on
    in_training: bool


@dataclass(frozen=True)
class Question:
    """What is asked, and of which elements."""

    samples: Sequence[Sample]
    stand_ins: dict[str, str]  # element to leave out -> what it is called instead
    unit: str  # of the energies
    forces: bool
    widths: list[float]
    epochs: int
    batch_size: int

    def tests_of(self, element: int) -> list[int]:
        """Indices of the samples that test an element."""
        return [index for index, s in enumerate(self.samples) if element in s.tests and not s.in_training]


def oxides(data: Path) -> Question:
    """MO2 of five metals."""
    frames = read_frames([data / "ocp_samples/core/fine-tuning/oxides.db"])
    batches = [frame_to_batch(frame, CUTOFF, LabelKeys()) for frame in frames]
    samples = samples_of_crystals(batches, [int(batch.numbers[batch.numbers != 8][0]) for batch in batches], 0.3)
    stand_ins = {"Ti": "V", "V": "Ti", "Ru": "Ir", "Ir": "Ru", "Sn": "Ti"}
    return Question(samples, stand_ins, "meV/atom", False, CRYSTALLINE, epochs=100, batch_size=16)


def crystals(data: Path) -> Question:
    """31 crystals of each element: so many there are of Cu."""
    batches, elements = [], []
    for symbol, file in (("Li", "training.json"), ("Si", "training.json"), ("Cu", "test.json")):
        entries = json.loads((data / "mlearn" / symbol / file).read_text())
        for index in np.random.default_rng(0).permutation(len(entries))[:31]:
            batch = structure_to_batch(Structure.from_dict(entries[index]["structure"]), CUTOFF)
            energies, forces = (np.array(entries[index]["outputs"][name]) for name in ("energy", "forces"))
            batches.append(batch.with_labels(energy=torch.tensor(energies)[None], forces=torch.tensor(forces)))
            elements.append(atomic_numbers[symbol])
    samples = samples_of_crystals(batches, elements, 0.5)
    return Question(
        samples, {"Li": "Cu", "Si": "Li", "Cu": "Li"}, "meV/atom", True, CRYSTALLINE, epochs=60, batch_size=4
    )


def samples_of_crystals(batches: Sequence[Batch], elements: Sequence[int], for_test: float) -> list[Sample]:
    """Samples with energies counted from the mean of each element."""
    energies = np.array([float(batch.energies[0]) / batch.n_atoms for batch in batches])  # eV/atom
    energies -= [energies[np.array(elements) == element].mean() for element in elements]
    in_training = np.random.default_rng(0).random(len(batches)) > for_test
    return [
        Sample(batch, energy * batch.n_atoms, batch.n_atoms, frozenset([element]), train)
        for batch, energy, element, train in zip(batches, energies, elements, in_training, strict=True)
    ]


def exchange(data: Path) -> Question:
    """Dimers below 30 kcal/mol; those of one formula are all for training or all for tests."""
    with zipfile.ZipFile(data / "sapt10k/sapt10k.zip") as archive:
        frames = ase.io.read(io.StringIO(archive.read("sapt10k.xyz").decode()), ":", format="extxyz")
    random = np.random.default_rng(0)
    samples: list[Sample] = []
    in_training: dict[str, bool] = {}  # formula -> part
    for dimer, apart in zip(frames[::2], frames[1::2], strict=True):
        charged = dimer.info["charge_a"] or dimer.info["charge_b"]
        wanted = {"S", "F", "Cl"} & set(dimer.symbols) or random.random() < 0.1
        if charged or dimer.info["Exch"] > 30.0 or not wanted:
            continue
        n = dimer.info["num_a"]
        distances = dimer.get_all_distances()[:n, n:]
        i, j = np.unravel_index(distances.argmin(), distances.shape)
        contact = frozenset([int(dimer.numbers[i]), int(dimer.numbers[n + j])])
        part = in_training.setdefault(dimer.get_chemical_formula(), random.random() < 0.5)
        batch = join_batches([frame_to_batch(dimer, CUTOFF), frame_to_batch(apart, CUTOFF)])
        samples.append(Sample(batch, dimer.info["Exch"] * UNITS["kcal/mol"], 1, contact, part))
    stand_ins = {"S": "O", "F": "Cl", "Cl": "F"}
    return Question(samples, stand_ins, "kcal/mol", False, MOLECULAR, epochs=40, batch_size=32)


QUESTIONS: dict[str, Callable[[Path], Question]] = {"oxides": oxides, "exchange": exchange, "crystals": crystals}
"""Name -> what reads it from the folder of the reference data."""
