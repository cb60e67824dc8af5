"""Whole runs: what they leave, that they go on bit for bit, and that nothing of an earlier run is lost."""

import csv
import math

import pytest
import torch

from mliap_hybrid.config import read_training_file
from mliap_hybrid.data.reading import read_frames
from mliap_hybrid.data.splits import split_frames
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import load_model, read_checkpoint
from mliap_hybrid.fitting.optimisers.soap import SOAP
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.runs import run as run_module
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.labelled import small_settings, write_labelled_frames

pytestmark = pytest.mark.usefixtures("undrawn_figures")


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def weights(run, which="last"):
    trainer = read_checkpoint(RunFolder(run).checkpoint(which)).trainer
    return {**trainer["part"], **{f"average.{n}": v for n, v in trainer["average"].items()}}


def assert_same_bits(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    settings = small_settings(tmp_path_factory.mktemp("finished"), electrostatics={"charges": "fitted"})
    evaluations = train(settings, Display())
    return settings, evaluations


def has_label(column):
    """Fixed charges have no errors of their own; there are no interaction energies and no weak supervision."""
    parts = ("electrostatics", "exchange", "induction", "dispersion")
    of_response = ("charge", "dipole", "polarisability")
    return not any(quantity in column for quantity in (*of_response, "weak_supervision", *parts))


def test_a_run_leaves_everything(finished):
    settings, evaluations = finished
    folder = RunFolder(settings.run)
    assert read_training_file(folder.config) == settings
    with folder.metrics.open() as file:
        names, units, *rows = list(csv.reader(file))
    assert len(rows) == 6
    assert dict(zip(names, units, strict=True))["validation_force_rmse"] == "meV/Å"
    written = [float(cell) for row in rows for name, cell in zip(names, row, strict=True) if has_label(name)]
    assert len(written) == 6 * 10
    assert all(math.isfinite(value) for value in written)
    log = folder.log.read_text()
    assert "epoch 6/6" in log
    assert "The compositions determine 1 of 2 element energies" in log
    for name in ("errors.md", "parity_energy.png", "parity_forces.png", "parity_virial.png", "learning_curve.png"):
        assert (folder.report / name).stat().st_size > 100
    assert evaluations.keys() == {"train", "validation", "test"}
    assert "| test" in (folder.report / "errors.md").read_text()


def test_reported_errors_are_those_of_the_model_in_the_checkpoint(finished):
    settings, evaluations = finished
    model = load_model(settings.run)
    batches = run_module.load_data(settings, Display())
    errors = torch.cat([predict(model, batch).forces - batch.forces for batch in batches["test"]])
    assert evaluations["test"].forces.rmse == pytest.approx(errors.square().mean().sqrt().item(), rel=1e-12)
    assert evaluations["test"].n_frames == len(batches["test"]) == 2


def test_training_lowers_the_error(tmp_path):
    settings = small_settings(tmp_path, optimisation={"epochs": 60})
    evaluations = train(settings, Display())
    assert evaluations["validation"].forces.rmse < 0.6 * evaluations["validation"].forces.label_rms


def test_interrupted_and_straight_run_end_bit_for_bit_alike(tmp_path, finished):
    settings, _ = finished
    other = settings.model_copy(update={"run": tmp_path / "run"})
    assert train(other, Display(), last_epoch=3) is None
    train(other, Display(), resume=True)
    assert_same_bits(weights(settings.run), weights(other.run))
    assert_same_bits(weights(settings.run, "best"), weights(other.run, "best"))
    columns = [line.rsplit(",", 1)[0] for line in RunFolder(settings.run).metrics.read_text().splitlines()]
    assert columns == [line.rsplit(",", 1)[0] for line in RunFolder(other.run).metrics.read_text().splitlines()]


def test_run_killed_within_an_epoch_goes_on_from_the_last_finished_one(tmp_path, finished, monkeypatch):
    settings, _ = finished
    other = settings.model_copy(update={"run": tmp_path / "run"})
    step, calls = SOAP.step, []

    def killed_at_step_ten(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 10:  # 4 steps an epoch: the second of epoch 3
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(SOAP, "step", killed_at_step_ten)
        with pytest.raises(KeyboardInterrupt):
            train(other, Display())
    assert read_checkpoint(RunFolder(other.run).checkpoint("last")).trainer["epoch"] == 2
    assert "KeyboardInterrupt" in RunFolder(other.run).log.read_text()
    train(other, Display(), resume=True)
    assert_same_bits(weights(settings.run), weights(other.run))


def test_run_killed_before_its_first_checkpoint_starts_again(tmp_path, finished):
    settings, _ = finished
    other = settings.model_copy(update={"run": tmp_path / "run"})
    train(other, Display(), last_epoch=1)
    for which in ("best", "last"):
        RunFolder(other.run).checkpoint(which).unlink()
    train(other, Display(), resume=True)
    assert_same_bits(weights(settings.run), weights(other.run))


def test_another_seed_gives_other_weights(tmp_path, finished):
    settings, _ = finished
    other = settings.model_copy(update={"run": tmp_path / "run", "seed": 1})
    train(other, Display(), last_epoch=1)
    first = "heads.heads.energy.members.0.layers.0.weight"
    assert not torch.equal(weights(settings.run)[first], weights(other.run)[first])


def test_existing_run_is_refused_and_untouched(finished):
    settings, _ = finished
    before = contents(settings.run)
    with pytest.raises(InputError, match="already holds a run: give --resume"):
        train(settings, Display())
    assert contents(settings.run) == before


def test_folder_with_other_files_is_refused(tmp_path):
    settings = small_settings(tmp_path)
    settings.run.mkdir()
    (settings.run / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="is not an empty folder"):
        train(settings, Display())


def test_overwrite_keeps_the_old_run_in_a_backup(tmp_path):
    settings = small_settings(tmp_path, optimisation={"epochs": 1})
    for expected in ("run.backup1", "run.backup2"):
        if not settings.run.exists():
            train(settings, Display())
        before = contents(settings.run)
        train(settings, Display(), overwrite=True)
        assert contents(tmp_path / expected) == before


def test_mistake_in_the_data_leaves_the_old_run(tmp_path):
    settings = small_settings(tmp_path, optimisation={"epochs": 1})
    train(settings, Display())
    before = contents(settings.run)
    settings.data.files[0].write_text("2\n\nNa 0 0 0\nCl 0 0 2\n" * 16)
    with pytest.raises(InputError, match="no entry 'energy'"):
        train(settings, Display(), overwrite=True)
    assert contents(settings.run) == before
    assert not (tmp_path / "run.backup1").exists()


def test_run_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    settings = small_settings(tmp_path).model_copy(update={"run": tmp_path / "file" / "run"})
    with pytest.raises(InputError, match="cannot write the run folder"):
        train(settings, Display())


def test_resume_refuses_other_settings_other_data_and_no_run(tmp_path):
    settings = small_settings(tmp_path)
    with pytest.raises(InputError, match="there is no run to resume"):
        train(settings, Display(), resume=True)
    train(settings, Display(), last_epoch=1)
    changed = small_settings(tmp_path, optimisation={"epochs": 7})
    with pytest.raises(InputError, match=r"other settings \(optimisation.epochs was 6 and is 7\)"):
        train(changed, Display(), resume=True)
    write_labelled_frames(settings.data.files[0], seed=5)
    with pytest.raises(InputError, match="the data are not those"):
        train(settings, Display(), resume=True)


def test_element_that_is_in_no_training_frame_is_refused(tmp_path):
    settings = small_settings(tmp_path)
    text = settings.data.files[0].read_text()
    index = split_frames(read_frames(settings.data.files), settings.data, settings.seed).validation[0]
    lines = text.splitlines()
    first = index * 10 + 2  # 8 atoms and two lines of header for each frame
    lines[first] = lines[first].replace("Na", "K ", 1)
    settings.data.files[0].write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=rf"frame {index} holds K, which no training frame has"):
        train(settings, Display())


def test_loss_that_is_not_finite_stops_the_run_and_names_the_step(tmp_path):
    settings = small_settings(tmp_path, optimisation={"learning_rate": 1e30})
    with pytest.raises(InputError, match=r"the loss became \w+ .* in epoch 1, step \d, at every frame of the batch"):
        train(settings, Display())


def test_too_little_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("mliap_hybrid.runs.preparation.available_memory", lambda: 100_000)
    with pytest.raises(InputError, match="use fewer"):
        train(small_settings(tmp_path), Display())


@pytest.mark.parametrize(
    ("charges", "match"),
    [({"Na": 1.0}, "no charge given for Cl"), ({"Na": 1.0, "Cl": -0.9}, "sum to"), ({"Nb": 1.0, "X!": 1.0}, "X!")],
)
def test_charges_that_do_not_fit_are_refused(tmp_path, charges, match):
    settings = small_settings(tmp_path, electrostatics={"charges": charges})
    with pytest.raises(InputError, match=match):
        train(settings, Display())
    assert not settings.run.exists()
