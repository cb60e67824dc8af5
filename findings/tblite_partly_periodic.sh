#!/bin/bash
# tblite 0.8.0 with ASE 3.29.0: slabs and chains are computed as crystals.
#
# A structure that is periodic in one or two directions (pbc T T F, T F F) is taken without a word, and its energy,
# forces and stress are those of pbc T T T: the images along directions that are said not to repeat act on it. Labels of
# slabs with little vacuum hold that, and whoever reads them with their pbc sees atoms that feel nothing there.
#
# Guess before it was run: partly periodic structures are refused, as not implemented, or computed as they are.
# Seen (four atoms of HF in a cell of 5.2 x 4 x 4.2 Å, GFN1-xTB):
#   TTT: -308.458145 eV, TTF: the same, TFF: the same; forces differ by 0.0; FFF: another by more than 0.1 eV
#
# Ends with status 0 as long as tblite does this.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ase==3.29.0 tblite==0.8.0
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import warnings

import numpy as np
from ase import Atoms
from tblite.ase import TBLite

warnings.simplefilter("error", UserWarning)
POSITIONS = [[0, 0, 0], [0.95, 0, 0], [2.6, 0.4, 0.3], [3.5, 0.5, 0.2]]
energies, forces = {}, {}
for periodic in ("TTT", "TTF", "TFF", "FFF"):
    atoms = Atoms("HFHF", POSITIONS, cell=[[5.2, 0.2, 0], [0.3, 4, 0.1], [0, 0.2, 4.2]], pbc=[c == "T" for c in periodic])
    atoms.calc = TBLite(method="GFN1-xTB", verbosity=0)
    energies[periodic], forces[periodic] = atoms.get_potential_energy(), atoms.get_forces()
    print(periodic, f"{energies[periodic]:.6f} eV, forces differ by {np.abs(forces[periodic] - forces['TTT']).max():.1e}")
for periodic in ("TTF", "TFF"):
    assert abs(energies[periodic] - energies["TTT"]) < 1e-8
    assert np.abs(forces[periodic] - forces["TTT"]).max() < 1e-8
assert abs(energies["FFF"] - energies["TTT"]) > 0.1
PYTHON
