"""A run that cannot go on says why once, in one sentence where the user can mend it, and ends on all ranks."""

from __future__ import annotations

from pathlib import Path

import pytest
from lammps_runs import LAUNCHER, LMP, run
from test_plugin_pair_style import ARGON, DYNAMICS, MODEL, save, system

from mliap_hybrid.testing.toy_models import Failing, LennardJones, Unopenable

SECONDS = 20.0
"""A run that hangs instead of ending is caught after this time."""

MISTAKES = [
    (
        ("* * Ar Ar", "* * Ar AR"),
        "does not know the element 'AR' of pair_coeff, it knows Ne Ar: did you mean 'Ar'?",
    ),
    (("* * Ar Ar", "* * Ar Xe"), "does not know the element 'Xe' of pair_coeff, it knows Ne Ar"),
    (("* * Ar Ar", "* * Ar"), "one element for each of the 2 types"),
    (("* * Ar Ar", "1 2 Ar Ar"), "Pair_coeff must start with * * for pair style mliap"),
    (("* * Ar Ar", "* * NULL NULL"), "maps no atom type to an element"),
    (("model.pkl", "none.pkl"), "cannot find the model file 'none.pkl'"),
    (("model.pkl", "in.lammps"), "the model file 'in.lammps' is damaged or not a pickle"),
    (("pkl 0", "pkl 2"), "Incorrect ghost neighbor flag 2 of pair_style mliap unified: use 0 or 1"),
    (("pkl 0", "pkl 0 7"), "Unknown pair_style mliap unified keyword: 7"),
    (("unified model.pkl 0 trusted yes", "unified"), "Illegal pair_style mliap unified command: missing argument(s)"),
]
"""A change of the input, and what is printed about it."""


@pytest.mark.parametrize(("change", "message"), MISTAKES)
def test_mistakes_in_the_input(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    check_mistake(tmp_path, change, message, ranks=None)


@pytest.mark.mpi
@pytest.mark.parametrize(("change", "message"), [MISTAKES[0], MISTAKES[5]])
def test_mistakes_are_told_once(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    check_mistake(tmp_path, change, message, ranks=2)


def check_mistake(directory: Path, change: tuple[str, str], message: str, ranks: int | None) -> None:
    """The run fails with the message, printed once, and without a traceback."""
    save(directory, LennardJones(["Ne", "Ar"], *ARGON))
    result = run(directory, system() + MODEL.replace(*change) + "run 0\n", ranks, timeout=SECONDS)
    assert result.status != 0
    assert result.text.count(message) == 1
    assert "Traceback" not in result.text


def test_bonds_that_would_hide_neighbours(tmp_path: Path) -> None:
    """The default special_bonds leave bonded atoms out of the list, and a model would miss them in silence."""
    head = system(style="bond").replace("create_box 2 box", "create_box 2 box bond/types 1 extra/bond/per/atom 1")
    lines = head + "create_bonds single/bond 1 1 2\nbond_style zero\nbond_coeff 1\n" + MODEL
    save(tmp_path, LennardJones(["Ne", "Ar"], *ARGON))
    result = run(tmp_path, lines + "run 0\n", timeout=SECONDS)
    assert result.status != 0
    assert "use special_bonds lj/coul 1 1 1" in result.text
    result = run(tmp_path, lines + "special_bonds lj/coul 1 1 1\nrun 0\n", timeout=SECONDS)
    assert result.status == 0, result.text


def test_another_model_without_its_elements(tmp_path: Path) -> None:
    """The types of the model before must not be taken for those of the new one."""
    save(tmp_path, LennardJones(["Ne", "Ar"], *ARGON))
    lines = system() + MODEL + "run 0\n" + MODEL.splitlines()[0] + "\nrun 0\n"
    result = run(tmp_path, lines, timeout=SECONDS)
    assert result.status != 0
    assert "All pair coeffs are not set" in result.text


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("rank", "by_user", "command"),
    [
        (0, False, LMP),
        (1, False, LMP),
        (None, False, LMP),
        (1, True, LMP),
        (None, True, LMP),
        (0, True, LAUNCHER),
        (1, False, LAUNCHER),
    ],
)
def test_failure_in_a_step(tmp_path: Path, rank: int | None, by_user: bool, command: list[str]) -> None:
    """Also of one rank while the other waits for it inside the model."""
    save(tmp_path, Failing(3, rank, by_user, ["Ne", "Ar"], *ARGON))
    result = run(tmp_path, system() + MODEL + DYNAMICS, 2, command, timeout=SECONDS)
    assert result.status != 0
    if by_user:
        assert result.text.count("the toy model was told to refuse this step") == 1
        assert "Traceback" not in result.text
    else:
        assert result.text.count("Traceback (most recent call last)") == 1
        assert result.text.count("ZeroDivisionError: the toy model was told to break") == 1


@pytest.mark.parametrize("by_user", [True, False], ids=["input error", "exception"])
def test_failure_in_a_step_of_one_rank(tmp_path: Path, by_user: bool) -> None:
    save(tmp_path, Failing(3, None, by_user, ["Ne", "Ar"], *ARGON))
    result = run(tmp_path, system() + MODEL + DYNAMICS, timeout=SECONDS)
    assert result.status != 0
    assert result.text.count("ERROR") == 1
    assert ("Traceback" in result.text) != by_user


@pytest.mark.mpi
@pytest.mark.parametrize("rank", [0, 1])
def test_model_that_opens_on_one_rank_only(tmp_path: Path, rank: int) -> None:
    save(tmp_path, Unopenable(rank))
    result = run(tmp_path, system() + MODEL + "run 0\n", 2, timeout=SECONDS)
    assert result.status != 0
    assert result.text.count("ZeroDivisionError: the toy model cannot be opened here") == 1


def test_model_without_a_cutoff(tmp_path: Path) -> None:
    unified = LennardJones(["Ne", "Ar"], *ARGON)
    unified.rcutfac = None  # type: ignore[assignment]
    save(tmp_path, unified)
    result = run(tmp_path, system() + MODEL + "run 0\n", timeout=SECONDS)
    assert result.status != 0
    assert "the model in 'model.pkl' does not set `rcutfac`" in result.text
