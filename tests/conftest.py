"""For all tests: MPI ranks that share cores."""

import os

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
