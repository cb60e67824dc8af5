"""Structures that occur twice are told, and never test what they trained."""

import logging
from dataclasses import replace

import ase.io
import pytest

from mliap_hybrid.config import LabelKeys
from mliap_hybrid.data.duplicates import duplicates, without_leaks
from mliap_hybrid.data.frames import Frame
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.data.splits import Split
from mliap_hybrid.errors import InputError
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.training_data import load_data
from mliap_hybrid.testing.labelled import labelled_frames, small_settings


@pytest.fixture(scope="module")
def batches():
    """Frames 0 to 5, of which 3 is a copy of 0 and 5 of 4."""
    frames = labelled_frames(6)
    frames[3], frames[5] = frames[0].copy(), frames[4].copy()
    frames[3].calc, frames[5].calc = frames[0].calc, frames[4].calc
    return [
        frame_to_batch(Frame(atoms, f"f.extxyz, frame {k}"), 3.0, LabelKeys(stress="stress"))
        for k, atoms in enumerate(frames)
    ]


def test_equal_structures_are_found(batches):
    assert duplicates(batches) == [[0, 3], [4, 5]]
    moved = replace(batches[3], positions=batches[3].positions + 1e-3)
    stretched = replace(batches[5], cells=batches[5].cells * 1.001)
    charged = replace(batches[5], total_charges=batches[5].total_charges + 1.0)
    assert duplicates([batches[0], moved, batches[4], stretched, charged]) == []
    rounded = replace(batches[3], positions=batches[3].positions.float().double())  # less than the resolution
    assert duplicates([replace(batches[0], positions=rounded.positions), rounded]) == [[0, 1]]


def test_copies_are_left_out_of_validation_and_test(batches, caplog):
    with caplog.at_level(logging.WARNING, logger="mliap_hybrid"):
        split = without_leaks(Split(train=[0, 1], validation=[2, 3, 4], test=[5]), batches)
    assert split == Split(train=[0, 1], validation=[2, 4], test=[])
    assert "2 of 6 frames have the structure of another frame: f.extxyz, frame 0 and f.extxyz, frame 3" in caplog.text
    assert "2 frames of validation and test are left out" in caplog.text
    assert "contradict" not in caplog.text


def test_copies_within_a_part_stay_and_are_told(batches, caplog):
    split = Split(train=[0, 1, 3], validation=[4, 5], test=[2])
    with caplog.at_level(logging.WARNING, logger="mliap_hybrid"):
        assert without_leaks(split, batches) == split
    assert "2 of 6 frames have the structure of another frame" in caplog.text
    assert "left out" not in caplog.text


def test_nothing_is_said_where_nothing_occurs_twice(batches, caplog):
    split = Split(train=[0, 1], validation=[2], test=[3])
    assert without_leaks(split, [batches[k] for k in (0, 1, 2, 4)]) == split
    assert not caplog.text


@pytest.mark.parametrize("label", ["energy", "forces"])
def test_labels_that_contradict_each_other_are_told(batches, caplog, label):
    changed = batches[3].with_labels(**{label: batches[3].labels[label] + 0.05})
    with caplog.at_level(logging.WARNING, logger="mliap_hybrid"):
        without_leaks(Split([0, 1], [2], [3, 4, 5]), [*batches[:3], changed, *batches[4:]])
    assert "contradict each other in 1 cases" in caplog.text


def test_validation_of_copies_alone_is_refused(batches):
    with pytest.raises(InputError, match="each of the 1 validation frames has the structure of a training frame"):
        without_leaks(Split(train=[0, 1], validation=[3], test=[2]), batches[:4])


def test_a_training_leaves_copies_out(tmp_path, caplog):
    frames = labelled_frames(16)
    ase.io.write(tmp_path / "data.extxyz", [*frames, *frames[:8]])
    with caplog.at_level(logging.WARNING, logger="mliap_hybrid"):
        parts = load_data(small_settings(tmp_path), Display())
    assert "8 of 24 frames have the structure of another frame" in caplog.text
    assert "and 3 more" in caplog.text
    keys = {name: {batch.positions.numpy().tobytes() for batch in part} for name, part in parts.items()}
    assert not keys["train"] & keys["validation"]
    assert not (keys["train"] | keys["validation"]) & keys["test"]
    assert len(parts["train"]) == 17  # 24 without 5 for validation and 2 for the test
    assert 0 < len(parts["validation"]) < 5
