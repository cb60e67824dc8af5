#!/bin/bash
# extxyz 0.4.6 (libAtoms) and ASE 3.29.0: a labelled file that one has read and written again, the other cannot read.
#
# The library writes a 3 x 3 entry as nested brackets, stress=[[..], [..], [..]], and writes a cell as nine numbers in a
# row. ASE wants nine numbers in a row for `Lattice`, `stress` and `virial`, and ends with a ValueError. An entry of any other
# name is cut at the first blank, without a word, and its other rows become entries of their own that are True. The library
# writes eight decimals by default, so that a stress in eV/Å^3 keeps five digits.
#
# Guess before it was run: the file comes back as it was.
# Seen:
#   as ASE wrote it:       stress="0.00283607 8.757652e-05 ..."
#   after the library:     stress=[[0.00283607, 0.00008758, 0.00017185], [0.00008758, ...
#   read by ASE:           ValueError: Got info item stress, expecting special 3x3 matrix, but value is not in the form ...
#   named `tensor`:        '[0.00283607, 0.00008758, 0.00017185,', and beside it two entries with such names, True
#
# Ends with status 0 as long as the two do this.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ase==3.29.0 extxyz==0.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from pathlib import Path

import ase.io
import extxyz
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

atoms = Atoms("NaCl", positions=[[0, 0, 0], [0, 0, 2.4]], cell=[3, 4, 5], pbc=True)
stress = [0.00283607, 0.00207301, 0.00184493, -0.000019058734, 0.00017185415, 0.00008757652]
atoms.calc = SinglePointCalculator(atoms, energy=-1.0, stress=stress)
ase.io.write("ase.xyz", atoms)
extxyz.write_dicts("again.xyz", extxyz.read_dicts("ase.xyz"))
for name in ("ase.xyz", "again.xyz"):
    comment = Path(name).read_text().splitlines()[1]
    print(name, comment[comment.index("stress") :][:70], "...")
assert "stress=[[" in Path("again.xyz").read_text()
try:
    ase.io.read("again.xyz")
except ValueError as error:
    print("read by ASE:          ", error)
else:
    raise SystemExit("ASE reads the nested stress")
Path("renamed.xyz").write_text(Path("again.xyz").read_text().replace("stress=", "tensor="))
info = ase.io.read("renamed.xyz").info
print("named `tensor`:       ", info)
assert isinstance(info["tensor"], str) and info["tensor"].startswith("[0.00283607")
assert sum(value is True for value in info.values()) == 2
PYTHON
