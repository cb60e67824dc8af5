"""What is asked of every situation: the same numbers on all ranks and by both steps, and those of ASE; or a refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import product
from pathlib import Path

import pytest
from fault_models import KINDS, ModelFile
from lammps_runs import Run
from situations import (
    RANKS,
    STEPS,
    Key,
    Situation,
    assert_as_in_ase,
    assert_refused,
    assert_same_end,
    assert_same_runs,
    plain,
    run_or_hang,
    runs_of,
)

REFUSALS = ((1, "native"), (2, "Python"), (4, "native"))
"""Ranks and steps with which a refused situation is tried."""

AGREES = "1, 2 and 4 ranks, both steps, ASE"
AGREES_WITH_ASE = "both steps, ASE"


def each_cell(situations: Mapping[str, Situation]) -> pytest.MarkDecorator:
    """Parametrises a test with all situations and kinds of models."""
    return pytest.mark.parametrize(("row", "kind"), list(product(situations, KINDS)))


def chosen(request: pytest.FixtureRequest, situations: Mapping[str, Situation]) -> dict[str, Situation]:
    """Those whose tests were selected, and those that they are compared with."""
    specs = [getattr(item, "callspec", None) for item in request.session.items]
    rows = {spec.params.get("row") for spec in specs if spec is not None}
    rows |= {situation.ends_as for name, situation in situations.items() if name in rows}
    return {name: situation for name, situation in situations.items() if name in rows}


class Runner:
    """Runs all situations when the first is asked for."""

    def __init__(self, situations: Mapping[str, Situation], models: Mapping[str, ModelFile], folder: Path):
        self.situations, self.models, self.folder = situations, models, folder

    @cached_property
    def runs(self) -> dict[tuple[str, Key], Run]:
        """All that are not refused."""
        return runs_of(self.situations, self.models, self.folder)

    def check(self, row: str, kind: str, cell: Callable[[str, str, str, str], None]) -> None:
        """All that every situation is asked for."""
        situation = self.situations[row]
        if kind in situation.senseless:
            cell(row, kind, f"left out: {situation.senseless[kind]}", "")
            pytest.skip(situation.senseless[kind])
        if kind in situation.refused:
            cell(row, kind, "refused: " + situation.refused[kind].replace("\\", ""), "")
            self._check_refusal(row, kind)
            return
        cell(row, kind, "passes", AGREES if situation.ranks_agree else AGREES_WITH_ASE)
        runs, elements = self.runs, situation.seen or situation.mapped or situation.elements
        first = runs[row, (kind, 1, "native")]
        assert_as_in_ase(first, self.models[kind], elements)
        for n, step in product(RANKS, STEPS):
            found = runs[row, (kind, n, step)]
            expected = first if situation.ranks_agree else runs[row, (kind, n, "native")]
            assert_same_runs(found, expected, situation.rounding)
            if not situation.ranks_agree:
                assert_as_in_ase(found, self.models[kind], elements)
            situation.also(found)
            if situation.ends_as:
                assert_same_end(found, runs[situation.ends_as, (kind, n, step)])

    def _check_refusal(self, row: str, kind: str) -> None:
        situation = self.situations[row]
        for n, step in REFUSALS:
            folder = self.folder / "refused" / plain(f"{row} {kind}") / f"{n}_{step}"
            result = run_or_hang(folder, situation.lines(self.models[kind], kind, folder, step), n)
            assert_refused(result, situation.refused[kind])
