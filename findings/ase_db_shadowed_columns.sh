#!/bin/bash
# ASE 3.29.0: a column of a database that has the name of a property of ASE's rows (charge, mass, volume, ...) is taken
# by `write`, stored, and never given back: reading yields what ASE computes itself, without a word.
#
# Seen:
#   stored in the file:          {"charge": -1.0, "volume": 7.0}
#   row.charge, row.volume:      0.0 59.999999999999986
#   row.key_value_pairs:         {'charge': 0.0, 'volume': np.float64(59.999999999999986)}
#   select(charge=-1.0):         0 rows
# So total charges of a data set that were written as `charge=-1` read as zero. They are in `row.__dict__['charge']`.
#
# Ends with status 0 as long as ASE does this.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ase==3.29.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sqlite3

from ase import Atoms
from ase.db import connect

atoms = Atoms("NaCl", positions=[[0, 0, 0], [0, 0, 2.4]], cell=[3, 4, 5], pbc=True)
database = connect("a.db")
database.write(atoms, charge=-1.0, volume=7.0)
stored = sqlite3.connect("a.db").execute("select key_value_pairs from systems").fetchone()[0]
(row,) = database.select()
print("stored in the file:         ", stored)
print("row.charge, row.volume:     ", row.charge, row.volume)
print("row.key_value_pairs:        ", row.key_value_pairs)
print("select(charge=-1.0):        ", len(list(database.select(charge=-1.0))), "rows")
print("row.__dict__['charge']:     ", row.__dict__["charge"])
assert "-1.0" in stored
assert row.charge == 0.0 and row.key_value_pairs["charge"] == 0.0
assert row.__dict__["charge"] == -1.0
PYTHON
