#!/bin/bash
# ace-jax 0.4.1: its command line fits no data with hydrogen, and the option that its message asks for changes nothing.
#
# The basis of `aj fit` has its radial functions at a typical distance of each pair of elements, from a table that begins
# with lithium. For others, the message asks for `r0` "explicitly". There is an option --r0, but its value goes to the
# fit alone and not to the basis: the message stays the same. Data with hydrogen need a basis made in Python, by
# `ace_jax.basis.model.build_model(..., r0=...)`, and `aj fit --model`.
#
# Guess before it was run: with --r0 the fit goes through.
# Seen, for stretched hydrogen molecules with energies and forces:
#   aj fit:          ValueError: no tabulated bond length for Z=1; pass `r0` explicitly
#   aj fit --r0 0.8: ValueError: no tabulated bond length for Z=1; pass `r0` explicitly
#   build_model(["H"], 2, 4, rcut=4.0, r0=0.8): made
#
# Ends with status 0 as long as ace-jax does this.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ace-jax==0.4.1 "matscipy-neighbours>=1.0"
cd "$folder"
cat > look.py <<'PYTHON'
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
from ace_jax.basis.model import build_model
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

jax.config.update("jax_enable_x64", True)
frames = []
for distance in np.linspace(0.6, 1.2, 20):  # Å
    atoms = Atoms("H2", [[2, 2, 2], [2 + distance, 2, 2]], cell=np.eye(3) * 10, pbc=True)
    slope = 2 * (distance - 0.8)  # eV/Å
    forces = np.array([[slope, 0, 0], [-slope, 0, 0]])
    atoms.calc = SinglePointCalculator(atoms, energy=(distance - 0.8) ** 2, forces=forces)
    frames.append(atoms)
write("frames.extxyz", frames)

command = [Path(sys.executable).with_name("aj"), "fit", "--train", "frames.extxyz", "--order", "2", "--max-degree", "4"]
message = "ValueError: no tabulated bond length for Z=1; pass `r0` explicitly"
for option in ([], ["--r0", "0.8"]):
    done = subprocess.run(
        [*command, "--rcut", "4.0", *option, "--e0", "lsq", "--out", "fit"], capture_output=True, text=True
    )
    last = done.stderr.strip().splitlines()[-1]
    print(" ".join(["aj fit", *option]) + ":", last)
    assert done.returncode != 0 and last == message
build_model(["H"], 2, 4, rcut=4.0, r0=0.8)
print('build_model(["H"], 2, 4, rcut=4.0, r0=0.8): made')
PYTHON
"$folder/venv/bin/python" look.py
