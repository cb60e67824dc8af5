#!/bin/bash
# ASE 3.29.0, espresso-out: of several energies ("!") of one structure it takes the first, beside the forces of the last.
#
# pw.x prints the line in each iteration with iprint = 1, and once for each outer step of a hybrid functional, where the
# first is without exact exchange. Forces and stress come after the last of them.
#
# Guess before it was run: the last one, which the forces belong to.
# Seen, for iterations of -20.0, -21.5 and -21.7 Ry:
#   energy: -20.0 Ry
#
# Ends with status 0 as long as ASE does this.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ase==3.29.0
cd "$folder"
cat > pw.out <<'LOG'

     Program PWSCF v.7.2 starts on  1Jan2024 at 12: 0: 0

     bravais-lattice index     =            0
     lattice parameter (alat)  =   7.50000000  a.u.
     number of atoms/cell      =            1
     number of atomic types    =            1

     celldm(1)=   7.50000000  celldm(2)=   0.000000  celldm(3)=   0.000000
     crystal axes: (cart. coord. in units of alat)
               a(1) = (  1.0000000  0.0000000  0.0000000 )
               a(2) = (  0.0000000  1.0000000  0.0000000 )
               a(3) = (  0.0000000  0.0000000  1.0000000 )

     site n.     atom                  positions (alat units)
         1           Al  tau(   1) = (   0.0000000   0.0000000   0.0000000  )

     iteration #  1     ecut=    50.00 Ry     beta= 0.70

!    total energy              =     -20.00000000 Ry
     estimated scf accuracy    <       0.50000000 Ry

     iteration #  2     ecut=    50.00 Ry     beta= 0.70

!    total energy              =     -21.50000000 Ry
     estimated scf accuracy    <       0.01000000 Ry

     iteration #  3     ecut=    50.00 Ry     beta= 0.70

!    total energy              =     -21.70000000 Ry
     estimated scf accuracy    <       0.00000001 Ry

     convergence has been achieved in   3 iterations

     Forces acting on atoms (cartesian axes, Ry/au):

     atom    1 type  1   force =     0.00000000    0.00000000    0.00000000

     JOB DONE.
LOG
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import ase.io
from ase.units import create_units

warnings.simplefilter("error")
structures = ase.io.read("pw.out", index=":", format="espresso-out")
assert len(structures) == 1
energy = structures[0].get_potential_energy() / create_units("2006")["Ry"]
print(f"energy: {energy:.1f} Ry")
assert structures[0].get_forces().shape == (1, 3)
assert abs(energy + 20.0) < 1e-6
PYTHON
