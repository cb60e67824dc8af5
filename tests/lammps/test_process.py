"""Threads of a rank: as many as are asked for, and no more than its share of the machine."""

import os

import pytest

from mliap_hybrid.lammps.process import cores_of_rank, threads_of_rank


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))


def test_cores_are_shared():
    assert [cores_of_rank(n) for n in (1, 2, 3, 8, 50)] == [8, 4, 2, 1, 1]


@pytest.mark.parametrize(
    ("asked", "threads"), [("3", 3), ("3,2", 3), (" 4 ", 4), ("100", 4), (None, 4), ("0", 4), ("many", 4), ("", 4)]
)
def test_threads_that_are_asked_for(monkeypatch, asked, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert threads_of_rank(2) == threads
