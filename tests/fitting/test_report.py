"""The numbers in the error table and the metrics file."""

import math

import numpy as np
import pytest
import torch

from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.evaluation import Evaluation, Parity
from mliap_hybrid.fitting.losses import SquaredErrors
from mliap_hybrid.fitting.memory import available_memory, check_memory
from mliap_hybrid.fitting.metrics import MetricsFile, read_metrics
from mliap_hybrid.fitting.plots import write_learning_curve, write_parity_plots
from mliap_hybrid.fitting.report import error_table
from mliap_hybrid.fitting.trainer import EpochResult

ENERGY = Parity(np.array([0.0, 0.1]), np.array([0.003, 0.096]))
FORCES = Parity(np.array([3.0, -4.0, 0.0, 0.0]), np.array([3.0, -4.2, 0.0, 0.0]))


def test_error_table():
    table = error_table({"test": Evaluation(2, ENERGY, FORCES, None), "train": Evaluation(7, ENERGY, None, None)})
    header, _, test, train = (line.strip("|").split("|") for line in table.splitlines())
    named = dict(zip((cell.strip() for cell in header), (cell.strip() for cell in test), strict=True))
    assert named["split"] == "test"
    assert named["energy RMSE (meV/atom)"] == f"{math.sqrt((9 + 16) / 2):.3g}"
    assert named["energy MAE (meV/atom)"] == "3.5"
    assert named["force RMSE (meV/Å)"] == "100"
    assert named["force MAE (meV/Å)"] == "50"
    assert named["force RMSE (% of RMS)"] == "4.00"  # 0.1 of 2.5 eV/Å
    assert named["virial RMSE (meV/atom)"] == "-"
    assert [cell.strip() for cell in train][4:] == ["-"] * 5


def result(epoch):
    errors = SquaredErrors(torch.tensor(1e-6), torch.tensor(4e-4), None)
    return EpochResult(epoch, 1e-3, errors, errors, 0.5, True, 0.1)


def test_metrics_are_kept_up_to_the_checkpoint(tmp_path):
    path = tmp_path / "metrics.csv"
    file = MetricsFile(path)
    for epoch in (1, 2, 3):
        file.append(result(epoch))
    MetricsFile(path, finished_epochs=2).append(result(3))
    rows = read_metrics(path)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[0]["train_energy_rmse"] == pytest.approx(1.0)
    assert rows[0]["validation_force_rmse"] == pytest.approx(20.0)
    assert math.isnan(rows[0]["train_virial_rmse"])
    MetricsFile(path)
    assert read_metrics(path) == []


def test_plots_are_written_where_there_are_labels(tmp_path):
    written = write_parity_plots({"mine": Evaluation(2, ENERGY, FORCES, None)}, tmp_path / "plots")
    assert [path.name for path in written] == ["parity_energy.png", "parity_forces.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    assert write_learning_curve(tmp_path / "none.csv", tmp_path) is None


def test_memory():
    available = available_memory()
    assert available is None or 10**7 < available < 10**14
    check_memory(10**9, None)
    check_memory(700, 1000)
    with pytest.raises(InputError, match="at most 70% may be used"):
        check_memory(701, 1000)
