"""Tuning of weak supervision: trials are trainings, the best one is written, and nothing that is finished is lost."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from mliap_hybrid.cli.main import app
from mliap_hybrid.config import read_training_file, write_training_file
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.fitting.trainer import Trainer
from mliap_hybrid.report.metrics import read_metrics
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.runs.tune import tune
from mliap_hybrid.runs.tune_trials import NONE, Candidate, Trial, best_candidate, table_of_trials
from mliap_hybrid.testing.labelled import small_settings

HELPFUL = {"taylor": "central", "weak_labels": True, "n_copies": 2, "displacement": "thermal"}
HARMFUL = {"taylor": "zeroth", "taylor_weight": 100.0, "n_copies": 1}


def settings_with(folder, weak, epochs=4, **changes):
    return small_settings(
        folder, weak_supervision=weak, optimisation={"epochs": epochs}, loss={"virial": 0.0}, **changes
    )


def lowest_loss(settings):
    train(settings, Display())
    return min(row["validation_loss"] for row in read_metrics(RunFolder(settings.run).metrics))


def test_trials_are_what_trainings_with_these_settings_come_to(tmp_path):
    settings = settings_with(tmp_path, HELPFUL, 2)
    trials = tune(settings, [0.01, 0.03], [1.0, 5.0], 1, tmp_path / "results.json", Display())
    assert [(t.candidate.size, t.candidate.factor) for t in trials] == [
        (None, 1.0),
        (0.01, 1.0),
        (0.01, 5.0),
        (0.03, 1.0),
        (0.03, 5.0),
    ]
    own = trials[4].candidate.applied(settings)
    assert own.weak_supervision.displacement_size == 0.03
    assert own.weak_supervision.taylor_weight == 5.0
    assert trials[4].loss == pytest.approx(lowest_loss(own), rel=1e-5)  # written with six digits
    assert trials[0].loss != pytest.approx(trials[4].loss, rel=1e-3)


def test_what_helps_is_chosen_and_what_harms_is_not(tmp_path):
    """Energies of a network that knows its gradients, from few frames; and one that is told to have none."""
    direct = {"network": {"forces": "direct"}}
    helped = settings_with(tmp_path, HELPFUL, 30, **direct)
    # Of one seed of so few frames, rounding decides; of four seeds, weak supervision.
    trials = tune(helped, [0.03], [1.0], 4, tmp_path / "helped.json", Display())
    assert best_candidate(trials, "energy") == Candidate(0.03, 1.0)
    without, helped_by = (sum(trial.energy for trial in part) for part in (trials[:4], trials[4:]))
    assert helped_by < 0.9 * without
    harmed = settings_with(tmp_path, HARMFUL, 30, **direct)
    trials = tune(harmed, [0.03], [1.0], 1, tmp_path / "harmed.json", Display())
    assert best_candidate(trials, "loss") == NONE


def test_interrupted_tuning_goes_on_where_it_was(tmp_path, monkeypatch):
    settings, grid = settings_with(tmp_path, HELPFUL), ([0.01, 0.03], [1.0], 2)
    straight = tune(settings, *grid, tmp_path / "straight.json", Display())
    run, runs = Trainer.run, []

    def killed(self, after_epoch, last_epoch=None):
        runs.append(self)
        if len(runs) == 4:
            raise KeyboardInterrupt
        run(self, after_epoch, last_epoch)

    monkeypatch.setattr(Trainer, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        tune(settings, *grid, tmp_path / "results.json", Display())
    assert len(json.loads((tmp_path / "results.json").read_text())["trials"]) == 3
    resumed = tune(settings, *grid, tmp_path / "results.json", Display())
    assert len(runs) == 4 + 3
    assert [(t.candidate, t.seed, t.loss) for t in resumed] == [(t.candidate, t.seed, t.loss) for t in straight]


def test_results_of_other_settings_or_data_are_refused(tmp_path):
    settings, results = settings_with(tmp_path, HELPFUL, 1), tmp_path / "results.json"
    tune(settings, [0.01], [1.0], 1, results, Display())
    moved = settings.model_copy(update={"run": tmp_path / "elsewhere"})
    tune(moved, [0.01], [1.0], 1, results, Display())
    before = results.read_text()
    with pytest.raises(InputError, match=r"results.json holds results of other settings or data"):
        tune(settings_with(tmp_path, HELPFUL, 2), [0.01], [1.0], 1, results, Display())
    results.write_text("no JSON")
    with pytest.raises(InputError, match=r"results.json does not hold results of mliap-hybrid tune"):
        tune(settings, [0.01], [1.0], 1, results, Display())
    assert before != results.read_text() == "no JSON"


def test_mistakes_are_found_before_anything_is_trained(tmp_path):
    with pytest.raises(InputError, match=r"weak_supervision has no term to tune"):
        tune(small_settings(tmp_path), [0.01], [1.0], 1, tmp_path / "r.json", Display())
    settings = settings_with(tmp_path, HELPFUL)
    with pytest.raises(InputError, match=r"displacement_size is 0.5 Å"):
        tune(settings, [0.01, 0.5], [1.0], 1, tmp_path / "r.json", Display())
    assert not (tmp_path / "r.json").exists()


def test_choice_and_gains_of_numbers_worked_by_hand(tmp_path):
    settings = settings_with(tmp_path, HELPFUL)
    good, bad = Candidate(0.01, 10.0), Candidate(0.05)
    trials = [
        Trial(NONE, 0, loss=2.0, energy=4.0, forces=None, seconds=1.0),
        Trial(NONE, 1, loss=4.0, energy=4.0, forces=None, seconds=1.0),
        Trial(good, 0, loss=1.0, energy=5.0, forces=None, seconds=3.0),
        Trial(good, 1, loss=3.0, energy=5.0, forces=None, seconds=5.0),
        Trial(bad, 0, loss=2.0, energy=4.0, forces=None, seconds=1.0),
        Trial(bad, 1, loss=4.0, energy=4.0, forces=None, seconds=1.0),
    ]
    assert best_candidate(trials, "loss") == good
    assert best_candidate(trials, "energy") == NONE  # as good as `bad`, and without displacements
    rows = table_of_trials(trials, settings, "loss").rows
    assert rows[1] == ["0.01", "10", "2", "5", "37.5 ± 17.7", "4", "best"]
    with pytest.raises(InputError, match=r"no labels of forces to choose by"):
        best_candidate(trials, "forces")


def test_command_writes_a_training_file_and_never_over_one(tmp_path):
    settings = settings_with(tmp_path, HARMFUL, 20)
    file = tmp_path / "train.yaml"
    write_training_file(settings, file)
    options = ["--sizes", "0.03", "--weights", "1", "--epochs", "20"]
    done = CliRunner().invoke(app, ["tune", str(file), *options])
    assert done.exit_code == 0, done.output
    assert "best: none" in done.output
    tuned = read_training_file(tmp_path / "train_tuned.yaml")
    assert not tuned.weak_supervision.is_on
    assert tuned.optimisation == settings.optimisation
    assert yaml.safe_load(file.read_text())["weak_supervision"]["taylor"] == "zeroth"
    again = CliRunner().invoke(app, ["tune", str(file), *options])
    assert isinstance(again.exception, InputError)
    assert "train_tuned.yaml exists" in str(again.exception)
    for wrong in ("0.01,-1", "small"):
        refused = CliRunner().invoke(app, ["tune", str(file), "--sizes", wrong, "--output", str(tmp_path / "o.yaml")])
        assert "--sizes: expected numbers above zero" in str(refused.exception)
