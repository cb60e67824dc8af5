"""Metrics of several runs, to be compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.report.metrics import Rows, read_metrics


def read_runs(paths: Sequence[Path]) -> dict[str, Rows]:
    """Metrics of runs, by the shortest end of their path that tells them apart.

    Parameters
    ----------
    paths : sequence of Path
        Run folders or metrics files; of a committee, the folder of the run stands for all members.

    Raises
    ------
    InputError
        If there is no metrics file, it is damaged, or it has no epoch yet.
    """
    files = [file for path in paths for file in _metrics_files(path)]
    files = list(dict.fromkeys(file.resolve() for file in files))
    n_parts = 1
    while len(names := {_name(file, n_parts) for file in files}) < len(files):
        n_parts += 1
    return {_name(file, n_parts): _read(file) for file in files} if names else {}


def _metrics_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    own = RunFolder(path).metrics
    found = (
        [own] if own.is_file() else sorted(path.glob("members/*/metrics.csv"), key=lambda file: int(file.parent.name))
    )
    if not found:
        raise InputError(f"{path} has no metrics.csv: expected the folder of a run, or a metrics file")
    return found


def _name(file: Path, n_parts: int) -> str:
    return "/".join(file.parent.parts[-n_parts:])


def _read(file: Path) -> Rows:
    try:
        rows = read_metrics(file)
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read as a metrics file: {error}") from None
    if not rows:
        raise InputError(f"{file} has no finished epoch yet")
    return rows
