"""For all tests: MPI ranks that share cores, and trainings whose figures are made but not drawn."""

import os

import pytest

WAIT_ASLEEP = {
    "MPIR_CVAR_ENABLE_HEAVY_YIELD": "1",
    "MPIR_CVAR_CH4_PROGRESS_THROTTLE": "1",
    "MPIR_CVAR_CH4_PROGRESS_THROTTLE_NO_PROGRESS_COUNT": "64",
}
"""Of MPICH: a rank that waits for others leaves them its core. It keeps it by default, and four ranks on two cores then
take five times as long."""


def pytest_configure() -> None:
    for name, value in WAIT_ASLEEP.items():
        os.environ.setdefault(name, value)


@pytest.fixture
def undrawn_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports make their figures and leave out what matplotlib does to save them, most of a small training's time.

    Their files are empty: tests that look at one do without this.
    """
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, path: path.touch())
