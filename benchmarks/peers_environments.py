"""Environments of their own for packages that cannot live together, made when they are needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from peers_lammps import NotRun, finished


@dataclass(frozen=True)
class Environments:
    """A folder of virtual environments."""

    folder: Path | None
    """None: there are none, and what needs one is not run."""

    def python(self, name: str, *steps: Sequence[str]) -> Path:
        """The Python of an environment; if it is not there, it is made, with the packages of each step in turn.

        Raises
        ------
        NotRun
            If there is no folder, or a package cannot be installed.
        """
        if self.folder is None:
            raise NotRun("needs packages of its own: name a folder for them with --environments")
        home = self.folder.resolve() / name
        python, ready = home / "bin" / "python", home / "ready.txt"
        asked = "\n".join(" ".join(packages) for packages in steps)
        if not (ready.exists() and ready.read_text() == asked):
            home.mkdir(parents=True, exist_ok=True)
            finished([sys.executable, "-m", "venv", "--clear", "."], home)
            for packages in steps:
                finished([python, "-m", "pip", "install", "--quiet", *packages], home)
            ready.write_text(asked)
        return python


def alone(python: Path) -> dict[str, str]:
    """Variables with which the programs of an environment find what is theirs, and nothing of this one."""
    return {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": ""}
