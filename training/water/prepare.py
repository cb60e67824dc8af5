"""Make the water data set: cells of 64 molecules at several temperatures and densities, labelled with GFN1-xTB.

    python training/water/prepare.py make      # geometries, labels, split -> water64.extxyz.xz (resumable)
    python training/water/prepare.py check     # labels against finite differences of the energy
    python training/water/prepare.py table     # what is in the file, as the table of the README

Geometries come from LAMMPS with a flexible point-charge model, see geometries.py. Labels: periodic GFN1-xTB at the
Gamma point (Grimme, Bannwarth and Shushkov, J. Chem. Theory Comput. 13, 1989 (2017)) by tblite. Needs
`pip install 'mliap_hybrid[labels]'`; run it with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import collections
import time
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.neighborlist import neighbor_list
from geometries import N_MOLECULES, PLAN, geometries

DATA_FILE = Path(__file__).parent / "water64.extxyz.xz"
LINES_OF_FRAME = 3 * N_MOLECULES + 2


def gfn1():
    """Fresh GFN1-xTB calculator: no label depends on the frame labelled before it."""
    from tblite.ase import TBLite

    return TBLite(method="GFN1-xTB", verbosity=0)


def label(geometry: Atoms) -> Atoms:
    """Frame with energy (eV), forces (eV/Å), stress (eV/Å^3, sign of ASE) and Mulliken charges (e)."""
    atoms = geometry.copy()
    atoms.calc = gfn1()
    energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
    labelled = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=True, info=geometry.info)
    labelled.arrays["gfn1_charges"] = np.array(atoms.calc.results["charges"]).round(5)
    labelled.calc = SinglePointCalculator(
        labelled, energy=round(energy, 6), forces=forces.round(5), stress=stress.round(8)
    )
    return labelled


def whole_frames(part_file: Path) -> list[Atoms]:
    """Frames already labelled; a frame cut short by an interruption is removed from the file."""
    if not part_file.exists():
        return []
    lines = part_file.read_text().splitlines(keepends=True)
    n_whole = len(lines) - (1 if lines and not lines[-1].endswith("\n") else 0)
    n_lines = n_whole // LINES_OF_FRAME * LINES_OF_FRAME
    part_file.write_text("".join(lines[:n_lines]))
    return ase.io.read(part_file, ":", format="extxyz") if n_lines else []


def make(output: Path, scratch: Path, force: bool) -> None:
    """Make the geometries, label those not yet labelled, and write the data file."""
    if output.exists() and not force:
        raise SystemExit(f"{output} exists: give another --output, or --force to replace it")
    scratch.mkdir(parents=True, exist_ok=True)
    geometry_file, part_file = scratch / "geometries.extxyz", scratch / "labelled.extxyz"
    if not geometry_file.exists():
        frames = []
        for seed, run in enumerate(PLAN, start=1):
            print(f"{run.name}: {run.n_frames} frames", flush=True)
            frames += list(geometries(run, seed))
        ase.io.write(geometry_file, frames)
    frames = ase.io.read(geometry_file, ":")

    done = {atoms.info["frame"] for atoms in whole_frames(part_file)}
    missing = [atoms for atoms in frames if atoms.info["frame"] not in done]
    print(f"{len(frames)} frames, {len(done)} of them labelled in {part_file}", flush=True)
    start = time.monotonic()
    for n, geometry in enumerate(missing, start=1):
        ase.io.write(part_file, label(geometry), append=True, format="extxyz")
        if n % 10 == 0 or n == len(missing):
            seconds = (time.monotonic() - start) / n
            left = seconds * (len(missing) - n) / 60
            print(f"labelled {n}/{len(missing)}, {seconds:.1f} s a frame, {left:.0f} min left", flush=True)

    labelled = ase.io.read(part_file, ":")
    ase.io.write(output, labelled, format="extxyz")
    print(f"wrote {len(labelled)} frames to {output}")


def check(data_file: Path, displacement: float = 2e-3, strain_step: float = 1e-3) -> None:
    """Compare a force and a stress of three frames with central differences of the energy."""
    rng = np.random.default_rng(0)
    worst_force = worst_stress = 0.0
    for frame in ase.io.read(data_file, "::70"):
        i, c, d = rng.integers(len(frame)), rng.integers(3), rng.integers(3)
        forces, stress = frame.get_forces(), frame.get_stress(voigt=False)
        shift = np.zeros((len(frame), 3))
        shift[i, c] = displacement
        force = -energy_difference(frame, shift, np.zeros((3, 3))) / displacement
        strain = np.zeros((3, 3))
        strain[c, d] += 0.5 * strain_step
        strain[d, c] += 0.5 * strain_step
        pull = energy_difference(frame, 0 * shift, strain) / (strain_step * frame.get_volume())
        print(f"{frame.info['frame']} force: label {forces[i, c]:.5f}, differences {force:.5f} eV/Å")
        print(f"{frame.info['frame']} stress: label {stress[c, d]:.7f}, differences {pull:.7f} eV/Å^3")
        worst_force = max(worst_force, abs(force - forces[i, c]))
        worst_stress = max(worst_stress, abs(pull - stress[c, d]))
    print(f"largest differences: forces {worst_force:.1e} eV/Å, stress {worst_stress:.1e} eV/Å^3")


def energy_difference(frame: Atoms, shift: np.ndarray, strain: np.ndarray) -> float:
    """Half the GFN1-xTB energy at +`shift` (Å) and +`strain` minus that at the negative of both, in eV."""
    energies = []
    for sign in (+1, -1):
        moved = frame.copy()
        moved.set_cell(frame.cell[:] @ (np.eye(3) + sign * strain), scale_atoms=True)
        moved.positions += sign * shift
        moved.calc = gfn1()
        energies.append(moved.get_potential_energy())
    return (energies[0] - energies[1]) / 2


def table(data_file: Path) -> None:
    """Print what the data file holds: frames, forces, bonds and pressure of each run; charges of each element."""
    frames = ase.io.read(data_file, ":")
    groups = collections.defaultdict(list)
    for atoms in frames:
        groups[atoms.info["frame"].split("/")[0]].append(atoms)
    print("| source | T / K | density / g/cm^3 | frames | force RMS / eV/Å | mean O-H / Å | pressure / GPa |")
    print("|---|---|---|---|---|---|---|")
    for group in groups.values():
        info = group[0].info
        rms = np.sqrt(np.mean([atoms.get_forces() ** 2 for atoms in group]))
        bond = np.mean([neighbor_list("d", atoms, {("O", "H"): 1.3}).mean() for atoms in group])
        stress = np.mean([np.trace(atoms.get_stress(voigt=False)) / 3 for atoms in group])  # eV/Å^3, no kinetic part
        kinetic = 3 * N_MOLECULES * 8.617333e-5 * info["T"] / group[0].get_volume()  # eV/Å^3
        print(
            f"| {info['source']} | {info['T']:.0f} | {info['density']:.2f} | {len(group)} "
            f"| {rms:.3f} | {bond:.3f} | {160.2177 * (kinetic - stress):+.2f} |"
        )
    print(f"\n{len(frames)} frames: {dict(collections.Counter(atoms.info['split'] for atoms in frames))}")
    print("\n| element | mean charge / e | standard deviation / e | lowest | highest |\n|---|---|---|---|---|")
    for symbol in ("O", "H"):
        charges = np.concatenate([a.arrays["gfn1_charges"][a.symbols == symbol] for a in frames])
        print(
            f"| {symbol} | {charges.mean():+.4f} | {charges.std():.4f} | {charges.min():+.3f} | {charges.max():+.3f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    maker = verbs.add_parser("make", help="geometries, labels, split")
    maker.add_argument("--output", type=Path, default=DATA_FILE)
    maker.add_argument("--scratch", type=Path, default=Path("water_scratch"), help="part files: kept for resuming")
    maker.add_argument("--force", action="store_true", help="replace the output file")
    for verb in ("check", "table"):
        verbs.add_parser(verb).add_argument("data_file", type=Path, nargs="?", default=DATA_FILE)
    options = parser.parse_args()
    if options.verb == "make":
        make(options.output, options.scratch, options.force)
    elif options.verb == "check":
        check(options.data_file)
    else:
        table(options.data_file)


if __name__ == "__main__":
    main()
