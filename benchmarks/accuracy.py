"""What each ingredient gives to the accuracy of a model trained on 950 frames of rMD17, energies and forces.

    python benchmarks/accuracy.py [--quick] [--json FILE] [--data FOLDER] [--keep FOLDER] [--names ethanol,aspirin]

The best recipe (the largest set of features, whitened; SOAP; a loss that counts large force errors less; a committee)
and the same with one ingredient taken out or changed. Everything is chosen by validation errors; test frames are looked
at in the end. `--keep` leaves the result of every run in a folder, and what is there is not repeated. `--quick`: a
committee of two on ethanol for a few epochs.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from data_sets import FRAMES, KCAL
from features_table import RECIPE, data_settings
from rich.console import Console

from mliap_hybrid.config import TrainingFile, parse_training_file
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train

N_MEMBERS = 4
BEST: dict[str, Any] = {"features": {"set": "gmp-3c3w", "widths": [0.25, 0.5, 1.0, 2.0]}} | RECIPE

ROWS: dict[str, dict[str, Any]] = {
    "one network": {},
    f"committee of {N_MEMBERS}": {"committee": {"n_members": N_MEMBERS}},
    "features gmp-3c3": {"features": {"set": "gmp-3c3"}},
    "features gmp-2c3": {"features": {"set": "gmp-2c3"}},
    "features acsf": {"features": {"set": "acsf"}},
    "whitening all but off": {"network": {"whitening_damping": 10.0}},
    "AdamW": {"optimisation": {"optimiser": "adamw"}},
    "squared force errors": {"loss": {"force_transition": None}},
    "half the epochs": {"optimisation": {"epochs": 70}},
    "twice the epochs": {"optimisation": {"epochs": 280}},
}
"""What a row of the table is called -> what is otherwise than in the best recipe of one network."""

OF_ASPIRIN = ("one network", f"committee of {N_MEMBERS}")
"""Rows of aspirin; the others are of ethanol alone."""

QUICK: dict[str, Any] = {
    "features": {"set": "gmp-2c3"},
    "committee": {"n_members": 2},
    "optimisation": {"epochs": 10},
}


def main() -> None:
    """Train everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--names", default="ethanol,aspirin")
    options = parser.parse_args()
    if not (options.data / "rmd17").is_dir():
        parser.error(f"there is no rmd17 in {options.data}: name the folder of the data sets with --data")
    torch.set_num_threads(1)
    runs = [(name, row, ROWS[row]) for name in options.names.split(",") for row in ROWS]
    runs = [run for run in runs if run[0] == "ethanol" or run[1] in OF_ASPIRIN]
    if options.quick:
        runs = [("ethanol", "quick, committee of 2", QUICK)]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, row, changes in runs:
            file = (options.keep or Path(temporary)) / f"{name}_{row}.json".replace(" ", "-")
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(json.dumps(errors_of(name, changes, options.data, Path(temporary))))
            for quantity, value in json.loads(file.read_text()).items():
                unit = "kcal/mol/Å" if "force" in quantity else "kcal/mol"
                print(f"{name} | {row:22s} | {quantity:22s} {value:8.4f} {unit}", flush=True)
                rows.append({"what": f"{name} | {row} | {quantity}", "value": value, "unit": unit})
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def errors_of(name: str, changes: dict[str, Any], data: Path, temporary: Path) -> dict[str, float]:
    """Test and validation errors of one recipe."""
    with tempfile.TemporaryDirectory() as folder:
        settings = training_file(name, changes, data, temporary / "cache", Path(folder))
        with Display(Console(file=io.StringIO())) as display:
            evaluations = train(settings, display)
    assert evaluations is not None
    test, validation = evaluations["test"], evaluations["validation"]
    assert test.energy is not None
    assert test.forces is not None
    assert validation.forces is not None
    n_atoms = len(FRAMES[name](data)[0])
    return {
        "force MAE": test.forces.mae / KCAL,
        "energy MAE": test.energy.mae * n_atoms / KCAL,
        "validation force MAE": validation.forces.mae / KCAL,
    }


def training_file(name: str, changes: dict[str, Any], data: Path, cache: Path, folder: Path) -> TrainingFile:
    """The settings of a run, its frames written to `folder`."""
    content: dict[str, Any] = BEST | {
        "run": str(folder / "run"),
        "data": data_settings(name, data, cache / name, folder),
    }
    for section, values in changes.items():
        content[section] = content.get(section, {}) | values
    return parse_training_file(content, name)


if __name__ == "__main__":
    main()
