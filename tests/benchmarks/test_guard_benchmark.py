"""The recall of a guard, and that its benchmark runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def guard_recall(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import guard_recall as module

    return module


def test_recall_is_counted_at_five_per_cent_of_the_good_atoms(guard_recall):
    """A hundred cold atoms of error 0.1, signals 1 to 100; hot ones of signals 90 to 99, every other of them bad."""
    cold = guard_recall.Signals(np.arange(1.0, 101.0), np.full(100, 0.1))
    hot = guard_recall.Signals(np.arange(90.0, 100.0), np.tile([0.2, 0.4], 5))
    at_cold, at_hot, n_bad = guard_recall.recalls(cold, hot)
    assert at_cold == pytest.approx(2 / 5)  # the limit is 95.05: 97 and 99 of 91, 93, 95, 97, 99
    assert at_hot == pytest.approx(1 / 5)  # and 97.6 of the good ones at 90, 92, 94, 96, 98
    assert n_bad == pytest.approx(50.0)


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "h2_combustion").is_dir(), reason="../shared/data/h2_combustion is not there")
def test_reactive(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "reactive.py"), "--quick", "--json", str(tmp_path / "rows.json")]
    subprocess.run(command, check=True, capture_output=True)
    rows = {row["what"]: row["value"] for row in json.loads((tmp_path / "rows.json").read_text())}
    assert rows["guard recall at 5 % false alarms"] > 0.7
    assert rows["guard cost %"] < 15.0
