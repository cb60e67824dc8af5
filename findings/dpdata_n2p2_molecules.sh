#!/bin/bash
# dpdata 1.1.0, format n2p2: a molecule is written with a lattice of zeros, and read again as a crystal without volume.
#
# A structure that does not repeat has no `lattice` lines in `input.data`. dpdata writes three lines of zeros, and what it
# reads back is periodic. Other readers find a periodic cell without volume.
#
# Guess before it was run: no lattice lines, and a molecule again.
# Seen:
#   lattice lines: 3, all numbers of them zero: True
#   periodic before: False, after: True
#
# Ends with status 0 as long as dpdata does this.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ase==3.29.0 dpdata==1.1.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from pathlib import Path

import dpdata
import numpy as np
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator

water = molecule("H2O")
water.calc = SinglePointCalculator(water, energy=-14.0, forces=np.zeros((3, 3)))
system = dpdata.LabeledSystem(water, fmt="ase/structure")
before = system.to("ase/structure")[0].pbc.any()
system.to("n2p2", "input.data")
lattice = [line.split()[1:] for line in Path("input.data").read_text().splitlines() if line.startswith("lattice")]
after = dpdata.LabeledSystem("input.data", fmt="n2p2").to("ase/structure")[0].pbc.any()
zero = all(float(word) == 0.0 for words in lattice for word in words)
print(f"lattice lines: {len(lattice)}, all numbers of them zero: {zero}")
print(f"periodic before: {before}, after: {after}")
assert len(lattice) == 3 and zero
assert not before and after
PYTHON
