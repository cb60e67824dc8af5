"""Proper orthogonal descriptors, fitted by LAMMPS' own `fitpod`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from peers_lammps import LammpsPotential, NotRun, Prediction, finished
from peers_systems import System

BASIS = """\
species {species}
pbc 1 1 1
rin {inner}
rcut {cutoff}
bessel_polynomial_degree 4
inverse_polynomial_degree 8
twobody_number_radial_basis_functions 8
threebody_number_radial_basis_functions 7
threebody_angular_degree 5
fourbody_number_radial_basis_functions 6
fourbody_angular_degree 4
"""

TASK = """\
file_format extxyz
file_extension xyz
path_to_training_data_set training
path_to_test_data_set test
fitting_weight_energy 100.0
fitting_weight_force 1.0
fitting_regularization_parameter 1e-10
error_analysis_for_training_data_set 0
error_analysis_for_test_data_set 0
basename_for_output_files pod
"""

CUTOFFS = {"Si": 5.5}
"""Å; 5 for the others."""
NEAREST = {"Si": 1.0, "water": 0.5, "ethanol": 0.5}
"""Å, where radial functions begin."""


@dataclass(frozen=True)
class POD:
    """Terms of two, three and four bodies."""

    name: str = "POD"
    fitted_as: str = "pod"

    def fit(self, system: System, folder: Path) -> None:
        """Solve for the coefficients."""
        if not system.training:
            raise NotRun("the data set has no training frames")
        for part, frames in (("training", [*system.training, *system.validation]), ("test", system.test)):
            (folder / part).mkdir(exist_ok=True)
            (folder / part / "frames.xyz").write_text("".join(extended_xyz(frame) for frame in frames))
        numbers = {"inner": NEAREST[system.name], "cutoff": CUTOFFS.get(system.name, 5.0)}
        (folder / "basis.pod").write_text(BASIS.format(species=" ".join(system.elements), **numbers))
        (folder / "task.pod").write_text(TASK)
        (folder / "in.fit").write_text("fitpod basis.pod task.pod\n")
        lmp = LammpsPotential("", ()).lmp
        (folder / "said.txt").write_text(finished([lmp, "-in", "in.fit", "-log", "none"], folder))

    def potential(self, system: System, folder: Path) -> LammpsPotential:
        """Input lines."""
        files = f"{folder.resolve()}/basis.pod {folder.resolve()}/pod_coefficients.pod"
        elements = " ".join(system.elements)
        return LammpsPotential(f"pair_style pod\npair_coeff * * {files} {elements}", system.elements)

    def reference(self, system: System, folder: Path, frames: Sequence[Atoms]) -> list[Prediction] | None:
        """There is no other implementation."""
        return None


def extended_xyz(frame: Atoms) -> str:
    """A frame with the words that fitpod looks for, in their order."""
    lattice = " ".join(f"{value:.12g}" for value in np.asarray(frame.cell).ravel())
    head = f'Lattice="{lattice}" Properties=species:S:1:pos:R:3:forces:R:3 energy={frame.get_potential_energy():.12g}'
    lines = [
        f"{symbol} " + " ".join(f"{value:.12g}" for value in (*position, *force))
        for symbol, position, force in zip(frame.symbols, frame.positions, frame.get_forces(), strict=True)
    ]
    return "\n".join([str(len(frame)), head, *lines]) + "\n"
