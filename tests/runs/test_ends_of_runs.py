"""When and why a training ends, and that it goes on with the same bits whatever takes the steps."""

import pytest
import torch

from mliap_hybrid.fitting.checkpoint import read_checkpoint
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.report.metrics import read_metrics
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.labelled import small_settings

STANDSTILL = {"learning_rate": 1e-30, "weight_decay": 0.0, "patience": 2}


def state(run):
    return read_checkpoint(RunFolder(run).checkpoint("last")).trainer


def test_without_a_lower_validation_loss_the_run_ends_and_says_so(tmp_path, caplog):
    settings = small_settings(tmp_path, optimisation=STANDSTILL)
    folder = RunFolder(settings.run)
    assert train(settings, Display(), last_epoch=2) is None
    assert train(settings, Display(), resume=True) is not None  # how long it has waited is not forgotten
    assert [row["epoch"] for row in read_metrics(folder.metrics)] == [1.0, 2.0, 3.0]
    assert state(settings.run)["best_epoch"] == 1
    said = "Finished after epoch 3 of 6: the validation loss has not fallen for 2 epochs; lowest validation loss in"
    assert said in caplog.text
    assert said in folder.log.read_text()
    text = (folder.report / "errors.md").read_text()
    assert "Weights of epoch 1" in text
    assert (folder.report / "learning_curve.png").exists()

    (folder.report / "errors.md").unlink()
    before = folder.checkpoint("last").read_bytes()
    train(settings, Display(), resume=True)  # there is nothing to do but to report
    assert (folder.report / "errors.md").read_text() == text
    assert folder.checkpoint("last").read_bytes() == before


@pytest.mark.parametrize("optimiser", ["adamw", "lbfgs", "lm"])
def test_every_optimiser_goes_on_with_the_same_bits(tmp_path, optimiser):
    settings = small_settings(
        tmp_path, electrostatics={"charges": "fitted"}, optimisation={"optimiser": optimiser, "epochs": 6}
    )
    train(settings, Display(), last_epoch=5)  # one less than all, since a report takes time
    interrupted = settings.model_copy(update={"run": tmp_path / "interrupted"})
    train(interrupted, Display(), last_epoch=2)
    train(interrupted, Display(), resume=True, last_epoch=5)
    straight, resumed = state(settings.run), state(interrupted.run)
    assert straight["epoch"] == resumed["epoch"] == 5
    for name, value in straight["average"].items():
        assert torch.equal(resumed["average"][name], value), name
    losses = [
        [row["validation_loss"] for row in read_metrics(RunFolder(run).metrics)]
        for run in (settings.run, interrupted.run)
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("optimiser", ["lbfgs", "lm"])
def test_second_order_training_lowers_the_error(tmp_path, optimiser):
    # Weight decay, which is a part of the loss of lm, keeps the few frames from being learned by heart.
    settings = small_settings(
        tmp_path, optimisation={"optimiser": optimiser, "epochs": 26, "weight_decay": 1e-3}, network={"hidden": [6]}
    )
    train(settings, Display(), last_epoch=25)
    rows = read_metrics(RunFolder(settings.run).metrics)
    assert rows[-1]["train_force_rmse"] < 0.2 * rows[0]["train_force_rmse"]
