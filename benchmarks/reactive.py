"""Models of reactive systems: whether a run knows when it does not know, and what that costs.

    python benchmarks/reactive.py [--quick] [--json FILE] [--data FOLDER]

Rows of the guard: the share of atoms with large force errors that it finds in structures hotter than those of the
training (guard_recall.py), and what it adds to a step (guard_cost.py). `--quick`: small models, three minutes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from guard_cost import rows_of_cost
from guard_recall import rows_of_recall


def main() -> None:
    """Measure all rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for make in (lambda: rows_of_recall(options.data, options.quick), lambda: rows_of_cost(options.quick)):
        for row in make():
            print(f"{row['what']:84s} {row['value']:10.4g} {row['unit']}", flush=True)
            rows.append(row)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
