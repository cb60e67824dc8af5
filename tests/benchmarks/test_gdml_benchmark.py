"""The benchmark of sGDML still runs, and reaches the published errors."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "sgdml.py"
DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.slow
def test_ethanol(tmp_path):
    if not (DATA / "rmd17").is_dir():
        pytest.skip("rmd17 is not in ../shared/data")
    output = tmp_path / "rows.json"
    command = [sys.executable, str(SCRIPT), "--only", "ethanol", "--sizes", "200", "--data", str(DATA)]
    subprocess.run([*command, "--threads", "1", "--json", str(output)], check=True, capture_output=True)
    rows = {row["what"]: row["value"] for row in json.loads(output.read_text())}
    assert rows["ethanol N=200 force MAE"] == pytest.approx(0.86, abs=0.05)  # kcal/mol/Å
    assert rows["ethanol N=200 GDML without symmetries force MAE"] > 1.5 * rows["ethanol N=200 force MAE"]
    assert rows["ethanol N=200 peak GB, without imports"] < 0.4
    assert rows["geometries/s"] > 0.0


def test_missing_data_is_one_sentence(tmp_path, last_words):
    assert "nowhere" in last_words(SCRIPT.name, "--threads", "1", "--data", str(tmp_path / "nowhere"))
