"""Global optimisation of the constants of elements of the physical force field: the best of many starts beside one."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from ase import Atoms
from embedding_data import held_out
from embedding_training import absolute_errors, is_in_well, prepared, train

from mliap_hybrid.fitting.element_coordinates import ElementCoordinates
from mliap_hybrid.fitting.global_search import Descent, GlobalSearch, search
from mliap_hybrid.fitting.model_factory import make_trainable_model
from mliap_hybrid.fitting.objective import Objective
from mliap_hybrid.fitting.processes.process_group import ProcessGroup


def starts(frames: list[Atoms], n_starts: int, n_steps: int, n_training: int) -> Iterator[tuple[str, float, str]]:
    """Rows of one fold: what, value, unit; `n_training` steps train predicted parameters from the best start."""
    training, test = held_out(frames, 0)
    settings, fit, parts = prepared("constants", training, test)
    model = make_trainable_model(settings, fit, parts[0])
    model.energies_alone = True
    descents = GlobalSearch(Objective(model, parts[0], settings.loss, 128), n_steps, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        found = search(descents, n_starts, Path(folder) / "starts", "", ProcessGroup(), lambda descents: None)
    single = [descent for descent in found if descent.kind != "lowest minimum, changed"]
    best = min(found, key=lambda descent: descent.loss)
    median = sorted(single, key=lambda descent: descent.loss)[(len(single) - 1) // 2]
    title = f"global optimisation of constants, {n_starts} starts of {n_steps} steps"
    in_middle = statistics.median(descent.loss for descent in single)
    yield f"{title}: loss of the median start over the best", in_middle / best.loss, ""
    yield f"{title}: loss of the start from free atoms over the best", found[0].loss / best.loss, ""

    def error(descent: Descent) -> float:
        ElementCoordinates(model).move_to(torch.tensor(descent.minimum, dtype=torch.float64))
        return float(absolute_errors(model, parts[1])["energy"][is_in_well(test)].mean())

    what = f"{title}: held-out scans, well, total MAE"
    for name, descent in {"best start": best, "median start": median, "start from free atoms": found[0]}.items():
        yield f"{what}, {name}", error(descent), "kcal/mol"

    settings, fit, parts = prepared("physical", training, test)
    predicting = make_trainable_model(settings, fit, parts[0])
    ElementCoordinates(predicting).move_to(torch.tensor(best.minimum, dtype=torch.float64))
    train(predicting, parts[0], settings, n_training, seed=0)
    found_error = absolute_errors(predicting, parts[1])["energy"][is_in_well(test)].mean()
    yield f"{what}, parameters predicted from the best start on", float(found_error), "kcal/mol"
