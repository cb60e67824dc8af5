#!/bin/bash
# simple-dftd3 1.7.0 (dftd3 on PyPI): what get_dispersion calls `virial` is dE/d(strain), the opposite of a virial.
#
# In LAMMPS, DeePMD, GAP and MACE a virial is -dE/d(strain): positive under pressure. Whoever takes D3 off the virials of a
# data set by this entry adds it a second time. Checked against finite differences and against LAMMPS 2025.7.22.4.0,
# pair_style dispersion/d3, whose energies and forces agree with it.
#
# Guess before it was run: the sign of LAMMPS' pressures times the volume.
# Seen (benzene, PBE with damping bj, xx, eV):
#   `virial` of simple-dftd3: 0.09432
#   dE/d(strain):             0.09432
#   pressure times volume:   -0.09432
#
# Ends with status 0 as long as simple-dftd3 does this.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ase==3.29.0 dftd3==1.7.0 "lammps[mpi]==2025.7.22.4.0"
cd "$folder"
export OMP_NUM_THREADS=1
"$folder/venv/bin/python" - <<'PYTHON'
from ase.build import molecule
from ase.io import write

atoms = molecule("C6H6")
atoms.set_cell([40, 40, 40])
atoms.center()
atoms.pbc = True
write("benzene.traj", atoms)
write("data", atoms, format="lammps-data", specorder=["C", "H"], atom_style="atomic", units="metal")
PYTHON
cat > in.d3 <<'LAMMPS'
units metal
atom_style atomic
read_data data
mass * 1.0
pair_style dispersion/d3 bj pbe 16 10
pair_coeff * * C H
compute p all pressure NULL virial
thermo_style custom pe c_p[1] vol
thermo_modify format float %20.12g
run 0
LAMMPS
"$folder/venv/bin/lmp" -in in.d3 > lammps.out
"$folder/venv/bin/python" - <<'PYTHON'
import warnings
from pathlib import Path

import ase.io
import numpy as np
from ase.units import Bohr, Hartree
from dftd3.interface import DispersionModel, RationalDampingParam

warnings.simplefilter("error")
atoms = ase.io.read("benzene.traj")


def dispersion(strain):
    change = np.diag([1.0 + strain, 1.0, 1.0])
    places, cell = atoms.positions @ change, atoms.cell.array @ change
    model = DispersionModel(atoms.numbers, places / Bohr, cell / Bohr, atoms.pbc)
    model.set_realspace_cutoff(disp2=16 / Bohr, disp3=16 / Bohr, cn=10 / Bohr)
    return model.get_dispersion(RationalDampingParam(method="pbe"), grad=True)


lines = Path("lammps.out").read_text().splitlines()
row = next(after for line, after in zip(lines, lines[1:]) if line.split()[:2] == ["PotEng", "c_p[1]"])
energy, pressure, volume = map(float, row.split())
of_lammps = pressure * volume / 1.6021765e6
virial = dispersion(0.0)["virial"][0, 0] * Hartree
slope = (dispersion(1e-4)["energy"] - dispersion(-1e-4)["energy"]) * Hartree / 2e-4
print(f"`virial` of simple-dftd3: {virial:.5f}")
print(f"dE/d(strain):             {slope:.5f}")
print(f"pressure times volume:   {of_lammps:.5f}")
assert abs(energy - dispersion(0.0)["energy"] * Hartree) < 1e-5
assert abs(virial - slope) < 1e-5 and abs(virial) > 0.01
assert abs(virial + of_lammps) < 1e-5
PYTHON
