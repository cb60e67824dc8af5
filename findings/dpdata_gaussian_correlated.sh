#!/bin/bash
# dpdata 1.1.0, format gaussian/log: of a log of MP2 forces, the energy is that of Hartree-Fock.
#
# The energy is taken from "SCF Done", the forces are those of the method. For MP2, double hybrids and coupled clusters
# energies and forces of a data set are then of two methods. ASE 3.29.0 takes the energy of MP2 from the same file.
#
# Guess before it was run: the energy of the method that the forces are of, "EUMP2".
# Seen (Ha):
#   energies in the log: HF -99.9, MP2 -100.1
#   dpdata: -99.9
#   ASE:    -100.1
#
# Ends with status 0 as long as dpdata does this.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ase==3.29.0 dpdata==1.1.0
cd "$folder"
cat > mp2.log <<'LOG'
 Entering Gaussian System, Link 0=g16
 #P MP2/6-31G Force NoSymmetry
                          Input orientation:
 ---------------------------------------------------------------------
 Center     Atomic      Atomic             Coordinates (Angstroms)
 Number     Number       Type             X           Y           Z
 ---------------------------------------------------------------------
      1          9           0        0.000000    0.000000    0.110000
      2          1           0        0.000000    0.000000   -0.990000
 ---------------------------------------------------------------------
 SCF Done:  E(RHF) =  -99.9000000000     A.U. after    9 cycles
 E2 =    -0.2000000000D+00 EUMP2 =    -0.10010000000000D+03
 -------------------------------------------------------------------
 Center     Atomic                   Forces (Hartrees/Bohr)
 Number     Number              X              Y              Z
 -------------------------------------------------------------------
      1        9           0.000000000    0.000000000    0.080000000
      2        1           0.000000000    0.000000000   -0.080000000
 -------------------------------------------------------------------
 Normal termination of Gaussian 16
LOG
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import ase.io
import dpdata
from ase.units import Hartree

warnings.simplefilter("error")
of_dpdata = dpdata.LabeledSystem("mp2.log", fmt="gaussian/log")["energies"][0] / Hartree
of_ase = ase.io.read("mp2.log", format="gaussian-out").get_potential_energy() / Hartree
print("energies in the log: HF -99.9, MP2 -100.1")
print(f"dpdata: {of_dpdata:.1f}\nASE:    {of_ase:.1f}")
assert abs(of_dpdata + 99.9) < 1e-4
assert abs(of_ase + 100.1) < 1e-4
PYTHON
