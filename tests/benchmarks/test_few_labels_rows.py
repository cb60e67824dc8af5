"""Rows of few_labels.py: every training can be read from them again, and what is made of these is right."""

from pathlib import Path

import pytest


@pytest.fixture
def rows(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import few_labels_rows

    return few_labels_rows


def results_of(rows, energies, validations):
    """Method -> one training for each seed."""
    from few_labels_training import Result

    return {
        rows.Case("ethanol", 50, "direct", method, seed): Result(
            energy, 1.0, 5.0, 0.1, validations[method][seed], 2.0 + len(method), 10
        )
        for method, of_seeds in energies.items()
        for seed, energy in enumerate(of_seeds)
    }


ENERGIES = {"baseline": [2.0, 4.0], "labels first": [1.0, 3.0], "baseline same time": [0.1, 0.1]}
VALIDATIONS = {"baseline": [1.0, 2.0], "labels first": [1.5, 1.0], "baseline same time": [0.1, 0.1]}


def test_results_are_read_as_they_were_written(rows, tmp_path):
    results = results_of(rows, ENERGIES, VALIDATIONS)
    rows.write_results(results, tmp_path / "rows.json")
    assert rows.read_results(tmp_path / "rows.json") == results
    assert rows.read_results(tmp_path / "nothing.json") == {}


def test_gains_are_taken_seed_by_seed(rows):
    results = results_of(rows, ENERGIES, VALIDATIONS)
    gains = rows.paired_gains(results, rows.Case("ethanol", 50, "direct", "labels first", 0))
    assert gains == {"energy": {0: 50.0, 1: 25.0}, "force": {0: 0.0, 1: 0.0}}


def test_validation_frames_of_all_seeds_choose_one_method(rows):
    from few_labels_table import markdown, tuned

    results = results_of(rows, ENERGIES, VALIDATIONS)
    chosen = {case.seed: result.energy for case, result in tuned(results).items()}
    assert chosen == {0: 1.0, 1: 3.0}  # "labels first", although it is worse for seed 0
    compared = results_of(rows, ENERGIES | {"noise": [0.5, 0.5]}, VALIDATIONS | {"noise": [0.2, 0.2]})
    assert {case.seed: result.energy for case, result in tuned(compared).items()} == chosen  # it does not compete
    table = markdown(results)
    assert "| labels first | 2 ± 1.4 | 38 ± 18 | 1 ± 0 | 0.1 ± 0 | 1.4 |" in table
