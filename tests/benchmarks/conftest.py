"""Benchmarks that end early, run in this process: their imports take seconds in one of their own."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def last_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a script with options, of which it must say that they are wrong, and returns how it says so."""

    def run(script: str, *options: str) -> str:
        monkeypatch.syspath_prepend(str(BENCHMARKS))  # as Python does for a script
        monkeypatch.setattr(sys, "argv", [script, *options])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(BENCHMARKS / script), run_name="__main__")
        code = ended.value.code
        assert code
        return code if isinstance(code, str) else capsys.readouterr().err

    return run
