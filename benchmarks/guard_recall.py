"""Does the guard find the atoms whose forces are wrong, in structures hotter than those that a model was trained on?

A model is trained on cold structures. In hot ones, an atom is bad if the error of its force (length of the difference)
is above three times the root mean square over the atoms of cold test structures. The limit of the guard is where 5 % of
the cold test atoms that are not bad are beyond it; the recall is the share of the bad hot atoms that are. The harder
question, how many there are beyond a limit that 5 % of the hot atoms that are not bad are beyond, has rows of its own.
For the distance of a single network (model/training_distance.py), and the spread of the forces of a committee of four.

Data: H2O2 + H (channel 16 of the hydrogen combustion set, whose dynamics have four temperatures in equal parts, the
coldest first), AcAc, and 3BPA, whose hot set mixes 300, 600 and 1200 K.
"""

from __future__ import annotations

import functools
import io
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.io import read, write
from data_sets import KCAL, acetylacetone, labelled
from other_checkout import Row
from rich.console import Console

from mliap_hybrid.config import LabelKeys, parse_training_file
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.fitting.checkpoint import load_model
from mliap_hybrid.fitting.distance_fit import fit_training_distance
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.member_models import member_models
from mliap_hybrid.model.spread import committee_spread
from mliap_hybrid.model.training_distance import LARGE_ERROR
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.structure import Batch

FALSE_ALARMS = 0.05
PARTS = "train", "validation", "test"
N_MEMBERS = 4

SETTINGS: dict[str, Any] = {
    "features": {"set": "learned-small", "cutoff": 5.0},
    "repulsion": {"kind": "none"},
    "committee": {"n_members": N_MEMBERS},
    "optimisation": {"epochs": 80, "batch_size": 16},
}
QUICK: dict[str, Any] = {
    "features": {"set": "gmp-2c3", "cutoff": 5.0},
    "optimisation": {"epochs": 25, "batch_size": 16},
}


@dataclass(frozen=True)
class Signals:
    """Atoms of some structures: what a guard sees of each, and how wrong its force is."""

    signals: np.ndarray
    """(n_atoms,)."""
    errors: np.ndarray
    """(n_atoms,), eV/Å."""


def rows_of_recall(data: Path, quick: bool) -> list[Row]:
    """Recalls of all sets that there are; those of the first without its name."""
    systems = {name: make for name, make in SYSTEMS.items() if not quick or name in OF_QUICK}
    rows: list[Row] = []
    for name, make in systems.items():
        try:
            cold, hot = make(data)
        except FileNotFoundError as error:
            print(f"{name}: left out, {error}")
            continue
        for guard, (of_cold, of_hot) in _signals(cold, hot, quick).items():
            at_cold, at_hot, n_bad = recalls(of_cold, of_hot)
            suffix = f" | {name}, {guard}"
            headline = "" if (name, guard) == (next(iter(SYSTEMS)), "distance") else suffix
            rows += [
                {"what": f"guard recall at 5 % false alarms{headline}", "value": at_cold, "unit": ""},
                {"what": f"guard recall at 5 % false alarms in hot structures{suffix}", "value": at_hot, "unit": ""},
                {"what": f"guard recall | bad atoms of the hot ones{suffix}", "value": n_bad, "unit": "%"},
            ]
    return rows


def recalls(cold: Signals, hot: Signals) -> tuple[float, float, float]:
    """Recall at the limit of cold atoms and at that of hot ones, and the share of bad hot atoms in %."""
    large = LARGE_ERROR * np.sqrt(np.mean(cold.errors**2))
    is_bad, is_bad_cold = hot.errors > large, cold.errors > large
    limits = [np.quantile(good, 1.0 - FALSE_ALARMS) for good in (cold.signals[~is_bad_cold], hot.signals[~is_bad])]
    at_cold, at_hot = (float((hot.signals[is_bad] > limit).mean()) for limit in limits)
    return at_cold, at_hot, 100.0 * float(is_bad.mean())


def _signals(cold: Sequence[Atoms], hot: Sequence[Atoms], quick: bool) -> dict[str, tuple[Signals, Signals]]:
    """Guard -> what it says of the cold test structures and of the hot ones."""
    with tempfile.TemporaryDirectory() as folder:
        committee = _trained(cold, Path(folder), SETTINGS | (QUICK if quick else {}))
    single = member_models(committee)[0]
    splits = [_batches(committee, [f for f in cold if f.info["split"] == part]) for part in PARTS]
    single.distance = fit_training_distance(single, *splits[:2])
    asked = splits[2], _batches(committee, hot)
    guards = {"distance": functools.partial(_distances, single), "committee": functools.partial(_spreads, committee)}
    return {name: (guard(asked[0]), guard(asked[1])) for name, guard in guards.items()}


def _trained(frames: Sequence[Atoms], folder: Path, settings: dict[str, Any]) -> HybridModel:
    write(folder / "frames.extxyz", list(frames))
    data = {"files": [str(folder / "frames.extxyz")], "split_key": "split"}
    file = parse_training_file(settings | {"run": str(folder / "run"), "data": data}, "guard_recall.py")
    with Display(Console(file=io.StringIO())) as display:
        train(file, display)
    return load_model(folder / "run")


def _batches(model: HybridModel, frames: Sequence[Atoms]) -> list[Batch]:
    return [frame_to_batch(frame, model.cutoff, LabelKeys()) for frame in frames]


def _errors(evaluator: Evaluator, batch: Batch) -> torch.Tensor:
    return (evaluator.predict(batch).forces - batch.labels["forces"]).norm(dim=1)


def _distances(model: HybridModel, batches: Sequence[Batch]) -> Signals:
    evaluator = Evaluator(model)
    signals = torch.cat([evaluator.training_distances(batch.geometry()) for batch in batches])
    return Signals(signals.numpy(), torch.cat([_errors(evaluator, batch) for batch in batches]).numpy())


def _spreads(model: HybridModel, batches: Sequence[Batch]) -> Signals:
    evaluator = Evaluator(model)
    signals = torch.cat([committee_spread(evaluator, batch).forces for batch in batches])
    return Signals(signals.numpy(), torch.cat([_errors(evaluator, batch) for batch in batches]).numpy())


def h2_combustion(data: Path) -> tuple[list[Atoms], list[Atoms]]:
    """Every third structure of the coldest quarter, a hundred in a row in one part, and every fifth of the hottest."""
    content = np.load(data / "h2_combustion" / "16_aimd.npz")
    n_frames, n_atoms = len(content["E"]), int(content["N"][0, 0])
    splits = ("test", "validation", "train", "train", "train", "test", "train", "train", "train", "train")

    def frame(k: int, split: str) -> Atoms:
        atoms = Atoms(content["Z"][k, :n_atoms], content["R"][k, :n_atoms])
        return labelled(atoms, content["E"][k, 0] * KCAL, content["F"][k, :n_atoms] * KCAL, split)

    cold = [frame(k, splits[k // 100 % 10]) for k in range(0, n_frames // 4, 3)]
    return cold, [frame(k, "test") for k in range(3 * n_frames // 4, n_frames, 5)]


def acac(data: Path) -> tuple[list[Atoms], list[Atoms]]:
    """The training structures of 300 K, a third of the tests of 300 K, and those of 600 K."""
    frames = acetylacetone(data)
    tests = [frame for frame in frames if frame.info["split"] == "test"][::3]
    cold = [frame for frame in frames if frame.info["split"] != "test"] + tests
    return cold, read(data / "acac" / "train_600K.xyz", ":")


def three_bpa(data: Path) -> tuple[list[Atoms], list[Atoms]]:
    """300 K in a drawn order, a tenth for validation and a fifth for tests; and the mixed set."""
    frames = read(data / "3bpa" / "train_300K.xyz", ":")
    order = np.random.default_rng(0).permutation(len(frames)).tolist()
    n_validation, n_test = len(frames) // 10, len(frames) // 5
    splits = ["validation"] * n_validation + ["test"] * n_test + ["train"] * (len(frames) - n_validation - n_test)
    cold = [
        labelled(frames[k], frames[k].get_potential_energy(), frames[k].get_forces(), split)
        for k, split in zip(order, splits, strict=True)
    ]
    return cold, read(data / "3bpa" / "train_mixedT.xyz", ":")


SYSTEMS: dict[str, Callable[[Path], tuple[list[Atoms], list[Atoms]]]] = {
    "H2O2 + H, 3000 K": h2_combustion,
    "AcAc, 600 K": acac,
    "3BPA, 300 to 1200 K": three_bpa,
}
"""Name -> cold structures that say their part, and hot ones."""

OF_QUICK = ("H2O2 + H, 3000 K",)
