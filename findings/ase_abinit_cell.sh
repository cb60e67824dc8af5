#!/bin/bash
# ASE 3.29.0, abinit-out: the cell is `rprim` of the input, without its scale and in bohr, beside positions in Å.
#
# ABINIT echoes the lattice as unitless vectors `rprim` and lengths `acell` in bohr. ASE reads the first alone, and takes
# them for Å. Where `acell` is 1, the cell is too large by a factor of 1.9, otherwise it has the size of an atom. Volumes,
# and virials made of the stress, are wrong without a word.
#
# Guess before it was run: the cell in Å, as positions, forces and energy are converted.
# Seen, for a cube of 10 bohr (5.2918 Å):
#   cell:      [1.0, 1.0, 1.0] Å
#   positions: [0.0, 0.0, 2.6459] Å
#
# Ends with status 0 as long as ASE does this.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ase==3.29.0
cd "$folder"
cat > run.abo <<'LOG'

.Version 8.10.3 of ABINIT

 -outvars: echo values of preprocessed input variables --------
            acell      1.0000000000E+01  1.0000000000E+01  1.0000000000E+01 Bohr
            natom           1
           ntypat           1
            rprim      1.0000000000E+00  0.0000000000E+00  0.0000000000E+00
                       0.0000000000E+00  1.0000000000E+00  0.0000000000E+00
                       0.0000000000E+00  0.0000000000E+00  1.0000000000E+00
            typat      1
            znucl       18.00000

================================================================================

 Real(R)+Recip(G) space primitive vectors, cartesian coordinates (Bohr,Bohr^-1):
 R(1)= 10.0000000  0.0000000  0.0000000  G(1)=  0.1000000  0.0000000  0.0000000
 R(2)=  0.0000000 10.0000000  0.0000000  G(2)=  0.0000000  0.1000000  0.0000000
 R(3)=  0.0000000  0.0000000 10.0000000  G(3)=  0.0000000  0.0000000  0.1000000
 Unit cell volume ucvol=  1.0000000E+03 bohr^3

----iterations are completed or convergence reached----

 cartesian coordinates (angstrom) at end:
    1      0.00000000000000      0.00000000000000      2.64588604295135
 cartesian forces (eV/Angstrom) at end:
    1      0.00000000000000      0.00000000000000      0.00000000000000

 Components of total free energy (in Hartree) :

    >>>>>>>>> Etotal= -2.10000000000000E+01

== END DATASET(S) ==============================================================
LOG
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import ase.io
import numpy as np

warnings.simplefilter("error")
atoms = ase.io.read("run.abo", format="abinit-out")
print("cell:     ", atoms.cell.lengths().tolist(), "Å")
print("positions:", atoms.positions[0].round(4).tolist(), "Å")
assert np.allclose(atoms.cell.array, np.eye(3)) and atoms.pbc.all()
assert np.allclose(atoms.positions, [[0, 0, 2.64588604]])
PYTHON
