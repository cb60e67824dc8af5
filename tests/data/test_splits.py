"""The split is deterministic, complete, and never silently empty."""

import pytest
from ase import Atoms

from mliap_hybrid.config import DataSettings
from mliap_hybrid.data.frames import Frame
from mliap_hybrid.data.splits import split_frames
from mliap_hybrid.errors import InputError


def frames(n, **info):
    made = [Frame(Atoms("Na"), f"f.extxyz, frame {index}") for index in range(n)]
    for name, values in info.items():
        for frame, value in zip(made, values, strict=True):
            frame.atoms.info[name] = value
    return made


def settings(**values):
    return DataSettings(files=["f.extxyz"], **values)


def test_random_split_is_complete_and_depends_on_the_seed_alone():
    split = split_frames(frames(20), settings(validation=0.2, test=0.1), seed=3)
    assert (len(split.train), len(split.validation), len(split.test)) == (14, 4, 2)
    assert sorted(split.train + split.validation + split.test) == list(range(20))
    assert split == split_frames(frames(20), settings(validation=0.2, test=0.1), seed=3)
    assert split != split_frames(frames(20), settings(validation=0.2, test=0.1), seed=4)


def test_split_by_entry():
    split = split_frames(frames(4, part=["train", "test", "train", "validation"]), settings(split_key="part"), seed=0)
    assert (split.train, split.validation, split.test) == ([0, 2], [3], [1])


def test_no_test_frames_where_none_are_wanted():
    assert split_frames(frames(10), settings(test=0.0), seed=0).test == []


@pytest.mark.parametrize(
    ("n", "values", "match"),
    [
        (3, {"validation": 0.1}, "the validation split of 3 frames is empty"),
        (10, {"validation": 0.0}, "the validation split"),
        (10, {"validation": 0.2, "test": 0.01}, "the test split of 10 frames is empty"),
        (10, {"validation": 0.6, "test": 0.4}, "leave nothing to train on"),
        (1, {"validation": 0.9, "test": 0.0}, "the train split of 1 frames is empty"),
    ],
)
def test_empty_split_is_refused(n, values, match):
    with pytest.raises(InputError, match=match):
        split_frames(frames(n), settings(**values), seed=0)


def test_wrong_or_missing_entry_is_refused():
    with pytest.raises(InputError, match=r"f.extxyz, frame 1: 'part' is 'validaton'.*did you mean"):
        split_frames(frames(2, part=["train", "validaton"]), settings(split_key="part"), seed=0)
    with pytest.raises(InputError, match=r"no entry 'prt', which data.split_key names.*did you mean 'part'"):
        split_frames(frames(2, part=["train", "test"]), settings(split_key="prt"), seed=0)
    with pytest.raises(InputError, match="validation split of 2 frames is empty"):
        split_frames(frames(2, part=["train", "test"]), settings(split_key="part"), seed=0)


class TestFilesOfTheirOwn:
    """Frames of validation and test files stand at the end, and no others are taken."""

    def test_both(self):
        given = settings(validation_files=["v.extxyz"], test_files=["t.extxyz"])
        split = split_frames(frames(10), given, seed=0, n_validation=3, n_test=2)
        assert (split.train, split.validation, split.test) == ([0, 1, 2, 3, 4], [5, 6, 7], [8, 9])

    def test_validation_alone(self):
        split = split_frames(frames(13), settings(validation_files=["v.extxyz"], test=0.2), seed=0, n_validation=3)
        assert split.validation == [10, 11, 12]
        assert len(split.test) == 2
        assert sorted(split.train + split.test) == list(range(10))

    def test_no_split_key_beside_them(self):
        with pytest.raises(ValueError, match="exclude each other"):
            settings(validation_files=["v.extxyz"], split_key="part")
