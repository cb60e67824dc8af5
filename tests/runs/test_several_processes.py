"""Training by several processes: the result of one, and all of them end when one does."""

import functools
import os
import signal
import sys
import time

import pytest
import torch

from mliap_hybrid.cli.main import main
from mliap_hybrid.config import write_training_file
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import read_checkpoint
from mliap_hybrid.fitting.processes.launcher import run_together
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.report.metrics import read_metrics
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.labelled import small_settings


def weights(run):
    return read_checkpoint(RunFolder(run).checkpoint("last")).trainer["average"]


def test_several_processes_train_as_one_does(tmp_path, monkeypatch):
    # 11 training frames in batches of 3: the last has 2, fewer than there are processes. SOAP would amplify rounding:
    # the eigenvectors of a covariance of few frames are not unique.
    optimisation = {"epochs": 3, "optimiser": "adamw"}
    settings = small_settings(tmp_path, electrostatics={"charges": "fitted"}, optimisation=optimisation)
    train(settings, Display())
    write_training_file(settings, tmp_path / "train.yaml")
    together = tmp_path / "together"
    command = ["mliap-hybrid", "train", tmp_path / "train.yaml", "--processes", "3", "--run", together]
    monkeypatch.setattr(sys, "argv", [str(word) for word in command])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    expected, found = weights(settings.run), weights(together)
    for name, value in expected.items():  # steps are of 1e-3, and of gradients near zero Adam sees the rounding
        assert torch.allclose(found[name], value, rtol=1e-4, atol=1e-5), name
    metrics, of_one = (read_metrics(RunFolder(run).metrics) for run in (together, settings.run))
    for row, row_of_one in zip(metrics, of_one, strict=True):
        del row["time"], row_of_one["time"]
        assert row == pytest.approx(row_of_one, rel=1e-5, nan_ok=True)
    assert (RunFolder(together).report / "errors.md").exists()


def fail(kind, group):
    if kind == "killed" and not group.is_first:
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "bug" and group.is_first:
        raise ZeroDivisionError
    group.sum(torch.zeros(1))
    time.sleep(60)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("killed", r"process 2 was ended by SIGKILL, mostly for want of memory \(the others of 2 processes"),
        ("bug", "process 1 stopped:(.|\n)*ZeroDivisionError"),
    ],
)
def test_one_that_fails_ends_all_and_says_why(kind, message):
    start = time.perf_counter()
    with pytest.raises(InputError, match=message):
        run_together(functools.partial(fail, kind), 2)
    assert time.perf_counter() - start < 45
