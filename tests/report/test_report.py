"""The numbers in the error table and the metrics file."""

import base64
import dataclasses
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.losses import SquaredErrors
from mliap_hybrid.fitting.memory import available_memory, check_memory
from mliap_hybrid.fitting.trainer import EpochResult
from mliap_hybrid.model.training_distance import DistanceDescription
from mliap_hybrid.report.error_tables import error_table
from mliap_hybrid.report.evaluation import ComparedFrame, Evaluation, Parity, evaluation_of
from mliap_hybrid.report.learning_curves import learning_curve_figure, write_learning_curve
from mliap_hybrid.report.metrics import read_metrics
from mliap_hybrid.report.parity_plots import write_error_sizes, write_parity_plots
from mliap_hybrid.report.reliability import reliability_table
from mliap_hybrid.report.report import Report, write_report
from mliap_hybrid.runs.compared_runs import read_runs
from mliap_hybrid.runs.metrics_file import MetricsFile

ENERGY = Parity(np.array([0.0, 0.1]), np.array([0.003, 0.096]))
FORCES = Parity(np.array([3.0, -4.0, 0.0, 0.0]), np.array([3.0, -4.2, 0.0, 0.0]))


def test_error_table():
    forces = Parity(np.append(FORCES.labels, [0, 0]), np.append(FORCES.predictions, [0, 0]))
    sets = {"test": Evaluation(2, {"energy": ENERGY, "forces": forces}), "train": Evaluation(7, {"energy": ENERGY})}
    table = error_table(sets).markdown()
    header, _, test, train = (line.strip("|").split("|") for line in table.splitlines())
    named = dict(zip((cell.strip() for cell in header), (cell.strip() for cell in test), strict=True))
    assert named["split"] == "test"
    assert named["energy RMSE (meV/atom)"] == f"{math.sqrt((9 + 16) / 2):.3g}"
    assert named["energy MAE (meV/atom)"] == "3.5"
    assert named["force RMSE (meV/Å)"] == f"{200 / math.sqrt(6):.3g}"
    assert named["force MAE (meV/Å)"] == f"{200 / 6:.3g}"
    assert named["force RMSE (% of RMS)"] == "4.00"  # 0.2 of 5 eV/Å
    assert named["force angle (°)"] == f"{math.degrees(math.acos((9 + 16.8) / (5 * math.hypot(3, 4.2)))):.2f}"
    assert not any("virial" in name for name in named)  # which no set has
    assert [cell.strip() for cell in train][4:] == ["-"] * 4


def result(epoch):
    squares = {"energy": torch.tensor(1e-6), "forces": torch.tensor(4e-4)}
    errors = SquaredErrors(squares, squares)
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
    evaluations = {"mine": Evaluation(2, {"energy": ENERGY, "forces": FORCES})}
    written = write_parity_plots(evaluations, tmp_path / "plots")
    assert [path.name for path in written] == ["parity_energy.png", "parity_forces.png"]
    written.append(write_error_sizes(evaluations, tmp_path / "plots"))
    exact = Evaluation(2, {"energy": Parity(ENERGY.labels, ENERGY.labels)})
    written.append(write_error_sizes({"exact": exact}, tmp_path / "exact"))
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    assert write_learning_curve(tmp_path / "none.csv", tmp_path) is None


def compared(config_type):
    forces = np.array([[3.0, -4.0, 0.0], [0.0, 1.0, 0.0]])
    labels = {"energy": np.array([0.1]), "forces": forces}
    predictions = {"energy": np.array([0.11]), "forces": forces + 0.05}
    return ComparedFrame(np.array([1, 8]), labels, predictions, f"<{config_type}>.extxyz, frame 0", config_type)


def test_the_page_holds_everything_and_asks_nothing_of_the_network(tmp_path):
    evaluation = evaluation_of([compared("gas"), compared("liquid")])
    MetricsFile(tmp_path / "metrics.csv").append(result(1))
    report = Report("A & B", "Some words.", {"train": evaluation, "test": evaluation}, {"features": "32"})
    report = dataclasses.replace(report, metrics={"": tmp_path / "metrics.csv"}, settings="seed: 0 # <none>")
    *_, page = write_report(report, tmp_path / "report")
    text = page.read_text(encoding="utf-8")
    for expected in ("<h1>A &amp; B</h1>", "<td>liquid</td>", "<td>O</td>", "seed: 0 # &lt;none&gt;", "Learning curve"):
        assert expected in text
    assert "&lt;gas&gt;.extxyz, frame 0" in text
    sources = re.findall(r'(?:src|href|url|@import)\s*[=(]\s*"?([^">]{0,30})', text)
    assert len(sources) == 4
    for source in sources:
        assert source.startswith("data:image/png;base64,")
    pictures = [base64.b64decode(code) for code in re.findall(r'base64,([^"]+)"', text)]
    assert all(picture in [file.read_bytes() for file in page.parent.glob("*.png")] for picture in pictures)
    tags = HTMLTags()
    tags.feed(text)
    assert not tags.open
    markdown = (tmp_path / "report" / "errors.md").read_text(encoding="utf-8")
    for expected in ("## By element, test", "## By configuration type, test", "| liquid", "force angle (°)"):
        assert expected in markdown


class HTMLTags(HTMLParser):
    """Which tags are open; an error where one is closed that is not."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_reliability_of_distances(tmp_path):
    """Four atoms of the test frames: errors of 1, 1, 4 and 5 times the usual one, at such distances."""
    limits = DistanceDescription(outside=4.5, caution=2.0, force_error=0.1, n_atoms=4)
    errors, labels = np.array([0.1, 0.1, 0.4, 0.5]), np.zeros((4, 3))
    away = np.stack([errors, 0 * errors, 0 * errors], axis=1)
    frame = ComparedFrame(
        np.full(4, 11), {"forces": labels}, {"forces": away}, distances=np.array([1.0, 3.0, 1.5, 5.0])
    )
    unlabelled = ComparedFrame(np.full(2, 11), {}, {}, distances=np.array([0.5, 9.0]))
    sets = {
        "test": evaluation_of([frame]),
        "data": evaluation_of([frame, unlabelled]),
        "far": Evaluation(1, {}, [unlabelled]),
    }
    table = reliability_table(sets, limits)
    assert [cell.strip() for cell in table.rows[0]] == ["atoms, test", "4", "5", "50", "25", "50", "50", "50"]
    assert list(table.rows[1]) == ["atoms, data", "6", "9", "50", "33.3", "50", "50", "50"]
    assert list(table.rows[2]) == ["atoms, far", "2", "9", "50", "50", "-", "-", "-"]
    report = Report("title", "words", sets, distance=limits)
    *_, page = write_report(report, tmp_path)
    assert (tmp_path / "reliability.png").is_file()
    assert "Distance to the training set" in page.read_text(encoding="utf-8")
    assert reliability_table({"test": Evaluation(2, {})}, limits) is None


def test_learning_curves_of_several_runs(tmp_path):
    for name, n_epochs in (("a/one", 3), ("b/one", 2), ("b/many/members/1", 2), ("b/many/members/2", 2)):
        (tmp_path / name).mkdir(parents=True)
        file = MetricsFile(tmp_path / name / "metrics.csv")
        for epoch in range(1, n_epochs + 1):
            file.append(result(epoch))
    runs = read_runs([tmp_path / "a/one", tmp_path / "b/one/metrics.csv"])
    assert {name: len(rows) for name, rows in runs.items()} == {"a/one": 3, "b/one": 2}
    figure = learning_curve_figure(runs, "time")
    energy, force = figure.axes
    assert energy.get_xlabel() == "time (s)"
    assert force.get_ylabel() == "RMSE (meV/Å)"
    lines = {line.get_label(): line for line in force.lines}
    np.testing.assert_allclose(lines["a/one"].get_xdata(), [0.1, 0.2, 0.3])
    np.testing.assert_allclose(lines["b/one"].get_ydata(), [20.0, 20.0])
    assert len(read_runs([tmp_path / "b/many"])) == 2
    single = learning_curve_figure(read_runs([tmp_path / "a/one"]))
    assert [line.get_label() for line in single.axes[0].lines] == ["train", "validation"]


def test_runs_without_metrics_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no metrics\.csv"):
        read_runs([tmp_path])
    MetricsFile(tmp_path / "metrics.csv")
    with pytest.raises(InputError, match="no finished epoch"):
        read_runs([tmp_path])
    (tmp_path / "metrics.csv").write_text("a,b\n1,1\nx,y\n")
    with pytest.raises(InputError, match="cannot be read as a metrics file"):
        read_runs([tmp_path])


def test_memory():
    available = available_memory()
    assert available is None or 10**7 < available < 10**14
    check_memory(10**9, None)
    check_memory(700, 1000)
    with pytest.raises(InputError, match="at most 70% may be used"):
        check_memory(701, 1000)
