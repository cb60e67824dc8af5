"""The demo: train on NaCl, export, check, run molecular dynamics on two ranks, plot. The commands a user would type.

    make demo            or            python training/nacl/demo.py

Everything is left in runs/nacl. A finished training is used again, an interrupted one is continued.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np

from mliap_hybrid.config import read_training_file
from mliap_hybrid.fitting.run_folder import RunFolder

RUN = Path("runs/nacl")
TRAINING_FILE = Path("training/nacl/train.yaml")
RANKS = 2
NVE_STEPS = 4000
MELT_STEPS = 2000

FORCE_ERROR_LIMIT = 5.0
"""Per cent of the root mean square force of the test frames."""
DRIFT_LIMIT = 1e-4
"""eV/atom over the NVE run."""


def main() -> None:
    """Run all steps and print a summary."""
    programs = Path(sys.executable).parent
    os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
    model, potential = RUN / "model.pt", RUN / "potential.in"

    train()
    step("mliap-hybrid", "export", RUN, "-o", model, "--overwrite")
    step("mliap-hybrid", "check", model)
    potential.write_text(step("mliap-hybrid", "lammps-input", model))
    lammps = ("mpiexec", "-n", RANKS, "lmp", "-var", "potential", potential)
    nve_log = step(*lammps, "-in", "lammps_inputs/in.nacl_nve", "-var", "steps", NVE_STEPS, "-var", "out", RUN / "nve")
    step(*lammps, "-in", "lammps_inputs/in.nacl_melt", "-var", "out", RUN / "melt", "-var", "steps", MELT_STEPS,
         "-var", "melt_steps", MELT_STEPS)  # fmt: skip

    energy_plot = plot_energy(RUN / "nve" / "nve_energy.dat", RUN / "nve" / "energy.png")
    rdf_plot = plot_rdf(RUN / "melt" / "rdf.dat", RUN / "melt" / "rdf.png")
    report(nve_log, [RUN / "report" / "parity_forces.png", energy_plot, rdf_plot])


def train() -> None:
    """Train, unless the run folder holds the finished run of this training file."""
    folder = RunFolder(RUN)
    same = folder.holds_run() and settings_of(folder.config) == settings_of(TRAINING_FILE)
    if same and (folder.report / "errors.md").exists():
        print(f"\nusing the finished training in {RUN}", flush=True)
    elif same:
        step("mliap-hybrid", "train", TRAINING_FILE, "--resume", "--threads", os.cpu_count() or 1)
    else:
        step("mliap-hybrid", "train", TRAINING_FILE, "--overwrite", "--threads", os.cpu_count() or 1)


def settings_of(file: Path) -> dict[str, object]:
    """Settings that decide what is trained; file names apart."""
    return read_training_file(file).model_dump(mode="json", exclude={"run": True, "data": {"files"}})


def step(*words: object) -> str:
    """Run one command, show it and what it prints, and return what it printed."""
    command = [str(word) for word in words]
    print(f"\n$ {' '.join(command)}", flush=True)
    printed = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            printed.append(line)
            print("  " + line, end="", flush=True)
    if process.returncode != 0:
        sys.exit(f"demo failed: `{' '.join(command)}` ended with status {process.returncode}")
    return "".join(printed)


def plot_energy(table: Path, picture: Path) -> Path:
    """Total energy and temperature of the NVE run against time."""
    plt = pyplot()
    time, temperature, energy = np.loadtxt(table, usecols=(1, 2, 3), unpack=True)  # (n_lines,) each
    figure, (upper, lower) = plt.subplots(2, 1, sharex=True, figsize=(6, 4.5), constrained_layout=True)
    upper.plot(time, 1e6 * (energy - energy[0]), color="tab:blue", lw=0.8)
    upper.set(ylabel="total energy - start / (µeV/atom)", title="NaCl, 512 ions, NVE, 0.5 fs, PPPM, 2 MPI ranks")
    lower.plot(time, temperature, color="tab:red", lw=0.8)
    lower.set(xlabel="time / ps", ylabel="temperature / K")
    figure.savefig(picture, dpi=150)
    return picture


def plot_rdf(table: Path, picture: Path) -> Path:
    """Radial distribution functions of the melt: the last block of the file."""
    plt = pyplot()
    rows = [line.split() for line in table.read_text().splitlines() if not line.startswith("#")]
    n_bins = max(int(row[0]) for row in rows if len(row) > 2)
    values = np.array([row for row in rows if len(row) > 2][-n_bins:], dtype=float)  # (n_bins, 8)
    figure, axes = plt.subplots(figsize=(6, 3.6), constrained_layout=True)
    for column, label in ((2, "Na-Na"), (4, "Na-Cl"), (6, "Cl-Cl")):
        axes.plot(values[:, 1], values[:, column], label=label)
    axes.axhline(1.0, color="gray", lw=0.6)
    axes.set(xlabel="r / Å", ylabel="g(r)", title="molten NaCl at 1300 K", ylim=(0, None))
    axes.legend()
    figure.savefig(picture, dpi=150)
    return picture


def report(nve_log: str, pictures: list[Path]) -> None:
    """Print what a person needs to judge the demo; the last line begins with `demo ok:` or `demo failed:`."""
    errors = (RUN / "report" / "errors.md").read_text()
    force_error = test_force_error(errors)
    drift = float(re.findall(r"energy drift: (\S+) eV/atom", nve_log)[-1])
    loops = re.findall(r"Loop time of (\S+) on \d+ procs for (\d+) steps with (\d+) atoms", nve_log)
    seconds, steps, atoms = (float(word) for word in loops[-1])
    speed = atoms * steps / seconds

    print(f"\n{errors}")
    print("pictures: " + ", ".join(str(picture) for picture in pictures))
    numbers = (
        f"force error {force_error:.2f} % of rms, drift {drift:.1e} eV/atom, {speed:,.0f} atoms/s on {RANKS} ranks"
    )
    if force_error > FORCE_ERROR_LIMIT or abs(drift) > DRIFT_LIMIT:
        sys.exit(f"demo failed: {numbers}; allowed {FORCE_ERROR_LIMIT} % and {DRIFT_LIMIT:.0e} eV/atom")
    print(f"demo ok: {numbers}")


def test_force_error(errors: str) -> float:
    """Root mean square force error of the test frames, per cent of the root mean square force."""
    header = next(line for line in errors.splitlines() if line.startswith("|"))
    row = next(line for line in errors.splitlines() if line.startswith("| test"))
    column = next(k for k, title in enumerate(header.split("|")) if "%" in title)
    return float(row.split("|")[column])


def pyplot():
    """Matplotlib without a screen."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    return plt


if __name__ == "__main__":
    main()
