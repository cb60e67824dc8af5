#!/bin/bash
# tblite 0.8.0: the multiplicity alone gives unpaired electrons no energy, so that GFN2-xTB has O2 as a singlet.
#
# The calculator of ASE takes `multiplicity`, and gives numbers for it without a word. But the method as published has no
# term of the spin: a state of more unpaired electrons only pays for the higher orbitals. Singlets of O2, O, C and CH2 and
# the doublet of N are then the lowest, against nature. The option `spin_polarization=1.0`, which is off by default, adds
# the term, and the order turns, by 0.7 eV for O2 and up to 2.9 eV for the atoms. Singlets of closed shells do not change.
#
# Guess before it was run: triplets of O2 and O are the lowest in any case, since the multiplicity is a setting.
# Seen, energy of the high spin less that of the low spin in eV, without and with spin_polarization=1.0:
#   O2 +0.072 -0.686; O +0.049 -1.466; N +0.099 -2.671; C +0.049 -1.185; CH2 +0.401 -0.969
#
# Ends with status 0 as long as tblite does this.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tblite==0.8.0 ase==3.29.0
cd "$folder"
cat > look.py <<'PYTHON'
from ase import Atoms
from tblite.ase import TBLite

SPECIES = {
    "O2": (Atoms("O2", [[0, 0, 0], [1.21, 0, 0]]), 1),
    "O": (Atoms("O"), 1),
    "N": (Atoms("N"), 2),
    "C": (Atoms("C"), 1),
    "CH2": (Atoms("CH2", [[0, 0, 0], [0.98, 0.4, 0], [-0.98, 0.4, 0]]), 1),
}


def gap(atoms, low, **options):
    """Energy (eV) of two more unpaired electrons."""
    energies = []
    for multiplicity in (low, low + 2):
        atoms.calc = TBLite(method="GFN2-xTB", verbosity=0, multiplicity=multiplicity, **options)
        energies.append(atoms.get_potential_energy())
    return energies[1] - energies[0]


for name, (atoms, low) in SPECIES.items():
    plain, polarised = gap(atoms, low), gap(atoms, low, spin_polarization=1.0)
    print(f"{name}: {plain:+.3f} {polarised:+.3f}")
    assert plain > 0.03 and polarised < -0.6
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/python" look.py
