"""Rounds of training, runs and labels: what is new is found, labelled once, and trained on."""

import io
import re

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.io import read, write
from rich.console import Console

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.labelling.single_point import labelled
from mliap_hybrid.lammps.exporter import load_exported
from mliap_hybrid.learning.loop import learn
from mliap_hybrid.learning.rounds import Round, read_row, write_table
from mliap_hybrid.learning.selection import select
from mliap_hybrid.learning.settings import read_learning_file
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.runs.progress import Display

TRAINING = {
    "data": {"files": ["first.extxyz"]},
    "features": {"set": "gmp-classic", "widths": [0.8, 1.2], "cutoff": 4.0},
    "network": {"hidden": [8, 8]},
    "repulsion": {"kind": "none"},
    "electrostatics": {"charges": "none"},
    "optimisation": {"epochs": 60, "batch_size": 4},
}

LEARNING = {
    "training": "train.yaml",
    "calculator": {"name": "emt"},
    "runs": {
        "starts": ["first.extxyz"],
        "n_runs": 2,
        "temperatures": [300.0, 2500.0],
        "time": 0.4,
        "time_step": 2.0,
        "every": 4,
    },
    "n_rounds": 2,
    "n_select": 4,
}


def crystals(n=16, shake=0.05):
    random = np.random.default_rng(3)
    frames = [bulk("Cu", cubic=True) * (2, 2, 2) for _ in range(n)]
    for atoms in frames:
        atoms.positions += random.normal(0, shake, atoms.positions.shape)
    return [labelled(atoms, EMT()) for atoms in frames]


def files(folder, changes=None, **training):
    folder.mkdir(exist_ok=True)
    write(folder / "first.extxyz", crystals())
    (folder / "train.yaml").write_text(yaml.safe_dump(TRAINING | training))
    content = LEARNING | {"folder": str(folder / "learning")} | (changes or {})
    (folder / "learn.yaml").write_text(yaml.safe_dump(content))
    return read_learning_file(folder / "learn.yaml")


def quiet():
    return Display(Console(file=io.StringIO()))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learn")
    settings = files(folder)
    return settings, learn(settings, quiet())


def test_hot_runs_leave_what_cold_frames_tell(finished):
    settings, rounds = finished
    first = rounds[0]
    assert first.n_outside >= first.n_new > 0
    assert first.largest_distance > 1.0
    assert 0.0 < first.share_outside < 1.0
    new = read(settings.folder / "round_01" / "labelled.extxyz", ":")
    for atoms in new:  # labels of the calculator, of structures that are none of the first
        again = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True, calculator=EMT())
        np.testing.assert_allclose(atoms.get_forces(), again.get_forces(), atol=1e-6)
    assert len(new) == first.n_new


def test_the_next_round_is_trained_on_them(finished):
    settings, rounds = finished
    assert len(rounds) == 2
    log = (settings.folder / "round_02" / "training" / "train.log").read_text()
    counts = map(int, re.findall(r"(\d+) (?:train|validation|test)", log.splitlines()[0]))
    assert sum(counts) == 16 + rounds[0].n_new
    models = [load_exported(settings.folder / f"round_0{k}" / "model.pt")[0] for k in (1, 2)]
    new = read(settings.folder / "round_01" / "labelled.extxyz", ":")
    forces = [Evaluator(model).predict(frame_to_batch(new[-1], model.cutoff)).forces for model in models]
    assert not np.allclose(*forces)


def test_what_is_finished_is_not_done_again(finished):
    settings, rounds = finished
    times = {file: file.stat().st_mtime_ns for file in settings.folder.rglob("model.pt")}
    assert learn(settings, quiet()) == rounds
    row = settings.folder / "round_02" / "round.csv"
    row.rename(row.with_name("found.csv"))  # as if it had been stopped before its end
    assert learn(settings, quiet()) == rounds
    assert {file: file.stat().st_mtime_ns for file in settings.folder.rglob("model.pt")} == times


def test_what_is_tolerated_ends_the_loop(tmp_path):
    rounds = learn(files(tmp_path / "a", {"tolerated": 0.999, "n_rounds": 5}), quiet())
    assert len(rounds) == 1
    assert rounds[0].n_new == 0


def test_those_chosen_are_far_from_each_other(finished):
    settings, _ = finished
    evaluator = Evaluator(load_exported(settings.folder / "round_01" / "model.pt")[0])
    near, far = crystals(1, 0.02), crystals(3, 0.3)
    frames = [near[0], near[0], far[0], near[0], far[1], far[2]]
    assert select(frames, np.array([1.0, 1, 2, 1, 3, 2]), 4, evaluator)[-3:] == [2, 4, 5]
    assert len(select(frames, np.ones(6), 6, evaluator)) == 4  # copies are not labelled twice


def test_rows_are_read_as_they_were_written(tmp_path):
    row = Round(3, 20, 41, 0.25, 1.5, 2.75)
    write_table([row], tmp_path / "round.csv")
    assert read_row(tmp_path / "round.csv") == row


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"round": 3}, "unknown key 'round': did you mean 'n_rounds'"),
        (
            {"runs": {"starts": ["a"], "temperature": 300}},
            r"unknown key 'runs.temperature': did you mean 'temperatures'",
        ),
        ({"runs": {"starts": []}}, "runs.starts: list should have at least 1 item"),
        ({"calculator": {}}, "the key 'calculator.name' is missing"),
        ({"calculator": "emt"}, "calculator: expected `key: value` lines, found 'emt'"),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        files(tmp_path / "a", changes)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"keys": {"energy": "REF_energy"}}, "data.keys.energy of the training file is REF_energy"),
        (
            {"keys": {"charges": "charges"}},
            "data.keys.charges of the training file is charges, which",
        ),
        (
            {"units": {"length": "bohr"}},
            "data.units.length of the training file is bohr",
        ),
        ({"units": {"stress": "GPa"}}, "data.units.stress"),
    ],
)
def test_labels_must_have_the_names_and_units_of_new_ones(tmp_path, data, message):
    settings = files(tmp_path / "a", data={"files": ["first.extxyz"]} | data)
    with pytest.raises(InputError, match=message):
        learn(settings, quiet())


def left_handed():
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(-atoms.cell.array)
    return atoms


def slab():
    atoms = bulk("Cu", cubic=True)
    atoms.pbc = [True, True, False]
    return atoms


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (slab, "periodic in all directions or in none"),
        (left_handed, "left-handed"),
        (lambda: molecule("H2O"), "holds H, which no frame has"),
    ],
)
def test_structures_that_no_run_can_begin_with(tmp_path, start, message):
    write(tmp_path / "start.extxyz", start())
    with pytest.raises(InputError, match=message):
        learn(files(tmp_path / "a", {"runs": {"starts": [str(tmp_path / "start.extxyz")]}}), quiet())


def test_calculators_that_are_not_there_are_told_at_once(tmp_path):
    with pytest.raises(InputError, match="there is no calculator 'emtt'"):
        learn(files(tmp_path / "a", {"calculator": {"name": "emtt"}}), quiet())


def test_rounds_of_other_settings_are_not_gone_on_with(finished):
    settings, rounds = finished
    hotter = settings.runs.model_copy(update={"temperatures": [5000.0]})
    with pytest.raises(InputError, match=r"other settings \(learning.runs.temperatures was \[300.0, 2500.0\] and is"):
        learn(settings.model_copy(update={"runs": hotter}), quiet())
    jobs = settings.calculator.model_copy(update={"jobs": 2})
    assert learn(settings.model_copy(update={"calculator": jobs}), quiet()) == rounds
