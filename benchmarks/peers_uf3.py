"""UF3, cubic splines of two and three bodies: fitted by the package `uf3`, run by LAMMPS' pair style `uf3`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms
from ase.io import write
from peers_environments import Environments, alone
from peers_lammps import LammpsPotential, NotRun, Prediction, finished
from peers_systems import System

PACKAGES = ["uf3==0.4.0", "numpy<2", "pandas<3", "setuptools<81"]
"""The calculator of this version fails with numpy 2.4."""
SETTINGS = {"nearest": 1.5, "pair_cutoff": 6.0, "trio_cutoff": 4.5, "pair_knots": 20, "trio_knots": 8}
"""Å, and intervals between knots; the third side of a trio has twice as many over twice the length."""
EVERY = 8
"""One of so many training frames is used: the package's Python takes seconds for each."""
SYSTEMS = ("Si",)
"""Those with few enough kinds of trios for the package's Python."""

SCRIPT = """
import json, sys, warnings
import numpy as np
from ase.io import read
from uf3.data.composition import ChemicalSystem
from uf3.forcefield.calculator import UFCalculator
from uf3.regression.least_squares import WeightedLinearModel, arrange_coefficients
from uf3.representation.bspline import BSplineBasis
from uf3.representation.process import BasisFeaturizer

warnings.filterwarnings("ignore")
task, settings = sys.argv[1], json.loads(sys.argv[2])
system = ChemicalSystem(element_list=settings["elements"], degree=3)
near, pair, trio = settings["nearest"], settings["pair_cutoff"], settings["trio_cutoff"]
pairs, trios = system.interactions_map[2], system.interactions_map[3]
knots = settings["trio_knots"]
basis = BSplineBasis(
    system,
    r_min_map={p: near for p in pairs} | {t: [near] * 3 for t in trios},
    r_max_map={p: pair for p in pairs} | {t: [trio, trio, 2 * trio] for t in trios},
    resolution_map={p: settings["pair_knots"] for p in pairs} | {t: [knots, knots, 2 * knots] for t in trios},
    leading_trim=0,
    trailing_trim=3,
)
model = WeightedLinearModel(basis, ridge_1b=1e-8, ridge_2b=0.0, ridge_3b=1e-8, curve_2b=1e-8, curve_3b=1e-8)


def file_of(model):
    head = "#UF3 POT UNITS: metal DATE: 2026 AUTHOR: peers CITATION: none"
    line = lambda values: " ".join(f"{value:.17g}" for value in values)
    parts = arrange_coefficients(model.coefficients, basis)
    lines = []
    for p in pairs:
        t = basis.knots_map[p]
        lines += [head, f"2B {' '.join(p)} 0 3 nk", f"{t[-1]:.17g} {len(t)}", line(t)]
        lines += [str(len(t) - 4), line(parts[p]), "#"]
    for p in trios:
        ij, ik, jk = basis.knots_map[p]
        grid = basis.decompress_3B(parts[p], p)
        sides = (jk, ik, ij)
        lines += [head, f"3B {' '.join(p)} 0 3 nk"]
        lines += [" ".join([*(f"{side[-1]:.17g}" for side in sides), *(str(len(side)) for side in sides)])]
        lines += map(line, sides)
        lines += [" ".join(map(str, grid.shape)), *(line(row) for plane in grid for row in plane), "#"]
    return "\\n".join(lines) + "\\n"


if task == "fit":
    rows = {"energy": [], "force": []}
    featurizer = BasisFeaturizer(basis)
    for number, frame in enumerate(read("frames.extxyz", ":")):
        labels = frame.get_potential_energy(), frame.get_forces().T
        for (_, what), row in featurizer.evaluate_configuration(frame, str(number), *labels).items():
            rows["energy" if what == "energy" else "force"].append(row)
    energies, forces = (np.array(rows[what]) for what in ("energy", "force"))
    model.fit(energies[:, 1:], energies[:, 0], forces[:, 1:], forces[:, 0], weight=0.5)
    np.save("coefficients.npy", model.coefficients)
    open("potential.uf3", "w").write(file_of(model))
else:
    model.coefficients = np.load("coefficients.npy")
    calculator = UFCalculator(model)
    results = []
    for frame in read("points.extxyz", ":"):
        energy = calculator.get_potential_energy(frame) - calculator.energy_1b(frame)
        results.append({"energy": float(energy), "forces": calculator.get_forces(frame).tolist()})
    print(json.dumps(results))
"""


@dataclass(frozen=True)
class UF3:
    """Splines of pairs and trios."""

    environments: Environments
    name: str = "UF3"
    fitted_as: str = "uf3"

    def fit(self, system: System, folder: Path) -> None:
        """Solve for the coefficients, and write the file that LAMMPS reads."""
        if system.name not in SYSTEMS:
            raise NotRun(f"fitted for {', '.join(SYSTEMS)} alone: too many kinds of trios, or no training frames")
        write(folder / "frames.extxyz", [*system.training, *system.validation][::EVERY])
        self._script("fit", system, folder)

    def potential(self, system: System, folder: Path) -> LammpsPotential:
        """Input lines; LAMMPS leaves the energies of single atoms out."""
        lines = f"pair_style uf3 3\npair_coeff * * {folder.resolve()}/potential.uf3 {' '.join(system.elements)}"
        return LammpsPotential(lines, system.elements)

    def reference(self, system: System, folder: Path, frames: Sequence[Atoms]) -> list[Prediction]:
        """What the package says of the same coefficients."""
        write(folder / "points.extxyz", frames)
        return Prediction.all_of(self._script("evaluate", system, folder))

    def _script(self, task: str, system: System, folder: Path) -> str:
        python = self.environments.python("uf3", PACKAGES)
        settings = json.dumps(SETTINGS | {"elements": system.elements})
        (folder / "uf3_task.py").write_text(SCRIPT)
        return finished([python, "uf3_task.py", task, settings], folder, alone(python))
