#!/bin/bash
# ASE 3.29.0: a labelled structure that is changed and written as extended xyz gets the labels of before.
#
# After atoms.rattle() or another cell or element, atoms.get_potential_energy() of a SinglePointCalculator raises that the
# energy is not available, and .traj, .db and .json leave the labels out. Extended xyz writes them, energy, forces and
# stress, beside the new positions; for calculators that would compute anew as well.
#
# Guess before it was run: no format writes them.
# Seen:
#   get_potential_energy():   PropertyNotImplementedError: The property "energy" is not available.
#   copy.traj: None, copy.json: None, copy.extxyz: -3.0
# So displaced copies that were made as starting points of calculations are read as labelled frames.
# Way out: atoms.copy(), which has no calculator, before a change.
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

import ase.io
import numpy as np
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.singlepoint import SinglePointCalculator

warnings.simplefilter("error")
atoms = bulk("Cu", cubic=True)
atoms.calc = SinglePointCalculator(atoms, energy=-3.0, forces=np.ones((4, 3)), stress=np.ones(6))
atoms.rattle(0.1)
try:
    atoms.get_potential_energy()
except PropertyNotImplementedError as error:
    print("get_potential_energy():  ", f"{type(error).__name__}: {error}")
else:
    raise SystemExit("ASE gives the energy of before")
found = {}
for name in ("copy.traj", "copy.json", "copy.extxyz"):
    ase.io.write(name, atoms)
    read = ase.io.read(name)
    found[name] = None if read.calc is None else read.calc.results.get("energy")
    print(f"{name}: {found[name]}")
assert found == {"copy.traj": None, "copy.json": None, "copy.extxyz": -3.0}
read = ase.io.read("copy.extxyz")
assert np.abs(read.positions - bulk("Cu", cubic=True).positions).max() > 0.05
assert (read.get_forces() == 1.0).all() and (read.get_stress() == 1.0).all()
PYTHON
