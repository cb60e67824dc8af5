"""Is the response to a uniform field exact?

    python benchmarks/response.py [--quick] [--json FILE]

Untrained models of Na and Cl whose charges follow their surroundings, by a shift and by increments, in a triclinic cell
whose atoms lie in several images of it, in a field of 0.26 V/Å. What the field adds to forces of LAMMPS (PPPM) is
compared with differences of what it adds to energies, on one rank and two; the polarisability of a model with dipoles
with differences by the field. The thermal conductivity of solid argon by the heat flux of a model is compared with that
by a gradient (heat_conduction.py): half an hour; with --quick runs are too short to say more than that they run.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from pathlib import Path

import numpy as np
import torch
from heat_conduction import rows_of_heat

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.lammps.command import run_lammps
from mliap_hybrid.lammps.data_file import in_lammps_orientation, read_dump, write_data_file
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.structure import in_electric_field
from mliap_hybrid.testing.dipole_models import with_dipoles
from mliap_hybrid.testing.models import charge_predicting_model
from mliap_hybrid.testing.structures import random_structure
from mliap_hybrid.units import COULOMB_CONSTANT

Row = dict[str, str | float]

FIELD = np.array([0.11, -0.07, 0.23])  # V/Å
CELL = np.array([[11.4, 0.0, 0.0], [1.9, 11.2, 0.0], [-1.3, 2.2, 11.8]])
STEP = 1e-4  # Å

START = """\
units metal
atom_style charge
atom_modify map array
read_data atoms.data
{potential}
dump forces all custom 1 {name}.dump id fx fy fz
dump_modify forces sort id format float %.17g
thermo_style custom step pe
thermo_modify norm no format float %.17g
run 0
undump forces
"""

MOVE = """\
group one id {atom}
displace_atoms one move {vector} units box
run 0
group one delete
"""


def added_by_field(folder: Path, potential: str, name: str, moves: str, ranks: int) -> tuple[np.ndarray, np.ndarray]:
    """What the field adds to the energies of all runs (n_runs,), and to the forces of the first (n_atoms, 3)."""
    energies, forces = [], []
    for number, field in enumerate((FIELD, np.zeros(3))):
        lines = potential.replace("model.pt 0", f"model.pt 0 field {' '.join(map(str, field))}")
        file = folder / f"in.{name}{number}"
        file.write_text(START.format(potential=lines, name=f"{name}{number}") + moves)
        output = run_lammps(file, ranks)
        found = re.findall(r"^\s+0\s+(-?\d+\.?\d*(?:e[-+]\d+)?)\s*$", output, re.M)
        energies.append(np.array(found, dtype=float))
        forces.append(read_dump(folder / f"{name}{number}.dump"))
    return energies[0] - energies[1], forces[0] - forces[1]


def of_charges(neutrality: str, n_components: int, folder: Path) -> list[Row]:
    """Errors of what the field does to the forces of charges, relative to the largest."""
    atoms = in_lammps_orientation(random_structure(24, ["Na", "Cl"], CELL, seed=2))
    atoms.positions += np.random.default_rng(4).integers(-1, 2, (24, 3)) @ atoms.cell.array
    manifest = export_model(charge_predicting_model(neutrality), folder / "model.pt")
    write_data_file(folder / "atoms.data", atoms, ["Na", "Cl"], None)
    potential = potential_block(manifest, "model.pt", accuracy=1e-5)
    components = [divmod(int(k), 3) for k in np.random.default_rng(1).integers(72, size=n_components)]
    moves = ""
    for atom, axis in components:
        for shift in (STEP, -2.0 * STEP, STEP):
            moves += MOVE.format(atom=atom + 1, vector=" ".join(str(shift if k == axis else 0) for k in range(3)))
    energies, forces = added_by_field(folder, potential, "one", moves, 1)
    _, on_two = added_by_field(folder, potential, "two", "", 2)
    errors = [
        -(energies[1 + 3 * k] - energies[2 + 3 * k]) / (2.0 * STEP) - forces[component]
        for k, component in enumerate(components)
    ]
    largest = np.abs(forces).max()
    return [
        {"what": f"{neutrality} | field force error", "value": float(np.abs(errors).max() / largest), "unit": ""},
        {"what": f"{neutrality} | sum of forces less Q E", "value": float(np.abs(forces.sum(0)).max()), "unit": "eV/Å"},
        {"what": f"{neutrality} | 2 ranks less 1", "value": float(np.abs(on_two - forces).max()), "unit": "eV/Å"},
    ]


def of_dipoles() -> list[Row]:
    """Polarisability by finite fields less that by the solution, relative to the largest component."""
    model = with_dipoles(charge_predicting_model("increments"), permanent="constant", induced="predicted")
    atoms, evaluator = random_structure(8, ["Na", "Cl"], CELL, seed=3, closest=2.0), Evaluator(model)

    def predict(field: np.ndarray) -> dict[str, torch.Tensor]:
        batch = in_electric_field(frame_to_batch(atoms, model.cutoff), field.tolist())
        return dict(evaluator.predict(batch, ["dipole", "polarisability"]).others)

    analytic = predict(np.zeros(3))["polarisability"][0]
    columns = [(predict(0.05 * e)["dipole"][0] - predict(-0.05 * e)["dipole"][0]) / 0.1 for e in np.eye(3)]
    error = (COULOMB_CONSTANT * torch.stack(columns, dim=1) - analytic).abs().max() / analytic.abs().max()
    return [{"what": "polarisability by fields less that of the solution", "value": float(error), "unit": ""}]


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer components of forces, short runs of heat")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[Row] = []
    for neutrality in ("shift", "increments"):
        with tempfile.TemporaryDirectory() as folder:
            rows += of_charges(neutrality, 3 if options.quick else 12, Path(folder))
    rows += of_dipoles()
    with tempfile.TemporaryDirectory() as folder:
        rows += rows_of_heat(Path(folder), options.quick)
    worst = max(float(row["value"]) for row in rows if "field force error" in str(row["what"]))
    rows.insert(0, {"what": "field force error", "value": worst, "unit": "of the largest"})
    for row in rows:
        print(f"{row['what']:52s} {row['value']:12.5g} {row['unit']}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
