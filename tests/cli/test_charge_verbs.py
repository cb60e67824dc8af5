"""Predicted charges as a user of the verbs meets them: what info and evaluate print, what export writes."""

from __future__ import annotations

import sys

import ase.io
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from verbs import run

from mliap_hybrid.ase import HybridCalculator
from mliap_hybrid.cli import main as module
from mliap_hybrid.lammps.exporter import export_model, load_exported
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.labelled import labelled_frames, small_settings, write_labelled_frames
from mliap_hybrid.testing.models import sodium_chloride_model


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    settings = small_settings(
        tmp_path_factory.mktemp("charges"),
        electrostatics={"charges": "predicted", "charge_hidden": [5]},
        optimisation={"epochs": 1},
    )
    train(settings, Display())
    return settings.run


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "model.pt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["mliap-hybrid", "export", str(trained), "-o", str(path)])
        with pytest.raises(SystemExit) as caught:
            module.main()
    assert not caught.value.code
    return path


def header_and_row(output: str) -> dict[str, str]:
    lines = [line.strip("| ").split("|") for line in output.splitlines() if line.startswith(("| split", "| data"))]
    return {name.strip(): cell.strip() for name, cell in zip(*lines, strict=True)}


@pytest.mark.parametrize("which", ["run", "file"])
def test_info(trained, exported, monkeypatch, capsys, which):
    status, output, _ = run(monkeypatch, capsys, "info", trained if which == "run" else exported)
    assert status == 0
    lines = {line.partition(":")[0]: line.partition(":")[2].strip() for line in output.splitlines()}
    assert "long-range Coulomb, predicted smeared charges" in lines["energy"]
    assert lines["charges"] == "predicted, shift; smearing 0.8 Å"
    assert "-5-1, " in lines["charge network"]
    assert lines["charge network"].endswith("bound 2 e")
    assert lines["starting charges"] == "Na +1.0000 e, Cl -1.0000 e"
    assert lines["mean charges"].startswith("Na +")


def test_evaluate_compares_charges_where_there_are_labels(trained, exported, monkeypatch, capsys, tmp_path):
    data = write_labelled_frames(tmp_path / "new.extxyz", 2, seed=9)
    _, output, _ = run(monkeypatch, capsys, "evaluate", trained, data, "--plots", tmp_path / "plots")
    of_run = header_and_row(output)
    assert float(of_run["charge RMSE (me)"]) > 0
    assert (tmp_path / "plots" / "parity_charges.png").exists()
    _, output, _ = run(monkeypatch, capsys, "evaluate", exported, data, "--charges-key", "reference_charges")
    assert header_and_row(output)["charge RMSE (me)"] == of_run["charge RMSE (me)"]

    bare = [atoms.copy() for atoms in labelled_frames(2)]
    for atoms, labelled in zip(bare, labelled_frames(2), strict=True):
        del atoms.arrays["reference_charges"]
        atoms.calc = labelled.calc
    ase.io.write(tmp_path / "bare.extxyz", bare)
    status, output, _ = run(monkeypatch, capsys, "evaluate", trained, tmp_path / "bare.extxyz")
    assert status == 0
    assert "charge RMSE" not in output
    status, _, errors = run(
        monkeypatch, capsys, "evaluate", trained, tmp_path / "bare.extxyz", "--charges-key", "reference_charges"
    )
    assert status == 1
    assert "no entry 'reference_charges', which --charges-key names" in errors


def test_exported_file_tells_its_total_charge(trained, monkeypatch, capsys, tmp_path):
    data = write_labelled_frames(tmp_path / "new.extxyz", 2, seed=9)
    path = tmp_path / "charged.pt"
    status, _, _ = run(monkeypatch, capsys, "export", trained, "-o", path, "--total-charge", 4.0)
    assert status == 0
    assert load_exported(path)[1].total_charge == 4.0
    _, output, _ = run(monkeypatch, capsys, "evaluate", path, data, "--charges-key", "reference_charges")
    assert float(header_and_row(output)["charge RMSE (me)"]) > 400.0  # half an e more on each atom


def test_evaluate_in_a_field(exported, monkeypatch, capsys, tmp_path):
    """Labels of the model itself in a field agree, where the field is named."""
    frames = labelled_frames(2, seed=9)
    for k, atoms in enumerate(frames):
        field = [0.1 * k, -0.2, 0.05]
        calculator = HybridCalculator(exported, electric_field=field)
        forces, energy = calculator.get_forces(atoms), calculator.get_potential_energy(atoms)
        atoms.info["field"], atoms.calc = np.array(field), SinglePointCalculator(atoms, energy=energy, forces=forces)
    ase.io.write(tmp_path / "field.extxyz", frames)
    errors = []
    for options in (("--electric-field-key", "field"), ()):
        status, output, _ = run(monkeypatch, capsys, "evaluate", exported, tmp_path / "field.extxyz", *options)
        assert status == 0
        row = header_and_row(output)
        errors.append(float(row[next(name for name in row if name.startswith("force RMSE"))]))
    assert errors[0] < 1e-3
    assert errors[1] > 10.0
    export_model(sodium_chloride_model(None), tmp_path / "plain.pt")
    options = ("--electric-field-key", "field")
    status, _, error = run(monkeypatch, capsys, "evaluate", tmp_path / "plain.pt", tmp_path / "field.extxyz", *options)
    assert status == 1
    assert "the model has no charges that the field 'field' would act on" in error
