"""A physical force field whose parameters networks predict, on dimers of monoglyme: errors by component.

    python benchmarks/embedding.py [--quick] [--json FILE] [--data FOLDER] [--folds N] [--starts N]

Every fold holds out ten scans of fifty; errors are of points of the well (below 5 kcal/mol) of scans that were held
out. The same forms with constants of elements, and a pure network, are trained on the same points. "Trained to 5 Å,
tested beyond": molecules whose centres of mass are within 5 Å of each other, then those at 5 to 10 Å in held-out scans.
"Global optimisation": descents from many starts of the constants of elements, on the first fold. `--quick`: one fold
and few steps, in two minutes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from ase import Atoms
from embedding_data import dimers, held_out
from embedding_starts import starts
from embedding_training import errors_of, is_in_well
from torch import Tensor

NAMES = {"physical": "", "constants": ", constants of elements", "network": ", pure network"}
"""Kind of a model -> what its rows are called."""


def main() -> None:
    """Train everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--folds", type=int, default=5, choices=range(1, 6))
    parser.add_argument("--starts", type=int, default=16, help="of the global optimisation; 0 leaves it out")
    options = parser.parse_args()
    if not (options.data / "phyneo_peo").is_dir():
        parser.error(f"there is no phyneo_peo in {options.data}: name the folder of the data sets with --data")
    torch.set_num_threads(1)
    frames = dimers(options.data)
    n_folds, n_steps = (1, 60) if options.quick else (options.folds, 500)
    n_starts, n_descent = (min(4, options.starts), 20) if options.quick else (options.starts, 100)
    rows: list[dict[str, object]] = []

    def tell(what: str, value: float, unit: str = "kcal/mol") -> None:
        rows.append({"what": what, "value": value, "unit": unit})
        print(f"{what:75s} {value:8.3f} {unit}", flush=True)

    for kind, name in NAMES.items():
        for component, error in in_well(kind, frames, n_folds, n_steps).items():
            what = "total" if component == "energy" else component.removesuffix("_energy")
            tell(f"monoglyme dimers, held-out scans, well, {what} MAE{name}", error)
    for kind, name in NAMES.items():
        tell(f"trained to 5 Å, tested beyond, total MAE{name}", beyond(kind, frames, n_folds, n_steps))
    for row in starts(frames, n_starts, n_descent, n_steps) if n_starts else ():
        tell(*row)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def in_well(kind: str, frames: list[Atoms], n_folds: int, n_steps: int) -> dict[str, float]:
    """Mean absolute errors in the well over all folds."""
    found: dict[str, list[Tensor]] = {}
    for fold in range(n_folds):
        training, test = held_out(frames, fold)
        chosen = is_in_well(test)
        for name, errors in errors_of(kind, training, test, n_steps).items():
            found.setdefault(name, []).append(errors[chosen])
    return {name: float(torch.cat(errors).mean()) for name, errors in found.items()}


def beyond(kind: str, frames: list[Atoms], n_folds: int, n_steps: int) -> float:
    """Mean absolute error at 5 to 10 Å of a model that was trained below."""
    found = []
    for fold in range(n_folds):
        training, test = held_out(frames, fold)
        near = [atoms for atoms in training if atoms.info["distance"] <= 5.0]
        far = [atoms for atoms in test if 5.0 < atoms.info["distance"] <= 10.0]
        found.append(errors_of(kind, near, far, n_steps)["energy"][is_in_well(far)])
    return float(torch.cat(found).mean())


if __name__ == "__main__":
    main()
