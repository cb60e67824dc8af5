"""Whole runs with predicted charges: what they leave, that they go on bit for bit, and that older files are read."""

from __future__ import annotations

import csv
import math

import pytest
import torch

from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import load_model, read_checkpoint, write_checkpoint
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.report.metrics import columns, read_metrics
from mliap_hybrid.runs import run as run_module
from mliap_hybrid.runs.earlier_run import fingerprint
from mliap_hybrid.runs.metrics_file import MetricsFile
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.labelled import TRUE_CHARGE, small_settings, write_labelled_frames

pytestmark = pytest.mark.usefixtures("undrawn_figures")


def predicted_charges(folder, **changes):
    electrostatics = {"charges": "predicted", "charge_hidden": [4]} | changes.pop("electrostatics", {})
    return small_settings(folder, electrostatics=electrostatics, **changes)


@pytest.fixture(scope="module", params=["shift", "increments"])
def finished(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    settings = predicted_charges(folder, electrostatics={"neutrality": request.param}, loss={"charges": 1000.0})
    return settings, train(settings, Display())


def test_charges_are_learned_and_reported(finished):
    settings, evaluations = finished
    folder = RunFolder(settings.run)
    table = (folder.report / "errors.md").read_text()
    assert f"Charges: predicted ({settings.electrostatics.neutrality}), mean Na +" in table
    assert f"{1000 * evaluations['test'].parities['charges'].rmse:.3g}" in table.split("| test")[1].split("\n")[0]
    assert (folder.report / "parity_charges.png").stat().st_size > 100
    assert not (folder.report / "parity_dipole.png").exists()
    with folder.metrics.open() as file:
        names, units, *rows = list(csv.reader(file))
    column = names.index("validation_charge_rmse")
    assert units[column] == "me"
    assert float(rows[-1][column]) < 0.9 * float(rows[0][column])
    assert rows[-1][names.index("validation_dipole_rmse")] == ""


def test_reported_errors_are_those_of_the_model_in_the_checkpoint(finished):
    settings, evaluations = finished
    model = load_model(settings.run)
    batches = run_module.load_data(settings, Display())["test"]
    charges = [Evaluator(model).predict(batch).charges for batch in batches]
    errors = torch.cat(charges) - torch.cat([batch.charges for batch in batches])
    rmse = errors.square().mean().sqrt().item()
    assert evaluations["test"].parities["charges"].rmse == pytest.approx(rmse, rel=1e-12)
    charge = model.parameter("charge")
    assert abs(float(charge.typical[0])) != charge.start[0]


def test_interrupted_and_straight_run_end_bit_for_bit_alike(tmp_path, finished):
    settings, _ = finished
    other = settings.model_copy(update={"run": tmp_path / "run"})
    assert train(other, Display(), last_epoch=3) is None
    train(other, Display(), resume=True)
    weights = [read_checkpoint(RunFolder(run).checkpoint("last")).trainer["part"] for run in (settings.run, other.run)]
    assert any(name.startswith("heads.heads.charge") for name in weights[0])
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name


def test_checkpoint_written_and_read_again(finished, tmp_path):
    first = read_checkpoint(RunFolder(finished[0].run).checkpoint("last"))
    write_checkpoint(first, tmp_path / "again.pt")
    second = read_checkpoint(tmp_path / "again.pt")
    before, after = (Evaluator(c.model).predict(c.example) for c in (first, second))
    for field in ("energies", "forces", "charges"):
        assert torch.equal(getattr(before, field), getattr(after, field))
    assert first.example.charges is None


def test_checkpoints_of_the_second_version_are_read(tmp_path):
    """Neither predicted charges nor a total charge among the inputs were known then."""
    settings = small_settings(tmp_path, electrostatics={"charges": "reference"})
    train(settings, Display(), last_epoch=1)
    path = RunFolder(settings.run).checkpoint("last")
    content = torch.load(path, weights_only=True)
    now = content["model"]["description"]
    (head,), (baseline, charge) = now["heads"], now["parameters"]
    content |= {"version": 2, "trainer": {"epoch": 1}}  # weights had other names
    content["model"]["description"] = {
        "features": now["features"],
        "hidden": head["hidden"],
        "whitened": True,
        "baseline": baseline["values"],
        "repulsion": "zbl",
        "charges": charge["values"],
        "smearing": settings.electrostatics.smearing,
    }
    torch.save(content, path)
    assert read_checkpoint(path).model.table("charge")[11] == pytest.approx(TRUE_CHARGE)


def test_metrics_without_columns_of_charges_are_continued(tmp_path):
    path = tmp_path / "metrics.csv"
    names = [name for name in columns() if "charge" not in name and "dipole" not in name]
    units = [columns()[name] for name in names]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, units, [1.0] * len(names), [2.0] * len(names)])
    MetricsFile(path, finished_epochs=1)
    (row,) = read_metrics(path)
    assert row["validation_force_rmse"] == 1.0
    assert math.isnan(row["validation_charge_rmse"])


def test_frames_that_stay_on_disk_train_the_same_weights(tmp_path, monkeypatch):
    changes = {"features": {"set": "acsf"}, "optimisation": {"epochs": 1}}  # derivatives of others are never stored
    held = predicted_charges(tmp_path, **changes)
    train(held, Display())
    other = predicted_charges(tmp_path, **changes, data={"cache": str(tmp_path / "cache")})
    other = other.model_copy(update={"run": tmp_path / "on_disk"})
    monkeypatch.setattr("mliap_hybrid.runs.preparation.available_memory", lambda: 100_000)
    train(other, Display())
    a, b = (read_checkpoint(RunFolder(run.run).checkpoint("last")).trainer["part"] for run in (held, other))
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    ("start", "match"),
    [
        ({"Na": 1.0}, "no charge given for Cl"),
        ("reference", None),
        ("zero", None),
        ({"Na": 0.4, "Cl": -0.4}, None),
    ],
    ids=str,
)
def test_starting_charges(tmp_path, start, match):
    settings = predicted_charges(tmp_path, electrostatics={"starting_charges": start}, optimisation={"epochs": 1})
    if match is not None:
        with pytest.raises(InputError, match=match):
            train(settings, Display())
        return
    train(settings, Display())
    expected = {"reference": TRUE_CHARGE, "zero": 0.0}.get(str(start), 0.4)
    assert load_model(settings.run).parameter("charge").start.tolist() == pytest.approx([expected, -expected])


def test_changed_charge_labels_are_other_data(tmp_path):
    settings = predicted_charges(tmp_path, optimisation={"epochs": 2})
    train(settings, Display(), last_epoch=1)
    batches = run_module.load_data(settings, Display())["train"]
    changed = [batch.with_labels(charges=batch.charges + 0.1) for batch in batches]
    assert fingerprint(batches) != fingerprint(changed)
    write_labelled_frames(settings.data.files[0], seed=3)
    with pytest.raises(InputError, match="the data are not those"):
        train(settings, Display(), resume=True)
