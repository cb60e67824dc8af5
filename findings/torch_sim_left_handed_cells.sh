#!/bin/bash
# TorchSim (torch-sim-atomistic 0.3.0) with ASE 3.29.0: a relaxation of a cell whose vectors are left-handed goes uphill.
#
# The volume of a structure is taken as the determinant of its cell, which is negative where the vectors are left-handed, as
# they may be in files of crystals. Energies, forces and stresses are right, but the forces on the cell have the wrong sign: a
# compressed crystal is compressed further, at higher and higher energy. 0.3.0 prints a line on volumes that are not positive
# and goes on. 0.6.2, which needs Python 3.12, does the same without that line.
#
# Guess before it was run: the relaxed volume is that of the same crystal with right-handed vectors.
# Seen (four atoms of argon, Lennard-Jones, a = 5 Å, eight steps of FIRE; Å^3 and eV):
#   right-handed: 125.0 -> 136.8,  -0.26306 -> -0.30816
#   left-handed:  125.0 -> 110.2,  -0.26306 -> -0.11741
#
# Ends with status 0 as long as TorchSim does this. The newest version for Python 3.11 is pinned.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0
"$folder/venv/bin/pip" install --quiet ase==3.29.0 torch-sim-atomistic==0.3.0
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'PYTHON'
import torch
import torch_sim as ts
from ase import Atoms
from ase.build import bulk
from torch_sim.models.lennard_jones import LennardJonesModel

right = bulk("Ar", "fcc", a=5.0, cubic=True)
left = Atoms(right.symbols, right.positions, cell=right.cell[[1, 0, 2]], pbc=True)
where = {"device": torch.device("cpu"), "dtype": torch.float64}
model = LennardJonesModel(sigma=3.405, epsilon=0.0104, cutoff=7.0, compute_forces=True, compute_stress=True, **where)
changes = {}
for name, atoms in (("right", right), ("left", left)):
    state = ts.io.atoms_to_state([atoms], **where)
    before = model(state)["energy"].item()
    assert model(state)["stress"][0, 0, 0] < 0  # compressed
    final = ts.optimize(state, model, optimizer=ts.unit_cell_fire, max_steps=8, steps_between_swaps=4)
    volumes = state.cell.det().abs().item(), final.cell.det().abs().item()
    changes[name] = volumes[1] - volumes[0], final.energy.item() - before
    print(f"{name:6} {volumes[0]:.1f} -> {volumes[1]:.3f} Å^3,  {before:.5f} -> {final.energy.item():.5f} eV")
assert changes["right"][0] > 0 and changes["right"][1] < 0
assert changes["left"][0] < 0 and changes["left"][1] > 0
PYTHON
