#!/bin/bash
# dpdata 1.1.0, format cp2k/output: the stress that CP2K prints since 2021 is not read, and nothing says so.
#
# The tensor stands in lines "STRESS|", in place of a block "STRESS TENSOR [GPa]". Of the older layout dpdata makes virials,
# of the newer one it makes a system without virials, so that a model is trained without them.
#
# Guess before it was run: virials of both, as the newer layouts of energies and forces are known to it.
# Seen:
#   older layout: virials [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]] eV
#   newer layout: no virials
#
# Ends with status 0 as long as dpdata does this.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dpdata==1.1.0
cd "$folder"
cat > both.out <<'LOG'
 DBCSR| Multiplication driver                                               BLAS
 CELL| Vector a [angstrom]:       6.000     0.000     0.000   |a| =      6.000000
 CELL| Vector b [angstrom]:       0.000     6.000     0.000   |b| =      6.000000
 CELL| Vector c [angstrom]:       0.000     0.000     6.000   |c| =      6.000000

  1. Atomic kind: Ar                                    Number of atoms:       1

 MODULE QUICKSTEP: ATOMIC COORDINATES IN ANGSTROM

   Atom Kind Element         X             Y             Z       Z(eff)     Mass
      1    1 Ar  18      3.000000      3.000000      3.000000     8.0000  39.9480

  *** SCF run converged in    12 steps ***

 ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:              -21.000000000000000

 ATOMIC FORCES in [a.u.]

 # Atom   Kind   Element          X              Y              Z
      1      1      Ar          0.00000000     0.00000000     0.00000000
 SUM OF ATOMIC FORCES           0.00000000     0.00000000     0.00000000     0.00000000

LOG
cp both.out newer.out
cat >> newer.out <<'LOG'
 STRESS| Analytical stress tensor [GPa]
 STRESS|                        x                   y                   z
 STRESS|      x       7.41748442500E-01   0.00000000000E+00   0.00000000000E+00
 STRESS|      y       0.00000000000E+00   7.41748442500E-01   0.00000000000E+00
 STRESS|      z       0.00000000000E+00   0.00000000000E+00   7.41748442500E-01
 STRESS| 1/3 Trace                                              7.41748442500E-01
 STRESS| Determinant                                            4.08104386000E-01

LOG
mv both.out older.out
cat >> older.out <<'LOG'
 STRESS TENSOR [GPa]

            X               Y               Z
  X       0.74174844      0.00000000      0.00000000
  Y       0.00000000      0.74174844      0.00000000
  Z       0.00000000      0.00000000      0.74174844

LOG
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import dpdata
import numpy as np

warnings.simplefilter("error")
older, newer = (dpdata.LabeledSystem(f"{name}.out", fmt="cp2k/output") for name in ("older", "newer"))
print("older layout: virials", older["virials"][0].round(6).tolist(), "eV")
print("newer layout:", "virials" if "virials" in newer.data else "no virials")
assert np.allclose(older["virials"][0], np.eye(3), atol=1e-6)
assert "virials" not in newer.data and newer["energies"][0] < 0
PYTHON
