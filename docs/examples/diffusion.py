"""From labelled frames to a diffusion coefficient. Run from the root of the sources."""

# %%
# # From DFT data to a diffusion coefficient
#
# How fast do the ions of molten NaCl move? From frames with energies and forces to a number, in about three minutes on
# one core. The frames are those of `training/nacl`, whose labels are of tight binding (GFN1-xTB), which is not DFT:
# small enough to bring along. Yours go the same way.
#
# ## 1. The frames
#
# What matters: frames that look like what will be run, here the liquid, with some that are squeezed or have two ions
# too close, so that the model knows what it must not do. ASE reads what codes write, and an extxyz file of it is a
# data set:
import subprocess
import sys
from pathlib import Path

import numpy as np
from ase.io import read, write

FOLDER = Path("runs/diffusion")
FOLDER.mkdir(parents=True, exist_ok=True)

frames = read("training/nacl/nacl64.extxyz.xz", index=":")  # of your own: read("OUTCAR", index="::10"), ...
melt = [frame for frame in frames if frame.info["phase"] == "liquid"]
write(FOLDER / "melt.extxyz", melt)
print(f"{len(melt)} frames of the melt")

# %%
# Of VASP, name the energy that the forces belong to, `energy: free_energy`; stresses in kbar have
# `units: {stress: -kbar}` ([Training](../training.md#labels)). Labels in wrong units and forces of the wrong sign are
# told before anything is trained.
#
# ## 2. The model
#
# One charge for each element, fitted with the network: no labels of charges are needed. The file says no more than the
# names, so that the rest is chosen from the frames, but for a shorter training.
(FOLDER / "train.yaml").write_text("""
run: runs/diffusion/run
data:
  files: [melt.extxyz]
  keys: {stress: stress}
features:
  set: gmp-2c3
electrostatics:
  charges: fitted
network:
  hidden: [64, 64]
optimisation:
  epochs: 40
  batch_size: 8
""")


def run(command: str) -> None:
    """A command of the package, as in a terminal."""
    subprocess.run([f"{Path(sys.executable).parent}/{command.split()[0]}", *command.split()[1:]], check=True)


run("mliap-hybrid train runs/diffusion/train.yaml --overwrite")
run("mliap-hybrid export runs/diffusion/run -o runs/diffusion/model.pt --overwrite")
print((FOLDER / "run/report/errors.md").read_text())

# %%
# Look at the table before you go on: errors of test frames, which took no part in the training. Forces within some ten
# per cent of their root mean square are enough to see how a liquid flows; less is better.
#
# ## 3. The run
#
# 216 ions, melted at 1600 K, then 1300 K. 6.20 Å is twice the distance of neighbours in a crystal of that density,
# one of those of the frames. `guard warn` says where the run meets surroundings that the model does not know
# ([guard.md](../guard.md)); `guard halt` would end it there. Displacements are those of the ions themselves: `com yes`
# takes out what all have in common.
block = subprocess.run(
    [f"{Path(sys.executable).parent}/mliap-hybrid", "lammps-input", FOLDER / "model.pt"],
    capture_output=True, text=True, check=True,
).stdout  # fmt: skip
(FOLDER / "potential.in").write_text(block.replace("model.pt 0", "model.pt 0 guard warn"))

(FOLDER / "in.melt").write_text("""
units        metal
atom_style   charge
lattice      fcc 6.20
region       box block 0 3 0 3 0 3
create_box   2 box
create_atoms 1 box
lattice      fcc 6.20 origin 0.5 0.0 0.0
create_atoms 2 box
mass         1 22.98977
mass         2 35.453
include      runs/diffusion/potential.in

velocity     all create 3200 1 mom yes rot no
timestep     0.001
fix          move all nvt temp 1600 1600 0.1
run          3000
unfix        move
fix          move all nvt temp 1300 1300 0.1
run          2000

group        na type 1
group        cl type 2
reset_timestep 0
compute      na na msd com yes
compute      cl cl msd com yes
fix          msd all ave/time 20 1 20 c_na[4] c_cl[4] file runs/diffusion/msd.dat
thermo       2000
run          10000
""")
run("lmp -in runs/diffusion/in.melt -log runs/diffusion/log.lammps")

# %%
# ## 4. The number
#
# Einstein's relation: the mean squared displacement grows by 6 D t. The first 2 ps, in which ions still rattle in their
# cage, are left out.
steps, of_na, of_cl = np.loadtxt(FOLDER / "msd.dat", unpack=True)
time = 0.001 * steps  # ps
late = time > 2.0
for name, displacement in (("Na", of_na), ("Cl", of_cl)):
    slope = np.polyfit(time[late], displacement[late], 1)[0]  # Å^2/ps
    print(f"D({name}) = {10 * slope / 6:.1f} x 1e-9 m^2/s")  # 1 Å^2/ps = 1e-8 m^2/s

# %%
# D(Na) = 17.5 and D(Cl) = 14.9 when this was written; sodium is the faster one. One run of 10 ps in a small box says
# both to some 20 %: for a number to publish, average over several seeds and longer runs (displacements from many
# starting times), and mind the size of the box, D(L) = D - 2.837 k T / (6 π η L) (Yeh and Hummer 2004). The density
# is that of the method of the labels: `fix npt` finds it, as in `lammps_inputs/in.nacl_melt`.
#
# Why so many frames? A model of each fourth of them had test errors of forces of 3 % of their root mean square, and
# its run broke while the crystal melted: the guard warned of one ion at 0.4 ps, and of 151 of 216 ions, at distances
# up to 2800, at 1.4 ps. The script went on all the same, and printed two coefficients. A warning of one ion a little
# beyond the threshold does no harm; many, or distances of hundreds, mean that what comes after is worth nothing.
#
# What to try next: `--committee 4` for the uncertainty ([Training](../training.md#committees)), `mliap-hybrid learn` to
# label what the guard warns of ([labels.md](../labels.md)).
