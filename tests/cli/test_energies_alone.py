"""Data without forces, as coupled-cluster calculations often are: train, report, evaluate and export."""

import sys

import ase.io
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read

from mliap_hybrid.cli import main as module
from mliap_hybrid.config import write_training_file
from mliap_hybrid.lammps.exporter import load_exported
from mliap_hybrid.report.metrics import read_metrics
from mliap_hybrid.testing.labelled import labelled_frames, small_settings


def run(*arguments):
    """Exit status of `mliap-hybrid arguments`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["mliap-hybrid", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            module.main()
    return caught.value.code or 0


def write_energies_alone(path, n_frames, seed=0):
    frames = labelled_frames(n_frames, seed)
    for atoms in frames:
        atoms.calc = SinglePointCalculator(atoms, energy=atoms.get_potential_energy())
    ase.io.write(path, frames)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("energies")
    write_energies_alone(folder / "data.extxyz", 20)
    assert "forces" not in read(folder / "data.extxyz").calc.results
    keys = {"forces": None, "stress": None, "charges": None}
    settings = small_settings(
        folder,
        data={"keys": keys},
        loss={"virial": 0.0, "energy_transition": 0.05},
        optimisation={"epochs": 30, "optimiser": "adamw", "learning_rate": 0.01},
    )
    write_training_file(settings, folder / "train.yaml")
    assert run("train", folder / "train.yaml") == 0
    return settings.run


def test_energies_are_learned(trained):
    rows = read_metrics(trained / "metrics.csv")
    assert min(row["validation_energy_rmse"] for row in rows) < 0.3 * rows[0]["validation_energy_rmse"]
    assert all(row["validation_force_rmse"] != row["validation_force_rmse"] for row in rows)  # NaN


def test_the_report_speaks_of_energies_alone(trained):
    table = (trained / "report" / "errors.md").read_text()
    assert "energy RMSE (meV/atom)" in table
    assert "force" not in table.split("The force angle")[0]
    assert "Largest errors, test" in table
    assert not (trained / "report" / "parity_forces.png").exists()


def test_evaluate_and_its_report(trained, tmp_path, capsys):
    write_energies_alone(tmp_path / "more.extxyz", 3, seed=5)
    assert run("evaluate", trained, tmp_path / "more.extxyz", "--report", tmp_path / "report") == 0
    output = capsys.readouterr().out
    assert "| data" in output
    assert "force" not in output
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000
    assert f"wrote {tmp_path / 'report' / 'report.html'}" in output


def test_evaluate_finds_forces_where_the_data_have_them(trained, tmp_path, capsys):
    """The run knew none, but its model has them."""
    frames = labelled_frames(2, seed=6)
    write_energies_alone(tmp_path / "bare.extxyz", 1, seed=7)
    ase.io.write(tmp_path / "mixed.extxyz", [*frames, read(tmp_path / "bare.extxyz")])
    assert run("evaluate", trained, tmp_path / "mixed.extxyz", "--forces-key", "forces") == 0
    output = capsys.readouterr().out
    assert "of 3 structures have labels: energy 3, forces 2" in output
    assert "force RMSE (meV/Å)" in output
    assert run("evaluate", trained, tmp_path / "bare.extxyz", "--forces-key", "forces") == 1
    assert "no entry 'forces', which --forces-key names" in capsys.readouterr().err


def test_the_exported_model_has_forces(trained, tmp_path):
    assert run("export", trained, "-o", tmp_path / "model.pt") == 0
    model, _ = load_exported(tmp_path / "model.pt")
    assert model.elements == (11, 17)


def test_learning_curves_are_drawn(trained, tmp_path, capsys):
    assert run("plot", "learning-curve", trained, trained / "metrics.csv", "-o", tmp_path / "curve.png") == 0
    assert "30 epochs" in capsys.readouterr().out
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert run("plot", "learning-curve", trained, "-o", tmp_path / "curve.png") == 1
    assert "exists already" in capsys.readouterr().err
    assert run("plot", "learning-curve", trained, "-o", tmp_path / "other.png", "--against", "weather") == 1
    assert "expected epoch or time" in capsys.readouterr().err
