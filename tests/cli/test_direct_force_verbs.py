"""Direct forces as a user of the verbs meets them: refused by export, and said by info."""

from __future__ import annotations

import pytest
from verbs import run

from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.labelled import small_settings, write_labelled_frames


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    network = {"forces": "direct", "force_hidden": [5]}
    settings = small_settings(tmp_path_factory.mktemp("direct"), network=network, optimisation={"epochs": 1})
    train(settings, Display())
    return settings.run


def test_export_is_refused_unless_allowed(trained, monkeypatch, capsys, tmp_path):
    path = tmp_path / "model.pt"
    status, _, errors = run(monkeypatch, capsys, "export", trained, "-o", path)
    assert status == 1
    assert "do not conserve energy" in errors
    assert "--allow-non-conservative" in errors
    assert errors.count("\n") == 1
    assert not path.exists()
    status, output, _ = run(monkeypatch, capsys, "export", trained, "-o", path, "--allow-non-conservative")
    assert status == 0
    assert "direct forces: not the gradient of the energy, so that the total energy drifts" in output
    for model in (trained, path):
        status, output, _ = run(monkeypatch, capsys, "info", model)
        lines = {line.partition(":")[0]: line.partition(":")[2].strip() for line in output.splitlines()}
        assert lines["forces"] == "direct: not the gradient of the energy, which they do not conserve"
        assert "-5-" in lines["force network"]
    data = write_labelled_frames(tmp_path / "data.extxyz", 2)
    status, output, _ = run(monkeypatch, capsys, "evaluate", path, data)
    assert status == 0
    assert "| data" in output
