#!/bin/bash
# ASE 3.29.0, gaussian-out: positions in the standard orientation beside forces in that of the input, without a word.
#
# Gaussian turns a molecule to its standard orientation, and prints forces in the orientation of the input ("Axes restored
# to original set"). Logs of small molecules hold both sets of positions, and ASE takes those of the input. Logs of larger
# ones hold the standard ones alone, unless Geom=PrintInputOrient or NoSymmetry was asked for. ASE then gives standard
# positions with the forces as printed: turned against each other by any angle. Its remark on it is made where another
# orientation follows, so not for a single point, nor for the last step of an optimisation.
#
# Guess before it was run: an error, or forces turned to the positions.
# Seen, for a diatomic molecule along x in the input and along z in the standard orientation:
#   bond:   [0.0, 0.0, 1.0]
#   force:  [1.0, 0.0, 0.0], across the bond
#
# Ends with status 0 as long as ASE does this.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ase==3.29.0
cd "$folder"
cat > force.log <<'LOG'
 Entering Gaussian System, Link 0=g16
 #P HF/6-31G Force
                         Standard orientation:
 ---------------------------------------------------------------------
 Center     Atomic      Atomic             Coordinates (Angstroms)
 Number     Number       Type             X           Y           Z
 ---------------------------------------------------------------------
      1          9           0        0.000000    0.000000    0.110000
      2          1           0        0.000000    0.000000   -0.990000
 ---------------------------------------------------------------------
 SCF Done:  E(RHF) =  -99.9000000000     A.U. after    9 cycles
 ***** Axes restored to original set *****
 -------------------------------------------------------------------
 Center     Atomic                   Forces (Hartrees/Bohr)
 Number     Number              X              Y              Z
 -------------------------------------------------------------------
      1        9          -0.080000000    0.000000000    0.000000000
      2        1           0.080000000    0.000000000    0.000000000
 -------------------------------------------------------------------
 Normal termination of Gaussian 16
LOG
"$folder/venv/bin/python" - <<'PYTHON' 2> said
import warnings

import ase.io
import numpy as np

warnings.simplefilter("error")
atoms = ase.io.read("force.log", format="gaussian-out")
bond, force = atoms.positions[0] - atoms.positions[1], atoms.get_forces()[1]
bond, force = bond / np.linalg.norm(bond), force / np.linalg.norm(force)
print("bond:  ", bond.round(6).tolist())
print("force: ", force.round(6).tolist())
assert abs(bond @ force) < 1e-9, "the force is along the bond, as it must be"
PYTHON
test ! -s said || { cat said; exit 1; }
