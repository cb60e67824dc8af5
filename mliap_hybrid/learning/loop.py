"""The rounds: train, run, collect what the model does not know, label it, and train again.

Everything that a round has finished lies in its folder, so that a loop that was stopped goes on with what is left.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read, write

from mliap_hybrid.config import TrainingFile, read_training_file
from mliap_hybrid.data.reading import read_frames
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import load_checkpoint
from mliap_hybrid.labelling.calculators import CalculatorSource
from mliap_hybrid.labelling.relabel import relabel
from mliap_hybrid.lammps.exporter import export_model, load_exported
from mliap_hybrid.learning.exploration import Exploration, check_starts, explore, n_steps
from mliap_hybrid.learning.rounds import Round, in_words, read_row, write_table
from mliap_hybrid.learning.same_settings import check_labels, keep_settings
from mliap_hybrid.learning.selection import select
from mliap_hybrid.learning.settings import LearningFile
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.whole_file import whole_file

FORMAT = "extxyz"


@dataclass(frozen=True)
class RoundFolder:
    """Names of the files of one round."""

    path: Path

    @property
    def run(self) -> Path:
        """The training."""
        return self.path / "training"

    @property
    def model(self) -> Path:
        """The exported model."""
        return self.path / "model.pt"

    @property
    def runs(self) -> Path:
        """A folder for each run."""
        return self.path / "runs"

    @property
    def selected(self) -> Path:
        """Structures to label; there when all runs are done."""
        return self.path / "selected.extxyz"

    @property
    def labelled(self) -> Path:
        """The same with labels."""
        return self.path / "labelled.extxyz"

    @property
    def row(self) -> Path:
        """The row of the table, there when the round is done."""
        return self.path / "round.csv"


def learn(settings: LearningFile, display: Display) -> list[Round]:
    """Go through rounds until a round's runs stay inside of what the model knows.

    Parameters
    ----------
    settings : LearningFile
        With absolute paths.
    display : Display
        Entered by the caller.

    Returns
    -------
    list of Round
        The last of which is inside, unless there were too few rounds.

    Raises
    ------
    InputError
        For every mistake in settings or data; what is finished stays, and the same call goes on with it.
    """
    training = read_training_file(settings.training)
    check_labels(training, settings.calculator)
    starts = [frame.atoms for frame in read_frames(settings.runs.starts, training.data.elements)]
    first = read_frames(training.data.files, training.data.elements)
    check_starts(starts, {z for frame in first for z in frame.atoms.numbers.tolist()})
    CalculatorSource(settings.calculator.name, settings.calculator.options).make()
    keep_settings(settings, training)
    rounds: list[Round] = []
    new: list[Path] = []
    for number in range(1, settings.n_rounds + 1):
        folder = RoundFolder(settings.folder / f"round_{number:02d}")
        if not folder.row.exists():
            display.say(f"round {number}: {sum(len(_frames(file)) for file in new)} new structures")
            _go_through(settings, training, starts, folder, number, new, display)
        rounds.append(read_row(folder.row))
        write_table(rounds, settings.folder / "rounds.csv")
        display.say(in_words(rounds[-1]))
        if rounds[-1].share_outside <= settings.tolerated:
            break
        new.append(folder.labelled)
    return rounds


def _go_through(
    settings: LearningFile,
    training: TrainingFile,
    starts: Sequence[Atoms],
    folder: RoundFolder,
    number: int,
    new: Sequence[Path],
    display: Display,
) -> None:
    """One round, or what is left of it."""
    if not folder.model.exists():
        _train(training, folder, new, display)
    if not folder.selected.exists():
        _explore(settings, starts, folder, number, display)
    selected = _frames(folder.selected)
    if selected:
        calculator = settings.calculator
        source = CalculatorSource(calculator.name, calculator.options)
        kept = folder.path / "all_labels.extxyz"
        outcome = relabel(selected, source, kept, calculator.labels, calculator.jobs, display.track)
        if outcome.failures:
            display.say(f"{len(outcome.failures)} structures cannot be labelled and are left out")
        done = _frames(kept) if kept.exists() else []
        good = [atoms for atoms in done if np.abs(atoms.get_forces()).max() <= settings.largest_force]
        if not good:
            raise InputError(
                f"no structure that the runs of {folder.path} met can be labelled with forces up to "
                f"{settings.largest_force} eV/Å: begin with more frames, lower temperatures or a smaller runs.end_at"
            )
        _write_frames(folder.labelled, good)
    (folder.path / "found.csv").rename(folder.row)


def _train(training: TrainingFile, folder: RoundFolder, new: Sequence[Path], display: Display) -> None:
    """Train on all frames, from the beginning, and export the model."""
    shutil.rmtree(folder.run, ignore_errors=True)
    files = [*training.data.files, *(file.resolve() for file in new)]
    data = training.data.model_copy(update={"files": files})
    train(training.model_copy(update={"run": folder.run.resolve(), "data": data}), display)
    checkpoint = load_checkpoint(folder.run, "best")
    export_model(checkpoint.model, folder.model, example=checkpoint.example, allow_small_box=True)


def _explore(
    settings: LearningFile, starts: Sequence[Atoms], folder: RoundFolder, number: int, display: Display
) -> None:
    """Run, and choose among what was seen."""
    model, manifest = load_exported(folder.model)
    if model.distance is None:
        raise InputError(f"{folder.model} knows no distance to its training set: its network has no hidden layer")
    outside = model.distance.description.outside
    shutil.rmtree(folder.runs, ignore_errors=True)
    found: list[Exploration] = []
    for k in display.track(range(settings.runs.n_runs), "runs"):
        start = starts[(k + (number - 1) * settings.runs.n_runs) % len(starts)]
        seed = 1 + settings.seed + 1000 * number + k
        found.append(explore(start, folder.model, manifest, outside, settings.runs, k, seed, folder.runs / str(k)))
    frames = [frame for one in found for frame in one.frames]
    planned = len(found) * (n_steps(settings.runs) // settings.runs.every + 1)
    inside = sum(one.n_inside for one in found)
    row = Round(
        number,
        n_new=0,
        n_outside=len(frames),
        share_outside=1.0 - inside / planned,
        time=float(np.mean([one.time for one in found])),
        largest_distance=max(one.largest for one in found) / outside,
    )
    chosen: list[int] = []
    if frames and row.share_outside > settings.tolerated:
        distances = np.concatenate([one.distances for one in found])
        chosen = select(frames, distances, settings.n_select, Evaluator(model))
    write_table([replace(row, n_new=len(chosen))], folder.path / "found.csv")
    _write_frames(folder.selected, [frames[k] for k in chosen])


def _frames(file: Path) -> list[Atoms]:
    return list(read(file, ":", format=FORMAT)) if file.stat().st_size else []


def _write_frames(file: Path, frames: Sequence[Atoms]) -> None:
    with whole_file(file) as stream:
        text = io.StringIO()
        if frames:
            write(text, frames, format=FORMAT)
        stream.write(text.getvalue().encode())
