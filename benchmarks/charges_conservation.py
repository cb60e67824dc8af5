"""Is energy kept where charges move, and would it be without their response in the forces? A part of charges.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from charges_water import Row, water, write_system

from mliap_hybrid.lammps.command import lammps_command

N_MOLECULES = 512
TIMESTEP = 0.0005
"""ps."""
WARM = 1.0
"""ps of Langevin dynamics at 300 K before the energy is watched."""
WITHOUT_RESPONSE = "without response"

NVE = """\
units metal
atom_style charge
read_data structure.data
{potential}
velocity all create 300.0 1 dist gaussian
timestep {timestep}
thermo {every}
thermo_style custom step time temp pe etotal
thermo_modify norm no format float %.12g flush yes
minimize 0 1e-2 200 1000
fix warm all langevin 300 300 0.1 7
fix move all nve
run {warm}
unfix warm
reset_timestep 0
run {steps}
"""


def conservation(folder: Path, model: Path, picoseconds: float = 20.0, ranks: int = 2) -> list[Row]:
    """Drift of the energy of 1536 water atoms: the slope of a line through it, times the length of the run.

    Parameters
    ----------
    folder : Path
    model : Path
        Model file of water.
    picoseconds : float
        Length of the run. Without the response it is a tenth of it: long enough to see the slope.
    ranks : int
    """
    rows: list[Row] = []
    potential = write_system(folder, water(N_MOLECULES), model, accuracy=1e-5)
    for response, length in ((True, picoseconds), (False, picoseconds / 10.0)):
        script = folder / f"in.nve_{'with' if response else 'without'}"
        steps = round(length / TIMESTEP)
        script.write_text(
            NVE.format(
                potential=potential,
                timestep=TIMESTEP,
                every=max(1, steps // 100),
                warm=round(WARM / TIMESTEP),
                steps=steps,
            )
        )
        times, energies = energies_of(script, ranks, response)
        slope = abs(float(np.polyfit(times, energies, 1)[0]))  # eV/ps
        of_run = "NVE drift" if response else "NVE drift without the response of the charges"
        rows += [
            {"what": of_run, "value": slope * length / (3 * N_MOLECULES), "unit": "eV/atom", "ps": length},
            {"what": f"{of_run}, a ps", "value": slope / (3 * N_MOLECULES), "unit": "eV/atom/ps"},
        ]
    return rows


def energies_of(script: Path, ranks: int, response: bool) -> tuple[np.ndarray, np.ndarray]:
    """Run an input: times (n,) in ps and total energies (n,) in eV of its last run."""
    command = lammps_command(ranks)
    if not response:
        *launcher, _ = command
        command = [*launcher, sys.executable, str(Path(__file__)), WITHOUT_RESPONSE]
    command += ["-in", script.name, "-log", f"{script.name}.log"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=script.parent, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    printed = done.stdout.rsplit("Step ", 1)[1].split("Loop time")[0].splitlines()[1:]
    table = np.array([[float(word) for word in line.split()] for line in printed if line.strip()])
    return table[:, 1], table[:, 4]


if __name__ == "__main__" and sys.argv[1:2] == [WITHOUT_RESPONSE]:
    # LAMMPS in this Python, where forces leave out that charges change with the positions.
    from mliap_hybrid.lammps.launcher import run_lammps
    from mliap_hybrid.model.parameters import PredictedParameter

    with_response = PredictedParameter.forward

    def _without_response(self, geometry, species, head):  # type: ignore[no-untyped-def]
        values, _ = with_response(self, geometry, species, head)
        return values, lambda gradients: (torch.zeros_like(gradients), None)

    PredictedParameter.forward = _without_response  # type: ignore[method-assign]
    sys.exit(run_lammps(sys.argv[2:]))
