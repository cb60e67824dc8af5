"""Thermal conductivity of a model of solid argon: Green-Kubo from the heat flux of the pair style beside a gradient.

Green-Kubo, of a cube at constant energy, where J is what `compute heat/flux` gives with `centroid/stress/atom`:

    kappa = 1 / (3 V k_B T^2) int_0^tau <J(0).J(t)> dt

Gradient, of a long cell between a warm and a cold slab, each with a Langevin thermostat of its own whose heat LAMMPS
tallies: kappa = P / (2 A |dT/dz|). Phonons that end in a slab make it too small, by 1/kappa(L) = 1/kappa + c/L
(Schelling, Phillpot and Keblinski, Phys. Rev. B 65, 144306 (2002)), hence several lengths. Whether the model is a good
one of argon does not matter: the same model is on both sides.

That the heat flux is the heat that flows is seen in one run with a gradient: its mean in the layers between the slabs,
times 2 A over their volume, is the power P of the thermostats, whatever the conductivity.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from ase.units import _k as JOULE_PER_KELVIN
from ase.units import kB
from rich.console import Console

from mliap_hybrid.config import parse_training_file
from mliap_hybrid.fitting.checkpoint import load_checkpoint
from mliap_hybrid.lammps.command import run_lammps
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train

EDGE = 5.40
"""Å, of the cubic cell: argon at some 60 K."""
TEMPERATURE, DIFFERENCE = 60.0, 40.0
"""K: of all, and between the slabs."""
SLAB = 4
"""Cells, of each slab."""
WIDTH, LENGTHS = 6, (24, 48, 96)
"""Cells: of the cube of Green-Kubo, and of the long cells."""
STEP = 0.008
"""ps."""
EVERY = 4
"""Steps between two values of the heat flux."""
LONGEST = 10.0
"""ps: tau."""
N_BLOCKS = 8
"""Parts of a run whose scatter gives its error."""
WATT = JOULE_PER_KELVIN / kB * 1e22
"""W/(m K) of 1 eV/(ps Å K)."""

START = """\
units metal
atom_style atomic
atom_modify map yes
lattice fcc {edge}
region all block 0 {width} 0 {width} 0 {length}
create_box 1 all
create_atoms 1 box
mass 1 39.948
{potential}
velocity all create {twice} {seed} dist gaussian
timestep {step}
thermo 5000
"""

FLUX = """\
fix warm all nvt temp {temperature} {temperature} 0.5
run {equilibration}
unfix warm
fix move all nve
{heat_flux}compute flux all heat/flux kinetic potential stress
compute warmth all temp
fix flux all ave/time {every} 1 {every} c_flux[1] c_flux[2] c_flux[3] c_warmth file flux.txt
run {steps}
"""

HEAT_FLUX = """\
compute kinetic all ke/atom
compute potential all pe/atom
compute stress all centroid/stress/atom NULL virial
"""

GRADIENT = """\
region hot block INF INF INF INF 0 {slab}
region cold block INF INF INF INF {half} {half_and_slab}
group hot region hot
group cold region cold
fix move all nve
fix hot hot langevin {hot} {hot} 0.2 {seed} tally yes
fix cold cold langevin {cold} {cold} 0.2 {other} tally yes
run {equilibration}
compute layers all chunk/atom bin/1d z lower 1.0 units lattice
fix profile all ave/chunk {every} {often} {block} layers temp file profile.txt
variable hot equal f_hot
variable cold equal f_cold
fix heat all ave/time {block} 1 {block} v_hot v_cold file heat.txt
{further}run {steps}
"""


LAYERS = """\
region down block INF INF INF INF {down} {end_of_down}
region up block INF INF INF INF {up} {end_of_up}
group down region down
group up region up
compute down down heat/flux kinetic potential stress
compute up up heat/flux kinetic potential stress
fix layers all ave/time {every} {often} {block} c_down[3] c_up[3] file layers.txt
"""


@dataclass(frozen=True)
class Conductivity:
    """A value and its standard error, W/(m K)."""

    value: float
    error: float


def argon_model(folder: Path) -> str:
    """Train a small model on a Lennard-Jones crystal; the lines of an input that use it."""
    random, frames = np.random.default_rng(0), []
    for _ in range(60):
        atoms = bulk("Ar", "fcc", a=random.uniform(5.25, 5.55), cubic=True).repeat(2)
        atoms.rattle(random.uniform(0.05, 0.3), rng=random)
        frames.append(_labelled(atoms))
    write(folder / "argon.extxyz", frames)
    settings = {
        "run": str(folder / "run"),
        "data": {"files": [str(folder / "argon.extxyz")], "validation": 0.1},
        "features": {"set": "gmp-2c", "max_order": 2, "cutoff": 6.5},
        "network": {"hidden": [16, 16]},
        "electrostatics": {"charges": "none"},
        "optimisation": {"epochs": 150},
    }
    with Display(Console(file=io.StringIO())) as display:
        train(parse_training_file(settings, "argon"), display, overwrite=True)
    checkpoint = load_checkpoint(folder / "run", "best")
    manifest = export_model(checkpoint.model, folder / "argon.pt", example=checkpoint.example, dtype="float64")
    return potential_block(manifest, str(folder.resolve() / "argon.pt"))


def _labelled(atoms: Atoms) -> Atoms:
    """Energies and forces of a smooth Lennard-Jones potential of argon."""
    atoms.calc = LennardJones(epsilon=0.0104, sigma=3.405, rc=6.5, ro=5.0, smooth=True)
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
    return atoms


def by_green_kubo(folder: Path, potential: str, width: int, steps: int, seed: int = 1) -> Conductivity:
    """From fluctuations of the heat flux in a cube of `width` cells."""
    lines = _start(width, width, potential, seed)
    lines += FLUX.format(temperature=TEMPERATURE, equilibration=5000, every=EVERY, steps=steps, heat_flux=HEAT_FLUX)
    _run(folder, "green_kubo", lines)
    values = np.loadtxt(folder / "green_kubo" / "flux.txt")[1:]
    volume, n_times = (EDGE * width) ** 3, int(LONGEST / (STEP * EVERY))
    blocks = []
    for part in np.array_split(values, N_BLOCKS):
        flux, temperature = part[:, 1:4], part[:, 4].mean()  # (n_times, 3), eV Å/ps
        integral = STEP * EVERY * np.trapezoid(_autocorrelation(flux)[:n_times])
        blocks.append(WATT * integral / (volume * kB * temperature**2))
    return Conductivity(float(np.mean(blocks)), float(np.std(blocks, ddof=1) / np.sqrt(N_BLOCKS)))


def _autocorrelation(flux: np.ndarray) -> np.ndarray:
    """<J(0) J(t)> (n_times,) of one component, the mean of three; of (n_times, 3)."""
    n_times = len(flux)
    spectrum = np.abs(np.fft.rfft(flux - flux.mean(0), 2 * n_times, axis=0)) ** 2
    sums = np.fft.irfft(spectrum, axis=0)[:n_times].mean(1)
    return sums / np.arange(n_times, 0, -1)


def by_gradient(folder: Path, potential: str, width: int, length: int, steps: int, seed: int = 1) -> Conductivity:
    """From heat that flows along a cell of width x width x length cells."""
    name = f"gradient_{length}"
    power = _run_gradient(folder / name, potential, width, length, steps, seed)
    slopes = [_slope(temperatures, SLAB) for temperatures in _profiles(folder / name / "profile.txt")]
    blocks = WATT * power / (2.0 * (EDGE * width) ** 2 * np.array(slopes[-len(power) :]))
    return Conductivity(float(blocks.mean()), float(blocks.std(ddof=1) / np.sqrt(len(blocks))))


def flux_over_power(folder: Path, potential: str, width: int, length: int, steps: int) -> tuple[float, float]:
    """Heat flux between the slabs, times 2 A over the volume, over the power of the thermostats; and its error."""
    half, n_layers = length // 2, length // 2 - SLAB - 4
    down, up, block = SLAB + 2 - 0.01, half + SLAB + 2 - 0.01, steps // N_BLOCKS
    layers = HEAT_FLUX + LAYERS.format(
        down=down,
        end_of_down=down + n_layers,
        up=up,
        end_of_up=up + n_layers,
        every=EVERY,
        often=block // EVERY,
        block=block,
    )
    power = _run_gradient(folder / "flux", potential, width, length, steps, 7, layers)
    flux = np.loadtxt(folder / "flux" / "layers.txt")[-len(power) :, 1:] @ [0.5, -0.5]  # eV Å/ps, mean of both sides
    ratios = flux * 2.0 / (n_layers * EDGE) / power
    return float(ratios.mean()), float(ratios.std(ddof=1) / np.sqrt(len(ratios)))


def _run_gradient(
    folder: Path, potential: str, width: int, length: int, steps: int, seed: int, further: str = ""
) -> np.ndarray:
    """Powers (n_blocks - 1,) that go in at the warm slab and out at the cold one, their mean, eV/ps."""
    block = steps // N_BLOCKS
    lines = _start(width, length, potential, seed)
    lines += GRADIENT.format(
        slab=SLAB - 0.01,
        half=length // 2 - 0.01,
        half_and_slab=length // 2 + SLAB - 0.01,
        hot=TEMPERATURE + DIFFERENCE / 2,
        cold=TEMPERATURE - DIFFERENCE / 2,
        seed=seed,
        other=seed + 1,
        equilibration=25000,
        every=EVERY,
        often=block // EVERY,
        block=block,
        steps=steps,
        further=further,
    )
    _run(folder.parent, folder.name, lines)
    heat = np.loadtxt(folder / "heat.txt")  # step, taken off the kinetic energy in each slab so far
    return np.diff((heat[:, 2] - heat[:, 1]) / 2.0) / (block * STEP)


def _slope(temperatures: np.ndarray, slab: int) -> float:
    """|dT/dz|, K/Å, on both sides of the warm slab, two cells away from the slabs."""
    half = len(temperatures) // 2
    down, up = temperatures[slab + 2 : half - 2], temperatures[half + slab + 2 : -2]
    return float(np.mean([-np.polyfit(np.arange(len(down)) * EDGE, side, 1)[0] for side in (down, up[::-1])]))


def _profiles(file: Path) -> list[np.ndarray]:
    """Temperatures of the layers (n_layers,), of each block."""
    lines = [line.split() for line in file.read_text().splitlines() if not line.startswith("#")]
    profiles: list[list[float]] = []
    for words in lines:
        if len(words) == 3:  # a new block
            profiles.append([])
        else:
            profiles[-1].append(float(words[-1]))
    return [np.array(profile) for profile in profiles]


def without_slabs(lengths: Sequence[int], gradients: Sequence[Conductivity]) -> Conductivity:
    """1/kappa(L) = 1/kappa + c/L at L to infinity, by weighted least squares over the lengths."""
    resistance = np.array([1.0 / one.value for one in gradients])
    errors = np.array([one.error for one in gradients]) * resistance**2
    design = np.stack([np.ones(len(lengths)), 1.0 / np.array(lengths)], axis=1) / errors[:, None]
    covariance = np.linalg.inv(design.T @ design)
    value = 1.0 / float((covariance @ design.T @ (resistance / errors))[0])
    return Conductivity(value, value**2 * float(np.sqrt(covariance[0, 0])))


def _start(width: int, length: int, potential: str, seed: int) -> str:
    """A crystal of width x width x length cells at twice the temperature, of which vibrations take half."""
    return START.format(
        edge=EDGE,
        width=width,
        length=length,
        potential=potential,
        twice=2 * TEMPERATURE,
        seed=seed,
        step=STEP,
    )


def _run(folder: Path, name: str, lines: str) -> None:
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "in.run").write_text(lines)
    run_lammps(folder / name / "in.run", timeout=6 * 3600)


def rows_of_heat(folder: Path, quick: bool) -> list[dict[str, str | float]]:
    """Both ways, and their ratio."""
    potential = argon_model(folder)
    steps = 20_000 if quick else 256_000
    fluctuations = by_green_kubo(folder, potential, WIDTH, 2 * steps)
    gradients = [by_gradient(folder, potential, 3, length, steps) for length in LENGTHS]
    direct = without_slabs(LENGTHS, gradients)
    error = (
        fluctuations.value
        / direct.value
        * float(np.hypot(fluctuations.error / fluctuations.value, direct.error / direct.value))
    )
    found = {"Green-Kubo": fluctuations, "gradient": direct}
    found |= {f"gradient, {length} cells": one for length, one in zip(LENGTHS, gradients, strict=True)}
    result: list[dict[str, str | float]] = [
        {"what": "heat flux | conductivity ratio", "value": fluctuations.value / direct.value, "unit": ""},
        {"what": "heat flux | error of the ratio", "value": error, "unit": ""},
    ]
    ratio, its_error = flux_over_power(folder, potential, 3, LENGTHS[0], steps // 2)
    result.append({"what": "heat flux | in a gradient, over the power of the thermostats", "value": ratio, "unit": ""})
    result.append({"what": "heat flux | error of that", "value": its_error, "unit": ""})
    for name, one in found.items():
        result.append({"what": f"heat flux | conductivity, {name}", "value": one.value, "unit": "W/(m K)"})
        result.append({"what": f"heat flux | its error, {name}", "value": one.error, "unit": "W/(m K)"})
    return result
