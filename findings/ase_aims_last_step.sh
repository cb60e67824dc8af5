#!/bin/bash
# ASE 3.29.0, aims-output: the last step of molecular dynamics has the positions of the input.
#
# FHI-aims prints positions of each step below "Atomic structure (and velocities)", those of the last step below "Final
# atomic structure (and velocities)". ASE does not know the second title, and gives the last energy and forces to the
# structure that the run began with, without a word. All other steps are right.
#
# Guess before it was run: the positions of each step with its energy.
# Seen, for bonds of 1.0, 1.1 and 1.2 Å:
#   bonds:    [1.0, 1.1, 1.0] Å
#   energies: [-10.0, -11.0, -12.0] eV
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

warnings.simplefilter("ignore", FutureWarning)  # which announces another reader
lines = ["          Invoking FHI-aims ...", "          Version 210716", ""]
lines += ["  The structure contains        2 atoms,  and a total of          2.000 electrons."]
lines += ["  | Number of atoms                   :        2", "  | Number of spin channels           :        1"]
lines += ["  | Number of Kohn-Sham states (occupied + empty):        5", "", "  Input geometry:"]
lines += ["  | No unit cell requested.", "  | Atomic structure:"]
lines += ["  |       Atom                x [A]            y [A]            z [A]"]
lines += ["  |    1: Species H              0.000000         0.000000         0.000000"]
lines += ["  |    2: Species H              0.000000         0.000000         1.000000"]
for step in range(3):
    energy = -10.0 - step
    lines += ["", f"          Begin self-consistency loop: {'Re-initialization' if step else 'Initialization'}.", ""]
    lines += ["  Convergence:    q app. |  density  | eigen (eV) | Etot (eV)", "", "  Self-consistency cycle converged."]
    lines += ["", "  Energy and forces in a compact form:", f"  | Total energy uncorrected      : {energy:24.15E} eV"]
    lines += [f"  | Total energy corrected        : {energy:24.15E} eV  <-- do not rely on this value"]
    lines += [f"  | Electronic free energy        : {energy:24.15E} eV"]
    lines += ["  Total atomic forces (unitary forces cleaned) [eV/Ang]:"]
    lines += [f"  |{k:5d} " + 3 * f"{0.0:30.15E}" for k in (1, 2)]
    lines += ["", "  Complete information for previous time-step:", f"  | Time step number          : {step:8d}", 60 * "-"]
    title = "Final atomic" if step == 2 else "Atomic"
    lines += [f"  {title} structure (and velocities) as used in the preceding time step:"]
    lines += ["                      x [A]             y [A]             z [A]       Atom"]
    for z in (0.0, 1.0 + 0.1 * step):
        lines += [f"   atom               0.00000000        0.00000000        {z:.8f}  H"]
        lines += ["     velocity           0.00000000        0.00000000        0.00000000"]
    lines += [60 * "-", ""]
lines += ["          Have a nice day.", 60 * "-", ""]
with open("md.out", "w") as stream:
    stream.write("\n".join(lines))
steps = ase.io.read("md.out", index=":", format="aims-output")
bonds = [round(float(atoms.get_distance(0, 1)), 6) for atoms in steps]
energies = [round(float(atoms.get_potential_energy()), 6) for atoms in steps]
print("bonds:   ", bonds, "Å")
print("energies:", energies, "eV")
assert bonds == [1.0, 1.1, 1.0] and energies == [-10.0, -11.0, -12.0]
PYTHON
