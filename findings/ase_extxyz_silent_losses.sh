#!/bin/bash
# ASE 3.29.0, extended xyz: two silent losses.
# 1. A blank line between two frames ends the reading: what follows is dropped without an error or a warning.
# 2. Of the nine numbers of an entry `stress`, six are kept (one triangle), so that an unsymmetric tensor cannot be seen;
#    an entry of any other name (`virial`, `my_stress`) keeps all nine.
#
# Seen:
#   frames in the file 3, frames read 1
#   stress in the file: 1 0 0 0.5 1 0 0 0 1 -> read: [1.0, 1.0, 1.0, 0.0, 0.0, 0.5], and with 0.5 and 0 exchanged:
#   [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
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
from pathlib import Path

import ase.io

warnings.simplefilter("error")
FRAME = '1\nLattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3 energy=-1.0 stress="{}"\nH 0 0 0\n'
UNSYMMETRIC, OTHER = "1 0 0 0.5 1 0 0 0 1", "1 0.5 0 0 1 0 0 0 1"

Path("blank.extxyz").write_text(FRAME.format(OTHER) + "\n" + 2 * FRAME.format(OTHER))
n_read = len(ase.io.read("blank.extxyz", ":"))
print("frames in the file 3, frames read", n_read)
found = []
for numbers in (UNSYMMETRIC, OTHER):
    Path("stress.extxyz").write_text(FRAME.format(numbers))
    found.append(ase.io.read("stress.extxyz").get_stress().tolist())
    print("stress in the file:", numbers, "-> read:", found[-1])
assert n_read == 1
assert sorted(stress[5] for stress in found) == [0.0, 0.5]
PYTHON
