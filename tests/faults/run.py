"""Runs the fault matrix: `python tests/faults/run.py [--table docs/faults.md] [options of pytest]`.

The last line is `faults ok: N cases`, and the status 0, or there is a list of what failed, and the status 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest
from fault_table import Cell, write_tables

FOLDER = Path(__file__).parent
PROCESSES = "2"


class Matrix:
    """Plugin of pytest that keeps what the tests say of themselves, in whichever process they run."""

    def __init__(self) -> None:
        self.cells: dict[int, Cell] = {}
        """Position of a test among all -> what it shows."""
        self.passed: list[str] = []
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest for setup, call and teardown of each test."""
        said = dict(report.user_properties)
        if report.failed:
            self.failed.append(report.nodeid)
        elif report.passed and report.when == "call":
            self.passed.append(report.nodeid)
        if "cell" in said and (report.when == "call" or report.failed):
            row, column, text, oracle = said["cell"]
            self.cells[said["position"]] = Cell(row, column, "FAILS" if report.failed else text, oracle)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Called by pytest for each file."""
        if report.failed:
            self.failed.append(report.nodeid)


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description="Run the fault matrix.")
    parser.add_argument("--table", type=Path, help="page whose tables are written anew")
    known, others = parser.parse_known_args()
    matrix = Matrix()
    options = ["-m", "faults", "-q", "-p", "no:cacheprovider", "--numprocesses", PROCESSES, "--dist", "loadfile"]
    status = pytest.main([str(FOLDER), *options, *others], plugins=[matrix])
    if known.table:
        write_tables(known.table, [matrix.cells[position] for position in sorted(matrix.cells)])
    if status == 0:
        print(f"faults ok: {len(matrix.passed)} cases")
        return 0
    print(f"faults failed: {len(matrix.failed)} cases")
    print("\n".join(f"  {name}" for name in matrix.failed))
    return 1


if __name__ == "__main__":
    sys.exit(main())
