"""For the fault matrix: its models, and where tests report the cells of its table. `run.py` runs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fault_models import KINDS, ModelFile, export

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for position, item in enumerate(items):
        if FOLDER in item.path.parents:
            item.add_marker("faults")
            item.user_properties.append(("position", position))


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelFile]:
    """Kind of model -> its file."""
    folder = tmp_path_factory.mktemp("models")
    return {kind: export(folder, kind) for kind in KINDS}


@pytest.fixture
def cell(request: pytest.FixtureRequest) -> Callable[[str, str, str, str], None]:
    """Takes row and column of a test in the table, what it shows where it passes, and what it is compared with."""

    def report(row: str, column: str, text: str, oracle: str) -> None:
        request.node.user_properties.append(("cell", (row, column, text, oracle)))

    return report
