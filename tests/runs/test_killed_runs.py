"""Runs that are killed by SIGKILL, which no code of theirs sees, end as if nothing had happened."""

import signal
import subprocess
import sys

import pytest
import torch

from mliap_hybrid.config import write_training_file
from mliap_hybrid.fitting.checkpoint import read_checkpoint
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.report.metrics import read_metrics
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.labelled import small_settings

pytestmark = pytest.mark.usefixtures("undrawn_figures")

KILLS = {
    "within an epoch": """
from mliap_hybrid.fitting.optimisers.soap import SOAP
calls, step = [], SOAP.step
def killed(self, *arguments):
    calls.append(1)
    if len(calls) == 10:  # 4 steps an epoch: the second of epoch 3
        kill()
    return step(self, *arguments)
SOAP.step = killed
""",
    "while a checkpoint is written": """
import io
import torch
calls, save = [], torch.save
def killed(content, file):
    calls.append(1)
    if len(calls) < 6:
        return save(content, file)
    whole = io.BytesIO()
    save(content, whole)
    file.write(whole.getvalue()[: len(whole.getvalue()) // 2])
    file.flush()
    kill()
torch.save = killed
""",
    "between the two checkpoints of an epoch": """
from mliap_hybrid.runs import member_run
write = member_run.write_checkpoint
def killed(checkpoint, path):
    write(checkpoint, path)
    if path.name == "best.pt" and checkpoint.trainer["epoch"] >= 2:
        kill()
member_run.write_checkpoint = killed
""",
}
"""When -> what makes a run kill itself then."""

PROGRAM = """
import os
import signal
import sys
from pathlib import Path
def kill():
    os.kill(os.getpid(), signal.SIGKILL)
{kill}
from mliap_hybrid.config import read_training_file
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
train(read_training_file(Path(sys.argv[1])), Display())
"""


LAST_EPOCH = 6
"""One less than there are, since a report takes time."""


def small_run(folder):
    return small_settings(folder, optimisation={"epochs": 7, "schedule": "plateau", "plateau_patience": 1})


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    settings = small_run(tmp_path_factory.mktemp("uninterrupted"))
    train(settings, Display(), last_epoch=LAST_EPOCH)
    return RunFolder(settings.run)


def assert_same(a, b):
    """Nested dictionaries and lists of tensors and numbers, bit for bit."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        for item_a, item_b in zip(a, b, strict=True):
            assert_same(item_a, item_b)
    else:
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@pytest.mark.parametrize("when", KILLS)
def test_killed_and_resumed_ends_with_the_same_bits(when, tmp_path, uninterrupted):
    settings = small_run(tmp_path)
    write_training_file(settings, tmp_path / "train.yaml")
    program = PROGRAM.format(kill=KILLS[when])
    killed = subprocess.run([sys.executable, "-c", program, tmp_path / "train.yaml"], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    folder = RunFolder(settings.run)
    assert 1 <= read_checkpoint(folder.checkpoint("last")).trainer["epoch"] <= 3
    train(settings, Display(), resume=True, last_epoch=LAST_EPOCH)
    for which in ("last", "best"):
        ended, expected = (read_checkpoint(run.checkpoint(which)) for run in (folder, uninterrupted))
        assert_same(ended.trainer, expected.trainer)
        assert_same(ended.model.state_dict(), expected.model.state_dict())
        assert sorted(path.name for path in folder.checkpoint(which).parent.iterdir()) == ["best.pt", "last.pt"]
    rows, expected_rows = read_metrics(folder.metrics), read_metrics(uninterrupted.metrics)
    assert [row["validation_loss"] for row in rows] == [row["validation_loss"] for row in expected_rows]
