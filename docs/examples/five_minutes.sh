#!/usr/bin/env bash
# Run from the root of the sources, with the package's environment active.
set -euo pipefail

# %%
# # Five minutes to molecular dynamics
#
# A potential for NaCl: trained, checked, and run on two MPI ranks. All of it takes two to four minutes on two cores and
# writes to `runs/five_minutes`. The commands are those of `make demo`, with a shorter training: errors of test forces are
# 22 meV/Å here, 13 there.
#
# You need the package and its sources, which bring the frames:
#
# ```
# python3 -m venv .venv && source .venv/bin/activate
# pip install torch==2.13.0 .
# mliap-hybrid doctor          # says what is missing, and what to do about it
# ```

# %%
# ## 1. A training file
#
# It names the frames, their labels and little else. What it leaves open is chosen from the frames and said
# ([Training](../training.md#what-is-chosen-from-the-data)); every key has its meaning in the [settings](../settings.md).
# Paths are relative to the file. Here a network that is small and a training that is short are asked for.
mkdir -p runs/five_minutes
cat > runs/five_minutes/train.yaml <<'YAML'
run: runs/five_minutes/run
data:
  files: [../../training/nacl/nacl64.extxyz.xz]
  split_key: split                 # each frame says train, validation or test
  keys:
    stress: stress                 # energy and forces have their usual names
    charges: gfn1_charges
features:
  set: gmp-2c
  widths: [0.7, 1.0, 1.4, 2.0]     # Å
electrostatics:
  charges: reference               # one for each element: the mean of the labels
network:
  hidden: [32, 32]
optimisation:
  epochs: 15
  batch_size: 4
YAML

# %%
# ## 2. Train, export, check
#
# `train` ends with a table of errors on frames that it has not seen; `report/report.html` in the run folder has pictures.
# `export` writes the one file that everything else reads. `check` runs it in LAMMPS, on one and on two ranks, and compares
# energy, forces and virial with Python.
mliap-hybrid train runs/five_minutes/train.yaml --overwrite
mliap-hybrid export runs/five_minutes/run -o runs/five_minutes/model.pt --overwrite
mliap-hybrid check runs/five_minutes/model.pt

# %%
# ## 3. Run
#
# `lammps-input` prints the block that sets the pair style, the Coulomb part and the charges: paste it into an input, or
# include it. `lmp` and `mpiexec` are those of the environment. The input is a crystal of 512 ions at constant energy.
mliap-hybrid lammps-input runs/five_minutes/model.pt > runs/five_minutes/potential.in
mpiexec -n 2 lmp -in lammps_inputs/in.nacl_nve -var potential runs/five_minutes/potential.in \
    -var steps 1000 -var out runs/five_minutes

# %%
# The last line but the summary says how far the energy has drifted, below 1e-5 eV/atom. The forces are the gradient of
# the energy, the Coulomb part included.
#
# ## Where to go from here
#
# - Your own frames: [From DFT data to a diffusion coefficient](diffusion.py).
# - Charges that follow their surroundings: [charges.md](../charges.md).
# - A LAMMPS of your own, KOKKOS, GPUs: [lammps.md](../lammps.md).
# - A message that you do not understand: [troubleshooting.md](../troubleshooting.md).
