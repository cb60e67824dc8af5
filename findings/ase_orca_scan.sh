#!/bin/bash
# ASE 3.29.0, orca-output: of a scan of several structures it gives one, with the last positions and the first forces.
#
# Outputs are cut at "ORCA GEOMETRY RELAXATION STEP" and at the end alone. The steps of a scan without relaxation, with
# gradients (EnGrad), are not cut: ASE takes the last positions and energy of all, and the first of the gradients.
#
# Guess before it was run: a structure for each step, or the last of everything.
# Seen, for two steps with forces of 1 and 2 Ha/bohr and energies of -1 and -2 Ha:
#   structures: 1
#   bond: 1.2 Å, energy: -2.0 Ha, force: 1.0 Ha/bohr
#
# Ends with status 0 as long as ASE does this.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ase==3.29.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import ase.io
from ase.units import Bohr, Hartree

warnings.simplefilter("error")
lines = ["                                 * O   R   C   A *", "Number of atoms                         ...      2", ""]
for step in (1, 2):
    lines += [
        "         *************************************************************",
        f"                                TRAJECTORY STEP {step:3d}",
        f"                 B1  :   {1.0 + 0.1 * step:.8f}",
        "         *************************************************************",
        "---------------------------------",
        "CARTESIAN COORDINATES (ANGSTROEM)",
        "---------------------------------",
        "  H      0.000000    0.000000    0.000000",
        f"  F      0.000000    0.000000    {1.0 + 0.1 * step:8.6f}",
        "",
        "-------------------------   --------------------",
        f"FINAL SINGLE POINT ENERGY      {-float(step):14.9f}",
        "-------------------------   --------------------",
        "",
        "------------------",
        "CARTESIAN GRADIENT",
        "------------------",
        "",
        f"   1   H   :   0.000000000    0.000000000   {float(step):12.9f}",
        f"   2   F   :   0.000000000    0.000000000   {-float(step):12.9f}",
        "",
    ]
lines += ["                             ****ORCA TERMINATED NORMALLY****", ""]
with open("scan.out", "w") as stream:
    stream.write("\n".join(lines))
structures = ase.io.read("scan.out", index=":", format="orca-output")
atoms = structures[-1]
energy, force = atoms.get_potential_energy() / Hartree, atoms.get_forces()[1, 2] * Bohr / Hartree
print("structures:", len(structures))
print(f"bond: {atoms.get_distance(0, 1):.1f} Å, energy: {energy:.1f} Ha, force: {force:.1f} Ha/bohr")
assert len(structures) == 1
assert abs(atoms.get_distance(0, 1) - 1.2) < 1e-6 and abs(energy + 2.0) < 1e-6 and abs(force - 1.0) < 1e-6
PYTHON
