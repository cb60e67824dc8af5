"""Import the scripts of a folder under training/, as they import each other."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def scripts(request: pytest.FixtureRequest):
    """Scripts named by the test file's `SCRIPTS`, from its `FOLDER`."""
    folder, names = Path(request.module.FOLDER), request.module.SCRIPTS
    sys.path.insert(0, str(folder))
    modules: list[ModuleType] = [importlib.import_module(name) for name in names]
    yield dict(zip(names, modules, strict=True))
    sys.path.remove(str(folder))
    for name in names:
        del sys.modules[name]
