"""Committees from the training file to LAMMPS: members, resuming, report, one model."""

import pytest
import torch
from ase.calculators.calculator import PropertyNotImplementedError

from mliap_hybrid.ase import HybridCalculator
from mliap_hybrid.config import with_committee
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import load_checkpoint, load_model, read_checkpoint
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.lammps.check import check_model
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.model.evaluator import Evaluator, predict
from mliap_hybrid.model.spread import committee_spread
from mliap_hybrid.report.metrics import read_metrics
from mliap_hybrid.runs import run as run_module
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.labelled import labelled_frames, small_settings

pytestmark = pytest.mark.usefixtures("undrawn_figures")

N_MEMBERS = 3


def committee_settings(folder):
    settings = small_settings(folder, electrostatics={"charges": "reference"}, optimisation={"epochs": 2})
    return with_committee(settings, N_MEMBERS)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    settings = committee_settings(tmp_path_factory.mktemp("committee"))
    return settings, train(settings, Display())


@pytest.fixture(scope="module")
def exported(finished, tmp_path_factory):
    checkpoint = load_checkpoint(finished[0].run)
    path = tmp_path_factory.mktemp("exported") / "model.pt"
    export_model(checkpoint.model, path, example=checkpoint.example)
    return path


def test_first_member_is_the_run_without_a_committee_and_the_others_differ(finished, tmp_path):
    single = finished[0].model_copy(update={"run": tmp_path / "single"})
    train(with_committee(single, 1), Display())
    members = [load_model(folder.path) for folder in RunFolder(finished[0].run).members(N_MEMBERS)]
    weights = [model.heads["energy"].networks[0].layers[0].weight for model in (load_model(single.run), *members)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])
    assert not torch.equal(weights[2], weights[3])


def test_run_folder_holds_members_and_their_mean(finished):
    settings, evaluations = finished
    folder = RunFolder(settings.run)
    members = [load_model(of_member.path) for of_member in folder.members(N_MEMBERS)]
    batch = run_module.load_data(settings, Display())["test"][0]
    mean = torch.stack([predict(model, batch).forces for model in members]).mean(0)
    assert torch.allclose(predict(load_model(settings.run), batch).forces, mean, atol=1e-12)
    for of_member in folder.members(N_MEMBERS):
        assert [row["epoch"] for row in read_metrics(of_member.metrics)] == [1.0, 2.0]
    assert (folder.report / "learning_curve.png").exists()
    report = (folder.report / "errors.md").read_text()
    assert "Mean of 3 networks" in report
    assert "| test, member 3" in report
    assert evaluations.keys() == {"train", "validation", "test"}


def test_interrupted_committee_goes_on_and_leaves_finished_members_alone(finished, tmp_path, monkeypatch):
    settings = finished[0].model_copy(update={"run": tmp_path / "run"})
    write, calls = run_module.train_member, []

    def killed_at_the_second(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            write(*arguments[:8], last_epoch=1)
            raise KeyboardInterrupt
        return write(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "train_member", killed_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            train(settings, Display())
    first = RunFolder(settings.run).members(N_MEMBERS)[0].checkpoint("last")
    before = first.stat().st_mtime_ns
    train(settings, Display(), resume=True)
    assert first.stat().st_mtime_ns == before
    for ended, expected in zip(
        RunFolder(settings.run).members(N_MEMBERS), RunFolder(finished[0].run).members(N_MEMBERS), strict=True
    ):
        a, b = (read_checkpoint(folder.checkpoint("last")).trainer for folder in (ended, expected))
        assert all(torch.equal(a["average"][name], b["average"][name]) for name in b["average"])


def test_calculator_gives_the_spread(exported):
    atoms = labelled_frames(1, seed=3)[0]
    atoms.calc = HybridCalculator(exported)
    atoms.get_potential_energy()
    assert "force_spread" not in atoms.calc.results  # costs time, so only on request
    forces = atoms.calc.get_property("force_spread", atoms)
    model = atoms.calc.model
    spread = committee_spread(Evaluator(model), frame_to_batch(atoms, model.cutoff))
    assert forces == pytest.approx(spread.forces.numpy())
    assert atoms.calc.get_property("energy_spread", atoms) == pytest.approx(float(spread.energies[0]))
    assert forces.min() > 1e-4


def test_calculator_of_one_network_has_no_spread(finished, tmp_path):
    folder = RunFolder(finished[0].run).members(N_MEMBERS)[0]
    export_model(load_model(folder.path), tmp_path / "model.pt")
    atoms = labelled_frames(1)[0]
    with pytest.raises(PropertyNotImplementedError):
        HybridCalculator(tmp_path / "model.pt").get_property("energy_spread", atoms)


@pytest.mark.mpi
def test_lammps_agrees_with_python(exported):
    comparisons = check_model(exported, (1, 2))
    assert all(comparison.ok for comparison in comparisons)
    local = [row for row in comparisons if row.what.startswith("local terms: LAMMPS on 1")]
    assert {row.quantity for row in local} == {"energy", "forces", "virial"}
    assert all(row.difference < 1e-12 for row in local)


@pytest.mark.parametrize("charges", ["fitted", "predicted"])
def test_charges_of_each_member_are_refused(tmp_path, charges):
    settings = small_settings(tmp_path, electrostatics={"charges": charges})
    with pytest.raises(InputError, match=f"committee does not work with electrostatics.charges {charges}"):
        with_committee(settings, 2)
