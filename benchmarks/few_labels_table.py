"""Tables of few_labels.py, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from few_labels_data import DATA_SETS
from few_labels_methods import BASELINE, LONGER, TUNED, methods
from few_labels_rows import Case, paired_gains, seeds_of
from few_labels_training import Result

HEAD_TITLES = {
    "direct": "direct forces",
    "conservative": "conservative forces",
    "energies": "conservative, energies alone",
}


def markdown(results: Mapping[Case, Result]) -> str:
    """One table for each data set and way of training: energy and force errors, and gains over the baseline.

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
    """For each data set, size, way of training and seed, the result with the lowest validation error of the energy.

    The baseline is one of them, longer ones are not; test errors have no say.
    """
    best: dict[Case, Result] = {}
    for case, result in results.items():
        of_choice = case.with_method(TUNED)
        if case.method != LONGER and (of_choice not in best or result.validation < best[of_choice].validation):
            best[of_choice] = result
    return best


def _table(data: str, head: str, results: Mapping[Case, Result]) -> str:
    """Rows are methods, columns numbers of labels."""
    sizes = sorted({case.size for case in results})
    order = [*methods(head, with_more=True), TUNED]
    present = sorted({case.method for case in results}, key=order.index)
    of_data = DATA_SETS[data]
    units = f"energy RMSE in {of_data.energy_unit}, force RMSE in {of_data.force_unit}"
    lines = [
        f"**{data}, {HEAD_TITLES[head]}**: {units}; gain of the energy over the baseline, same seeds",
        "",
        "| method | " + " | ".join(f"E, N = {size} | gain % | F" for size in sizes) + " | time |",
        "|" + "---|" * (3 * len(sizes) + 2),
    ]
    baseline = _mean_seconds(results, BASELINE)
    for method in present:
        cells = []
        for size in sizes:
            cells += _cells(results, Case(data, size, head, method, 0))
        time = _mean_seconds(results, method)
        ratio = f"{time / baseline:.1f}" if time and baseline and method != TUNED else ""
        lines.append(f"| {method} | " + " | ".join(cells) + f" | {ratio} |")
    return "\n".join(lines)


def _cells(results: Mapping[Case, Result], case: Case) -> list[str]:
    """Energy, its gain, force; each with its spread over seeds."""
    of_seeds = list(seeds_of(results, case).values())
    if not of_seeds:
        return ["", "", ""]
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
    mean = f"{statistics.mean(values):#.{digits}g}".rstrip(".")
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.2g}"


def _mean_seconds(results: Mapping[Case, Result], method: str) -> float | None:
    """Mean over the sizes for which the baseline is there."""
    seconds = [r.seconds for c, r in results.items() if c.method == method]
    return statistics.mean(seconds) if seconds else None
