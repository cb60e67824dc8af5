"""Which optimiser reaches the lowest validation error in the same processor time, for a network of few weights.

    python benchmarks/optimisers.py [--quick] [--json FILE] [--data FOLDER]

Ethanol (rMD17), gmp-2c3, network 24-24; forces and energies of 100 frames, energies alone of 700. The lowest error on
200 validation frames counts, and when it was within 2 % of that. Processor time is that of the steps alone. AdamW and
SOAP have the settings of features_table.py. Some eight minutes; `--quick` gives each a few seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from data_sets import rmd17

from mliap_hybrid.config import TrainingFile, parse_training_file
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.fitting.trainer import EpochResult
from mliap_hybrid.runs.make_trainer import make_trainer
from mliap_hybrid.runs.preparation import TrainingInputs, prepare

N_VALIDATION = 200
TASKS = {
    # What is trained: number of frames, whether with forces, seconds, unit of the error.
    "energies and forces of 100 frames": (100, True, 40.0, "meV/Å"),
    "energies of 700 frames": (700, False, 40.0, "meV/atom"),
}
OPTIMISERS: dict[str, dict[str, Any]] = {
    "soap": {"optimiser": "soap", "learning_rate": 4e-3, "weight_decay": 3e-2, "average_decay": 0.999},
    "adamw": {"optimiser": "adamw", "learning_rate": 4e-3, "weight_decay": 3e-2, "average_decay": 0.999},
    "lm": {"optimiser": "lm", "weight_decay": 1e-4},
    "lbfgs": {"optimiser": "lbfgs"},
}
"""Name -> settings; of the first two the schedule is constant, since the number of epochs is not known before."""


def main() -> None:
    """Train everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    options = parser.parse_args()
    if not (options.data / "rmd17").is_dir():
        parser.error(f"there is no rmd17 in {options.data}: name the folder of the data sets with --data")
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for task, (n_frames, with_forces, seconds, unit) in TASKS.items():
        inputs = None
        for name in OPTIMISERS:
            settings = settings_of(name, n_frames, with_forces)
            inputs = inputs or prepare_ethanol(settings, n_frames, options.data)
            lowest, when, epochs = train(inputs, settings, 2.0 if options.quick else seconds)
            print(f"{task:36s} {name:6s} {lowest:8.3f} {unit:9s} after {when:5.1f} s, {epochs} epochs", flush=True)
            quantity = "force" if with_forces else "energy"
            rows.append({"what": f"{task} | {name} | validation {quantity} RMSE", "value": lowest, "unit": unit})
            rows.append({"what": f"{task} | {name} | processor time to within 2 %", "value": when, "unit": "s"})
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def settings_of(name: str, n_frames: int, with_forces: bool) -> TrainingFile:
    """A training file for one optimiser; its data are not read from files."""
    content = {
        "data": {"files": ["ethanol"], "keys": {} if with_forces else {"forces": None}},
        "features": {"set": "gmp-2c3"},
        "repulsion": {"kind": "none"},
        "network": {"hidden": [24, 24], "whitening_damping": 1e-3},
        "loss": {"energy": 0.01 if with_forces else 1.0, "force_transition": None},
        "optimisation": OPTIMISERS[name]
        | {"epochs": 100_000, "schedule": "constant", "batch_size": max(4, n_frames // 25)},
    }
    return parse_training_file(content, name)


def prepare_ethanol(settings: TrainingFile, n_frames: int, data: Path) -> TrainingInputs:
    """The first training frames of rMD17, and its last ones for validation."""
    frames = [frame for frame in rmd17(data, "ethanol") if frame.info["split"] != "test"]
    batches = [frame_to_batch(frame, settings.features.cutoff, settings.data.keys) for frame in frames]
    return prepare(settings, batches[:n_frames], batches[-N_VALIDATION:], lambda items, _: items)


def train(inputs: TrainingInputs, settings: TrainingFile, seconds: float) -> tuple[float, float, int]:
    """Lowest validation RMSE in thousandths, processor time to within 2 % of it, and number of epochs."""
    trainer = make_trainer(settings, inputs)
    errors: list[float] = []
    times: list[float] = []

    def after_epoch(result: EpochResult) -> None:
        means = result.validation.means
        error = means.get("forces", means.get("energy"))
        assert error is not None
        errors.append(1000.0 * math.sqrt(float(error)))

    while trainer.why_finished is None and (not times or times[-1] < seconds):
        start = time.process_time()
        trainer.run(after_epoch, trainer.epoch + 1)
        of_validation = time.process_time()
        trainer.validate()  # once more, to know what it took
        of_steps = 2.0 * of_validation - start - time.process_time()
        times.append((times[-1] if times else 0.0) + of_steps)
    lowest = min(errors)
    return lowest, next(t for t, error in zip(times, errors, strict=True) if error < 1.02 * lowest), len(errors)


if __name__ == "__main__":
    main()
