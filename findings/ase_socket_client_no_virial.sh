#!/bin/bash
# ASE 3.29.0 as a client of i-PI 3.3.1: SocketClient.run(atoms) hands virials of zero, of crystals as well.
#
# `run` has use_stress=False as its default, `irun`, which it calls, None: "where the atoms are periodic". With `run` i-PI is
# told a virial of zero for each step, and says nothing: printed stresses hold the kinetic part alone, and at constant
# pressure the box expands as if the atoms were an ideal gas.
#
# Guess before it was run: the virial is handed where the atoms are periodic, whichever of the two is called.
# Seen (four atoms of copper, EMT, a = 3.5 Å, no velocities, MPa):
#   irun(atoms):                  11947
#   run(atoms):                   0
#   run(atoms, use_stress=True):  11947
#
# Ends with status 0 as long as ASE does this.
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

atoms = ase.io.read("start.extxyz")
atoms.calc = EMT()
for _ in range(100):
    try:
        client = SocketClient(unixsocket=sys.argv[1])
        break
    except OSError:
        time.sleep(0.3)
if sys.argv[2] == "irun":
    for _ in client.irun(atoms):
        pass
else:
    client.run(atoms, **({"use_stress": True} if sys.argv[2] == "stress" else {}))
PYTHON
"$folder/venv/bin/python" - <<'PYTHON'
import os
import subprocess
import sys
from pathlib import Path

import ase.io
from ase.build import bulk

ase.io.write("start.extxyz", bulk("Cu", "fcc", a=3.5, cubic=True))
programs, pressures = Path(sys.executable).parent, {}
for way in ("irun", "run", "stress"):
    address = f"finding_{os.getpid()}_{way}"
    Path(f"{way}.xml").write_text(f"""<simulation verbosity='quiet'>
  <output prefix='{way}'><properties filename='out'> [pressure_md{{megapascal}}] </properties></output>
  <total_steps>1</total_steps>
  <ffsocket name='emt' mode='unix'><address>{address}</address></ffsocket>
  <system>
    <initialize nbeads='1'><file mode='ase'>start.extxyz</file></initialize>
    <forces><force forcefield='emt'/></forces>
    <ensemble><temperature units='kelvin'>300</temperature></ensemble>
    <motion mode='dynamics'><dynamics mode='nve'><timestep units='femtosecond'>0.5</timestep></dynamics></motion>
  </system>
</simulation>""")
    server = subprocess.Popen([programs / "i-pi", f"{way}.xml"], stdout=subprocess.DEVNULL)
    subprocess.run([sys.executable, "client.py", address, way], check=True, timeout=120)
    assert server.wait(60) == 0
    lines = [line for line in Path(f"{way}.out").read_text().splitlines() if not line.startswith("#")]
    pressures[way] = float(lines[0])
    print(f"{way:8}{pressures[way]:.0f}")
assert abs(pressures["run"]) < 1e-6
assert pressures["irun"] > 1000 and abs(pressures["stress"] - pressures["irun"]) < 1e-6 * pressures["irun"]
PYTHON
