"""Results of few_labels.py in a file: rows of what, value and unit, from which every training can be read again."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from few_labels_data import DATA_SETS
from few_labels_methods import BASELINE
from few_labels_training import Result

from mliap_hybrid.whole_file import whole_file


@dataclass(frozen=True)
class Case:
    """One training."""

    data: str
    size: int
    """Number of labelled structures."""
    head: str
    method: str
    seed: int

    def __str__(self) -> str:
        return f"{self.data} | {self.size} | {self.head} | {self.method} | seed {self.seed}"

    def with_method(self, method: str) -> Case:
        """The same with another method."""
        return replace(self, method=method)


def write_results(results: Mapping[Case, Result], path: Path) -> None:
    """Write rows: for each case but the seed and each quantity the mean, the spread, and the value of each seed."""
    rows = []
    for first in dict.fromkeys(replace(case, seed=0) for case in results):
        of_seeds = seeds_of(results, first)
        label = " | ".join(str(getattr(first, f.name)) for f in fields(Case)[:-1])
        for quantity in fields(Result):
            values = {seed: getattr(result, quantity.name) for seed, result in of_seeds.items()}
            rows.append(row(f"{label} | {quantity.name}", values, unit_of(quantity.name, first.data)))
        gains = paired_gains(results, first)
        for quantity_name, of_quantity in gains.items():
            rows.append(row(f"{label} | gain of {quantity_name}", of_quantity, "%"))
    with whole_file(path) as file:
        file.write(json.dumps(rows, indent=1, ensure_ascii=False).encode())


def read_results(path: Path) -> dict[Case, Result]:
    """What `write_results` wrote; nothing where there is no file."""
    if not path.is_file():
        return {}
    found: dict[Case, dict[str, float]] = {}
    for one in json.loads(path.read_text(encoding="utf-8")):
        data, size, head, method, quantity = one["what"].split(" | ")
        for seed, value in one["of_seeds"].items():
            found.setdefault(Case(data, int(size), head, method, int(seed)), {})[quantity] = value
    known = [f.name for f in fields(Result)]
    return {case: Result(**{name: of_case[name] for name in known}) for case, of_case in found.items()}


def seeds_of(results: Mapping[Case, Result], case: Case) -> dict[int, Result]:
    """Seed -> result, all else being that of the case."""
    return {other.seed: result for other, result in results.items() if replace(other, seed=case.seed) == case}


def paired_gains(results: Mapping[Case, Result], case: Case) -> dict[str, dict[int, float]]:
    """By how much each seed's errors are below those of the baseline of the same seed, per cent; energy and force."""
    own, baseline = seeds_of(results, case), seeds_of(results, case.with_method(BASELINE))
    return {
        name: {
            seed: 100.0 * (1.0 - getattr(own[seed], name) / getattr(baseline[seed], name))
            for seed in sorted(own.keys() & baseline.keys())
        }
        for name in ("energy", "force")
    }


def row(what: str, of_seeds: Mapping[int, float], unit: str) -> dict[str, object]:
    """One row of the file."""
    values = list(of_seeds.values())
    value = statistics.mean(values) if values else None
    spread = statistics.stdev(values) if len(values) > 1 else None
    return {"what": what, "value": value, "unit": unit, "spread": spread, "of_seeds": dict(of_seeds)}


def unit_of(quantity: str, data: str) -> str:
    """Unit of a field of `Result`."""
    of_data = DATA_SETS[data]
    units = {
        "energy": of_data.energy_unit,
        "validation": of_data.energy_unit,
        "force": of_data.force_unit,
        "loop": of_data.force_unit,
    }
    return {"angle": "degrees", "seconds": "s", "epochs": "", **units}[quantity]
