#!/bin/bash
# chemfiles 0.10.4: a triclinic dump of LAMMPS is read with the bounding box in the place of the cell.
#
# The line `BOX BOUNDS xy xz yz` is followed by the bounds of a box with right angles around the cell, from which the tilts
# must be taken off. chemfiles takes them for the lengths of the cell's own vectors: the volume is too large, and
# coordinates that are scaled (xs ys zs) are stretched by as much, without a word.
#
# Guess before it was run: the tilts are taken off, as ASE, MDAnalysis and dpdata do.
# Seen, for the cell (10 0 0), (2.5 10 0), (1 1.5 10) and atoms at 0 and (0.5, 0, 0) of it:
#   diagonal of the cell:      [13.5, 11.5, 10.0], expected 10 10 10
#   distance of the two atoms: 6.75, expected 5
#
# Ends with status 0 as long as chemfiles does this.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet chemfiles==0.10.4 numpy==2.3.5
cd "$folder"
cat > tilted.lammpstrj <<'END'
ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
2
ITEM: BOX BOUNDS xy xz yz pp pp pp
0.0 13.5 2.5
0.0 11.5 1.0
0.0 10.0 1.5
ITEM: ATOMS id type xs ys zs
1 1 0 0 0
2 2 0.5 0 0
END
"$folder/venv/bin/python" - <<'PYTHON'
from chemfiles import Trajectory

frame = Trajectory("tilted.lammpstrj", "r", "LAMMPS").read()
diagonal = [round(float(frame.cell.matrix[k][k]), 6) for k in range(3)]
distance = float(abs(frame.positions[1][0] - frame.positions[0][0]))
print("diagonal of the cell:     ", diagonal, "expected 10 10 10")
print("distance of the two atoms:", distance, "expected 5")
assert diagonal == [13.5, 11.5, 10.0]
assert abs(distance - 6.75) < 1e-9
PYTHON
