"""Many descents with a memory of basins: on a landscape whose minima are known, on dimers, interrupted, divided."""

import json
import math
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.basin_memory import RADIUS, WIDTH, Basin, BasinMemory, distance
from mliap_hybrid.fitting.global_search import ROUND, Descent, GlobalSearch, search
from mliap_hybrid.fitting.processes.process_group import ProcessGroup
from mliap_hybrid.model.bounds import Ratio
from mliap_hybrid.runs.starts import in_words, report

N = 3


def parameter(number: int) -> torch.nn.Module:
    """One of a single element, from 2/3 to 6 eV."""
    made = torch.nn.Module()
    made.name, made.unit, made.bound, made.start = f"strength_{number}", "eV", Ratio(3.0), torch.tensor([2.0])
    made.coordinates = torch.nn.Parameter(torch.tensor([-0.5]))
    made.coordinates_of_elements = lambda heads: made.coordinates
    return made


class Rugged:
    """An objective of three numbers with some two hundred minima; the lowest, of -3, is at u = (0.4, 0.4, 0.4)."""

    n_frames = 5

    def __init__(self):
        made = [parameter(number) for number in range(N)]
        self.model = SimpleNamespace(atomic_parameters={each.name: each for each in made}, heads=None)
        self.coordinates, self.n_evaluations = [each.coordinates for each in made], 0

    def start_epoch(self, epoch):
        pass

    def gradient(self, indices, errors):
        self.n_evaluations += 1
        x = torch.tanh(torch.cat(self.coordinates) / math.log(3.0)) - 0.4
        loss = (4.0 * x.square() - torch.cos(20.0 * x)).sum()
        for tensor, gradient in zip(self.coordinates, torch.autograd.grad(loss, self.coordinates), strict=True):
            tensor.grad = gradient
        return SimpleNamespace(loss=float(loss.detach()), is_finite=True)


def descents(folder, n_starts, objective=None, group=None, seed=0):
    told = []
    of_search = GlobalSearch(objective or Rugged(), 60, seed)
    found = search(
        of_search, n_starts, folder / "starts", "frames", group or ProcessGroup(), lambda d: told.append(len(d))
    )
    assert told == [*range(ROUND, n_starts, ROUND), n_starts]
    return found


def minima(found):
    return np.array([descent.minimum for descent in found])


def test_the_lowest_of_many_minima_is_found(tmp_path):
    """One start ends in the basin where it began; 24 find the lowest of all."""
    objective = Rugged()
    found = descents(tmp_path, 24, objective)
    losses = [descent.loss for descent in found]
    assert losses[0] > -1.0
    assert np.median(losses[:ROUND]) > -2.0
    best = min(found, key=lambda descent: descent.loss)
    assert best.loss == pytest.approx(-3.0, abs=1e-5)
    u = np.tanh(np.array(best.minimum) / math.log(3.0))
    np.testing.assert_allclose(u, 0.4, atol=1e-3)
    assert {descent.kind for descent in found[ROUND:]} == {"drawn", "lowest minimum, changed"}
    assert "of 24 starts" in in_words(found)
    text = report(found, objective.model, [14])
    assert "| strength_0 (eV) | Si" in text
    assert f"{2.0 * 3.0**0.4:.4g}" in text  # 2 eV R^u


def test_no_start_is_in_a_basin_that_was_visited(tmp_path):
    """Of the rounds before; within a round descents do not know of each other."""
    found = descents(tmp_path, 3 * ROUND)
    for descent in found[ROUND:]:
        before = found[: ROUND * (descent.number // ROUND)]
        ends = [end for b in before for end in (b.start, np.tanh(np.array(b.minimum) / math.log(3.0)))]
        assert min(distance(np.array(descent.start), np.array(end)) for end in ends) >= RADIUS


def test_descents_into_known_basins_end():
    memory = BasinMemory([np.arange(2)], [Basin(np.array([0.5, 0.5]), np.array([0.1, 0.1]), 1.0)])
    assert memory.is_taboo(np.array([0.45, 0.5]))
    assert memory.is_taboo(np.array([0.1, 0.0]))
    assert not memory.is_taboo(np.array([-0.3, 0.1]))
    assert memory.leads_to(np.array([0.12, 0.1]), 1.5)
    assert not memory.leads_to(np.array([0.12, 0.1]), 0.5)  # lower than what is known
    assert not memory.leads_to(np.array([0.5, 0.5]), 1.5)
    drawn = memory.draw(False, lambda u: float(u[0]), np.random.default_rng(0))
    assert drawn[0] < -0.5 * WIDTH  # the lowest of several
    full = BasinMemory([np.arange(2)], [Basin(np.zeros(2), np.zeros(2), 0.0)])
    kicked = full.draw(True, lambda u: 0.0, np.random.default_rng(0))
    assert distance(kicked, np.zeros(2)) >= RADIUS


def test_an_interrupted_search_goes_on_to_the_same(tmp_path):
    whole = descents(tmp_path / "whole", 12)
    again = tmp_path / "again"
    shutil.copytree(tmp_path / "whole", again)
    for number in (5, 9, 11):
        (again / "starts" / f"{number}.json").unlink()
    objective = Rugged()
    assert (minima(descents(again, 12, objective)) == minima(whole)).all()
    assert 0 < objective.n_evaluations < 400
    with pytest.raises(InputError, match="the data are not those that"):
        search(GlobalSearch(Rugged(), 60, 0), 4, again / "starts", "others", ProcessGroup(), lambda found: None)


def test_processes_divide_the_descents(tmp_path):
    """Each does its share; what both know is their sum, and the same as of one process."""
    alone = descents(tmp_path, 6, seed=3)
    rows = []

    class Half(ProcessGroup):
        """One of two processes, which are made to run one after the other."""

        size = 2

        def __init__(self, rank, others):
            self.rank, self.others = rank, others

        def sum(self, values):
            rows.append(values)
            return values if self.others is None else values + self.others

    for rank, others in ((0, None), (1, lambda: rows[0])):
        folder = tmp_path / f"rank{rank}"
        found = descents(folder, 6, group=Half(rank, None if others is None else others()), seed=3)
        assert sorted(int(file.stem) for file in (folder / "starts").iterdir()) == list(range(rank, 6, 2))
    assert (minima(found) == minima(alone)).all()


def test_descents_are_plain_data(tmp_path):
    found = descents(tmp_path, 2)
    content = json.loads((tmp_path / "starts" / "1.json").read_text())
    content.pop("data")
    assert Descent(**content) == found[1]
