"""Tables of few_labels.py, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from few_labels_data import DATA_SETS
from few_labels_methods import BASELINE, COMPARED, LONGER, TUNED, methods
from few_labels_rows import Case, paired_gains, seeds_of
from few_labels_training import Result

HEAD_TITLES = {
    "direct": "direct forces",
    "conservative": "conservative forces",
    "energies": "conservative, energies alone",
}


def markdown(results: Mapping[Case, Result]) -> str:
    """One table for each data set and way of training: errors, gains over the baseline, and time over its time.

    Of direct forces, also the work round closed loops over their length, in the unit of the forces.

    Parameters
    ----------
    results : mapping of Case to Result

    Returns
    -------
    str
    """
    results = {**results, **tuned(results)}
    tables = []
    for data, head in dict.fromkeys((case.data, case.head) for case in results):
        own = {case: result for case, result in results.items() if (case.data, case.head) == (data, head)}
        tables.append(_table(data, head, own))
    return "\n\n".join(tables)


def tuned(results: Mapping[Case, Result]) -> dict[Case, Result]:
    """For each data set, size and way of training, the results of the method with the lowest validation error.

    As `mliap-hybrid tune` chooses: by the mean of the energy's errors over the seeds, among weak supervision and none.
    Augmentation, virtual adversarial and longer training are not among them; test errors have no say.
    """
    chosen: dict[Case, Result] = {}
    for cell in dict.fromkeys(replace(case, seed=0, method=TUNED) for case in results):
        candidates = {
            method: seeds_of(results, cell.with_method(method))
            for method in methods(cell.head, with_more=True)
            if method not in (LONGER, *COMPARED)
        }
        present = [of_seeds for of_seeds in candidates.values() if of_seeds]
        best = min(present, key=lambda of_seeds: statistics.mean(result.validation for result in of_seeds.values()))
        chosen |= {replace(cell, seed=seed): result for seed, result in best.items()}
    return chosen


def _table(data: str, head: str, results: Mapping[Case, Result]) -> str:
    """Rows are methods, columns numbers of labels."""
    sizes = sorted({case.size for case in results})
    order = [*methods(head, with_more=True), TUNED]
    present = sorted({case.method for case in results}, key=order.index)
    of_data = DATA_SETS[data]
    has_loops = head == "direct"
    title = (
        f"**{data}, {HEAD_TITLES[head]}**: E and F are RMSE in {of_data.energy_unit} and {of_data.force_unit}, gain is "
        "that of E over the baseline of the same seeds in %"
    )
    header = [f"E, N = {size} | gain | F" for size in sizes] + [f"loop, N = {sizes[0]}"] * has_loops + ["time"]
    lines = [
        title,
        "",
        "| method | " + " | ".join(header) + " |",
        "|" + "---|" * (3 * len(sizes) + has_loops + 2),
    ]
    for method in present:
        cells = [cell for size in sizes for cell in _cells(results, Case(data, size, head, method, 0))]
        if has_loops:
            of_seeds = seeds_of(results, Case(data, sizes[0], head, method, 0)).values()
            cells.append(_with_spread([result.loop for result in of_seeds], 2))
        cells.append("" if method == TUNED else _time(results, method))
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cells(results: Mapping[Case, Result], case: Case) -> list[str]:
    """Energy, its gain, force; each with its spread over seeds."""
    of_seeds = list(seeds_of(results, case).values())
    gains = [] if case.method == BASELINE else list(paired_gains(results, case)["energy"].values())
    return [
        _with_spread([result.energy for result in of_seeds], 3),
        _with_spread(gains, 2),
        _with_spread([result.force for result in of_seeds], 3),
    ]


def _with_spread(values: Sequence[float], digits: int) -> str:
    """Mean and standard deviation over seeds."""
    if not values:
        return ""
    mean = float(f"{statistics.mean(values):.{digits}g}")
    return f"{mean:g}" if len(values) < 2 else f"{mean:g} ± {statistics.stdev(values):.2g}"


def _time(results: Mapping[Case, Result], method: str) -> str:
    """Mean time of a method over that of the baseline on the same frames."""
    pairs = [
        (result, results.get(case.with_method(BASELINE))) for case, result in results.items() if case.method == method
    ]
    ratios = [result.seconds / baseline.seconds for result, baseline in pairs if baseline is not None]
    return f"{statistics.mean(ratios):.1f}" if ratios else ""
