"""Predicted charges: exactness, cost and energy conservation in LAMMPS, and what is learned from energies and forces.

    python benchmarks/charges.py [--only forces,cost,...] [--quick] [--data ../shared/data] [--json FILE]

forces        central differences of energies of LAMMPS + PPPM against its forces, water with an untrained model
engines       PPPM at three accuracies and the exact sum, beside Python, on 1 to 4 ranks
cost          µs/atom/step beside the same model with fixed charges, and beside coul/long + pppm without any model
random        charges of a gas of ions, from energies and forces alone
dimers        charged molecules drawn apart, beside a model without charges
dipeptides    charges and dipole moments, from energies and forces alone
conservation  512 water molecules, 20 ps on two ranks, with and without the response of the charges
clusters      silver trimers, carbon chains, salt clusters: no, fixed and predicted charges

All of it takes about an hour and a half on two cores, ten minutes of it for the model of water, which is trained if
runs/water/model.pt is not there; --quick takes some ten minutes. Rows are written after each part.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import charges_clusters
import charges_conservation
import charges_cost
import charges_exactness
import charges_learned
import torch
from charges_water import Row

from mliap_hybrid.config import parse_training_file, read_training_file
from mliap_hybrid.fitting.checkpoint import load_model
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train

ROOT = Path(__file__).resolve().parents[1]
TRAINING = ROOT / "training"
Part = Callable[[Path, argparse.Namespace], list[Row]]


def water_model(path: Path, epochs: int | None = None) -> Path:
    """The model of training/water, trained and exported if it is not there."""
    if not path.exists():
        settings = read_training_file(TRAINING / "water" / "train.yaml").model_dump(mode="json")
        settings["run"] = str(path.parent / "run")
        if epochs is not None:
            settings["optimisation"]["epochs"] = epochs
        with Display() as display:
            train(parse_training_file(settings, "the training file of water"), display)
        export_model(load_model(path.parent / "run"), path, dtype="float32")
    return path


PARTS: dict[str, Part] = {
    "forces": lambda folder, options: charges_exactness.finite_differences(folder),
    "engines": lambda folder, options: charges_exactness.engines(folder),
    "cost": lambda folder, options: charges_cost.cost(folder, charges_cost.SYSTEMS[: 3 if options.quick else 4]),
    "random": lambda folder, options: charges_learned.random_charges(
        TRAINING / "random_charges" / "random_charges.extxyz.xz"
    ),
    "dimers": lambda folder, options: charges_learned.charged_dimers(
        options.data / "longrange" / "lode_dimers", quick=options.quick
    ),
    "dipeptides": lambda folder, options: charges_learned.dipeptides(
        options.data / "longrange" / "spice_dipeptides_dipolar", quick=options.quick
    ),
    "conservation": lambda folder, options: charges_conservation.conservation(
        folder,
        water_model(folder / "model.pt", epochs=10) if options.quick else water_model(options.water),
        picoseconds=1.0 if options.quick else 20.0,
    ),
    "clusters": lambda folder, options: charges_clusters.clusters(
        TRAINING / "clusters", epochs=20 if options.quick else None
    ),
}
"""What `--only` names -> its rows."""


def main() -> None:
    """Run the parts that are asked for and print their rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="smaller systems, shorter runs and trainings")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--water", type=Path, default=ROOT / "runs" / "water" / "model.pt")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    parts = options.only.split(",")
    for part in parts:
        if part not in PARTS:
            sys.exit(f"unknown part '{part}': expected some of {', '.join(PARTS)}")
    if {"dimers", "dipeptides"} & set(parts) and not options.data.is_dir():
        sys.exit(f"the folder {options.data} does not exist: name that of the reference data with --data")

    torch.set_num_threads(1)  # small networks gain nothing from more
    rows: list[Row] = []
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            found = PARTS[part](Path(folder), options)
        for row in found:
            print(f"{row['what']:68s} {row['value']:12.5g} {row['unit']}", flush=True)
        rows += found
        if options.json:
            options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
