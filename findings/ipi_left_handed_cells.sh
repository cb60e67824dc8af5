#!/bin/bash
# i-PI 3.3.1 with structures read by ASE 3.29.0: a cell whose vectors are left-handed has a negative volume and density,
# and its pressure and stress have the wrong sign.
#
# Files of crystals may list their vectors in an order that is left-handed; programs that take cells in any orientation do
# not mind. i-PI (mode 'ase') rotates such a cell to a in x and b in the plane of x and y, c then points downwards, and the
# volume is the product of the three diagonal elements. Energies and forces are right, so that nothing tells; at constant
# pressure a compressed crystal would be compressed further.
#
# Guess before it was run: volume, density and pressure are those of the same crystal with right-handed vectors.
# Seen (four atoms of copper, EMT, a = 3.5 Å; Å^3, g/cm^3, MPa):
#   right-handed:   42.875    9.844    11947
#   left-handed:   -42.875   -9.844   -11947
#
# Ends with status 0 as long as i-PI does this.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ase==3.29.0 ipi==3.3.1
cd "$folder"
cat > client.py <<'PYTHON'
import sys
import time

import ase.io
from ase.calculators.emt import EMT
from ase.calculators.socketio import SocketClient

atoms = ase.io.read(sys.argv[2])
atoms.calc = EMT()
for _ in range(100):
    try:
        client = SocketClient(unixsocket=sys.argv[1])
        break
    except OSError:
        time.sleep(0.3)
client.run(atoms, use_stress=True)
PYTHON
"$folder/venv/bin/python" - <<'PYTHON'
import os
import subprocess
import sys
from pathlib import Path

import ase.io
from ase import Atoms
from ase.build import bulk

right = bulk("Cu", "fcc", a=3.5, cubic=True)
left = Atoms(right.symbols, right.positions, cell=right.cell[[1, 0, 2]], pbc=True)
programs, printed = Path(sys.executable).parent, {}
for name, atoms in (("right", right), ("left", left)):
    ase.io.write(f"{name}.extxyz", atoms)
    address = f"finding_{os.getpid()}_{name}"
    Path(f"{name}.xml").write_text(f"""<simulation verbosity='quiet'>
  <output prefix='{name}'>
    <properties filename='out'> [potential, volume{{angstrom3}}, density{{g/cm3}}, pressure_md{{megapascal}}] </properties>
  </output>
  <total_steps>1</total_steps>
  <ffsocket name='emt' mode='unix'><address>{address}</address></ffsocket>
  <system>
    <initialize nbeads='1'><file mode='ase'>{name}.extxyz</file></initialize>
    <forces><force forcefield='emt'/></forces>
    <ensemble><temperature units='kelvin'>300</temperature></ensemble>
    <motion mode='dynamics'><dynamics mode='nve'><timestep units='femtosecond'>0.5</timestep></dynamics></motion>
  </system>
</simulation>""")
    server = subprocess.Popen([programs / "i-pi", f"{name}.xml"], stdout=subprocess.DEVNULL)
    subprocess.run([sys.executable, "client.py", address, f"{name}.extxyz"], check=True, timeout=120)
    assert server.wait(60) == 0
    lines = [line for line in Path(f"{name}.out").read_text().splitlines() if not line.startswith("#")]
    printed[name] = [float(word) for word in lines[0].split()]
    print(f"{name:6}", *(f"{value:.3f}" for value in printed[name]))
(energy, *numbers), (same, *negative) = printed["right"], printed["left"]
assert abs(energy - same) < 1e-8 and min(numbers) > 0
assert all(abs(a + b) < 1e-6 * a for a, b in zip(numbers, negative))
PYTHON
