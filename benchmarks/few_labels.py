"""What weak supervision gains where labels are few: energy and force errors beside the plain training.

    python benchmarks/few_labels.py --json FILE [--quick] [--only ethanol,TiO2] [--heads direct,energies]
                                    [--sizes 50,100] [--methods "baseline,labels first"] [--seeds 3] [--table]

Data sets: rMD17 ethanol and aspirin, TiO2; 50, 100, 200 and 950 labelled structures (TiO2: 750); three seeds, which
draw other structures and start from other weights. Steps are the same for all methods; a longer baseline has the time
of the slowest of them. Of each training the epoch with the lowest validation loss counts. What is in FILE already is
not trained again, so that a run that was interrupted goes on; `--table` prints what is there, and trains nothing.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from few_labels_data import DATA_SETS
from few_labels_methods import BASELINE, HEADS, LONGER, MAIN, methods
from few_labels_rows import Case, read_results, write_results
from few_labels_table import markdown
from few_labels_training import Result, Training

N_STEPS = 800
"""Steps of a training with forces of up to 200 frames; of more, twice as many, as from energies alone."""

QUICK = {"steps": 150, "methods": (BASELINE, "labels central thermal", "curvature thermal")}
"""One seed of ethanol with 50 labels, for two minutes."""


def main() -> None:
    """Train what is asked for and not there yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=Path("few_labels.json"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", type=names(DATA_SETS), default=list(DATA_SETS))
    parser.add_argument("--heads", type=names(HEADS), default=list(HEADS))
    parser.add_argument("--sizes", type=lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--methods", type=names([name for head in HEADS for name in methods(head, True)]))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--cache", type=Path, help="folder of features, to keep them")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.only, options.sizes, options.seeds, options.methods = ["ethanol"], [50], 1, QUICK["methods"]
        options.heads = ["direct", "energies"]
    results = read_results(options.json)
    if not options.table:
        present = [name for name in options.only if (options.data / DATA_SETS[name].folder).is_dir()]
        for name in options.only:
            if name not in present:
                print(f"{name} is left out: there is no {DATA_SETS[name].folder} in {options.data}", flush=True)
        if not present:
            parser.error(f"there is none of the data sets in {options.data}: name their folder with --data")
        torch.set_num_threads(1)
        with tempfile.TemporaryDirectory() as temporary:
            for name in present:
                train_data_set(name, options, options.cache or Path(temporary), results)
    print(markdown(results))


def train_data_set(name: str, options: argparse.Namespace, cache: Path, results: dict[Case, Result]) -> None:
    """All trainings of a data set; results are written after each."""
    data = DATA_SETS[name]
    frames = None
    for size in options.sizes or data.sizes:
        for seed in range(options.seeds):
            cases = [case for case in wanted(name, size, seed, options) if case not in results]
            if not cases:
                continue
            frames = frames or data.frames(options.data)
            training = Training(data, frames, size, seed, cache / name)
            for case in cases:
                results[case] = train(training, case, results, options.quick)
                write_results(results, options.json)
                print(f"{case}: {results[case]}", flush=True)


def wanted(name: str, size: int, seed: int, options: argparse.Namespace) -> list[Case]:
    """Trainings on the same frames, the longer baseline after what it is beside."""
    with_more = size == 50
    return [
        Case(name, size, head, method, seed)
        for head in options.heads
        for method in methods(head, with_more or bool(options.methods))
        if not options.methods or method in options.methods
    ]


def train(training: Training, case: Case, results: dict[Case, Result], quick: bool) -> Result:
    """One training."""
    of_head = DATA_SETS[case.data].n_steps_energies if case.head == "energies" else N_STEPS
    n_steps = QUICK["steps"] if quick else of_head * (2 if case.size > 200 else 1)
    if case.method != LONGER:
        return training.run(case.head, methods(case.head, True)[case.method], n_steps)
    beside = {m: results.get(case.with_method(m)) for m in MAIN[case.head]}
    seconds = {m: result.seconds for m, result in beside.items() if result is not None}
    if BASELINE not in seconds:
        raise SystemExit(f"{case}: the plain baseline has to be there before")
    return training.run(case.head, {}, round(n_steps * max(seconds.values()) / seconds[BASELINE]))


def names(known: Iterable[str]) -> Callable[[str], list[str]]:
    """A list of names with commas in one argument, for argparse."""

    def split(text: str) -> list[str]:
        found = [name.strip() for name in text.split(",")]
        for name in found:
            if name not in known:
                raise argparse.ArgumentTypeError(f"unknown {name!r}: expected some of {', '.join(known)}")
        return found

    return split


if __name__ == "__main__":
    main()
