#!/bin/bash
# pymatgen 2026.10.24 and ASE 3.29.0: the total charge of a charged structure does not get across.
#
# AseAtomsAdaptor.get_atoms gives atoms on which nothing says the charge of a Structure; the way back gives a neutral one.
# A Molecule's charge becomes an attribute of the Python object, which atoms.copy() and every file leave out.
#
# Guess before it was run: the charge is in atoms.info["charge"], as other entries of `properties` are in `info`.
# Seen:
#   structure: charge 1 -> info {} -> charge 0.0
#   molecule:  charge -1 -> atoms.charge -1 ; copy: False {}
# So a charged data set that goes through the adaptor into a file is read as neutral.
#
# Ends with status 0 as long as pymatgen does this.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ase==3.29.0 pymatgen==2026.10.24
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from pymatgen.core import Lattice, Molecule, Structure
from pymatgen.io.ase import AseAtomsAdaptor

structure = Structure(Lattice.cubic(4.0), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]], charge=1)
atoms = AseAtomsAdaptor.get_atoms(structure)
back = AseAtomsAdaptor.get_structure(atoms)
print("structure: charge", structure.charge, "-> info", atoms.info, "-> charge", back.charge)
assert structure.charge == 1 and atoms.info == {} and not hasattr(atoms, "charge") and back.charge == 0
assert not atoms.get_initial_charges().any()

molecule = Molecule(["O", "H"], [[0, 0, 0], [0, 0, 1]], charge=-1)
atoms = AseAtomsAdaptor.get_atoms(molecule)
copy = atoms.copy()
print("molecule:  charge", molecule.charge, "-> atoms.charge", atoms.charge, "; copy:", hasattr(copy, "charge"), copy.info)
assert atoms.charge == -1 and not hasattr(copy, "charge") and copy.info == {}
PYTHON
