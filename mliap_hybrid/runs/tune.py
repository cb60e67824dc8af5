"""Size and weight of weak supervision, chosen on the validation frames.

A displacement that is too large makes a model worse, and what is too large depends on the system, the number of labels
and the kind of term. So a grid of sizes and weights is trained beside the training without weak supervision, on the
same features, and the lowest validation error counts. Each result is written as soon as it is there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mliap_hybrid.config import TrainingFile
from mliap_hybrid.devices import device_of_training
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.earlier_training import with_earlier_sizes
from mliap_hybrid.fitting.trainer import EpochResult, Trainer
from mliap_hybrid.report.metrics import milli_rmse
from mliap_hybrid.runs.complete_settings import complete_settings
from mliap_hybrid.runs.earlier_run import fingerprint
from mliap_hybrid.runs.make_trainer import make_trainer
from mliap_hybrid.runs.preparation import make_weak_supervision, prepare
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.training_data import load_data
from mliap_hybrid.runs.tune_trials import NONE, Candidate, Trial, read_trials, write_trials
from mliap_hybrid.structure import Batch
from mliap_hybrid.weak_supervision.supervision import check_size

NO_EFFECT = ("run", "device", "committee", "data.cache", "data.cache_workers")
"""Settings that trials do not depend on."""


def tune(
    settings: TrainingFile,
    sizes: Sequence[float],
    factors: Sequence[float],
    n_seeds: int,
    results: Path,
    display: Display,
) -> list[Trial]:
    """Train the grid, as far as `results` does not hold it already.

    Parameters
    ----------
    settings : TrainingFile
        With weak supervision; a committee is tuned as one network.
    sizes : sequence of float, Å
    factors : sequence of float
        On the weights of the training file.
    n_seeds : int
        Trainings of each candidate, with other initial weights and orders of the frames.
    results : Path
        JSON file, written after each training.
    display : Display

    Returns
    -------
    list of Trial
        Of this grid.

    Raises
    ------
    InputError
        If the settings have no weak supervision, the device is missing, a size is too large, there are no validation
        frames, or `results` belongs to other settings or data.
    """
    if not settings.weak_supervision.is_on:
        raise InputError(
            "weak_supervision has no term to tune: set weak_supervision.taylor or weak_supervision.spatial; its size "
            "and its weight are what is tuned"
        )
    device_of_training(settings.device)  # a mistake shows before anything is computed
    settings = with_earlier_sizes(settings)
    batches = load_data(settings, display)
    training, validation = batches["train"], batches["validation"]
    if not validation:
        raise InputError("there is no validation frame to choose by: set data.validation above zero")
    for size in sizes:
        check_size(size, training)
    settings = complete_settings(settings, training, validation, display)
    identity = _identity(settings, [*training, *validation])
    trials = read_trials(results, identity)
    grid = [NONE, *(Candidate(size, factor) for size in sizes for factor in factors)]
    wanted = [(candidate, settings.seed + number) for candidate in grid for number in range(n_seeds)]
    finished = {(trial.candidate, trial.seed) for trial in trials}
    missing = [one for one in wanted if one not in finished]
    for number, trial in enumerate(_train_all(settings, training, validation, missing, display), start=1):
        trials.append(trial)
        write_trials(results, identity, trials)
        display.say(f"{number}/{len(missing)}  {_in_words(trial)}")
    return [trial for trial in trials if (trial.candidate, trial.seed) in wanted]


def _train_all(
    settings: TrainingFile,
    training: Sequence[Batch],
    validation: Sequence[Batch],
    wanted: Sequence[tuple[Candidate, int]],
    display: Display,
) -> Iterator[Trial]:
    """Results as they come; features are computed once, and displaced copies once for each size."""
    if not wanted:
        return
    inputs = prepare(NONE.applied(settings), training, validation, display.track)
    copies = None
    for candidate, seed in wanted:
        own = candidate.applied(settings).model_copy(update={"seed": seed})
        if candidate == NONE:
            copies = None
        elif copies is not None and copies.settings.displacement_size == candidate.size:
            copies.settings = own.weak_supervision  # other weights
        else:
            of_size = candidate.applied(settings)  # with the seed of the file, for all seeds
            copies = make_weak_supervision(of_size, training, inputs.features, inputs.initial_fit, display.track)
        trainer = make_trainer(own, replace(inputs, weak_supervision=copies, noisy=()))
        yield _train(trainer, candidate, seed, display)


def _train(trainer: Trainer, candidate: Candidate, seed: int, display: Display) -> Trial:
    """One training."""
    epochs: list[EpochResult] = []

    def after_epoch(result: EpochResult) -> None:
        epochs.append(result)
        if display.console.is_terminal:  # elsewhere a line for each training is enough
            display.epoch(result, trainer.settings.epochs)

    trainer.run(after_epoch)
    best = epochs[trainer.best_epoch - 1]
    return Trial(
        candidate,
        seed,
        loss=best.validation_loss,
        energy=milli_rmse(best.validation.means.get("energy")),
        forces=milli_rmse(best.validation.means.get("forces")),
        seconds=sum(result.seconds for result in epochs),
    )


def _identity(settings: TrainingFile, batches: Sequence[Batch]) -> str:
    """Hash of all that a trial depends on, the grid apart."""
    content = NONE.applied(settings).model_dump(mode="json")
    for name in NO_EFFECT:
        section, _, key = name.rpartition(".")
        (content[section] if section else content).pop(key)
    weak = settings.weak_supervision.model_dump(mode="json")
    weak.pop("displacement_size")
    described = json.dumps([content, weak, fingerprint(batches)], sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()


def _in_words(trial: Trial) -> str:
    """One line for one training."""
    what = (
        "none" if trial.candidate == NONE else f"size {trial.candidate.size:g} Å, weight x {trial.candidate.factor:g}"
    )
    errors = [
        f"{name} {value:.4g} {unit}"
        for name, value, unit in (("E", trial.energy, "meV/atom"), ("F", trial.forces, "meV/Å"))
        if value is not None
    ]
    return f"{what}, seed {trial.seed}: validation loss {trial.loss:.4g}, {', '.join(errors)}  {trial.seconds:.0f} s"
