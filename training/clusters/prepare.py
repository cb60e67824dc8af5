"""Make the three sets of molecules whose charges move far: silver trimers, carbon chains, sodium chloride clusters.

    python training/clusters/prepare.py make ag3             # resumable: the same command goes on
    python training/clusters/prepare.py make carbon_chains
    python training/clusters/prepare.py make nacl_clusters
    python training/clusters/prepare.py check ag3            # labels against differences of the energy
    python training/clusters/prepare.py table                # what is in the files, as the tables of the README

The systems are those of Ko, Finkler, Goedecker and Behler, Nat. Commun. 12, 398 (2021); geometries and labels are made
here. Needs `pip install 'mliap_hybrid[labels]'`; run it with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import collections
import time
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.singlepoint import SinglePointCalculator
from ase.optimize import BFGS
from geometries import N_THERMAL, SETS, Molecule, gfn1_minimum, pulled, scan, silver_trimers, thermal

FOLDER = Path(__file__).parent
NAMES = ("ag3", *SETS)
STRETCH = {"carbon_chains": 1.013, "nacl_clusters": 1.04}
"""Lengths of PBE over those of GFN1-xTB."""
RELAXATION_STEPS = {"carbon_chains": 8, "nacl_clusters": 0}
"""Of the PBE minimum after stretching: the bonds of a chain want to alternate more, the salt is close already."""


class PBE(Calculator):
    """PBE as a calculator of ASE, for relaxation."""

    implemented_properties = ("energy", "forces")

    def __init__(self, total_charge: int) -> None:
        super().__init__()
        self.total_charge = total_charge
        self.density_matrix: np.ndarray | None = None

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        """Called by ASE."""
        from pbe import pbe

        super().calculate(atoms, properties, system_changes)
        labels = pbe(self.atoms, self.total_charge, self.density_matrix)
        self.density_matrix = labels.density_matrix
        self.results = {"energy": labels.energy, "forces": labels.forces}


def pbe_minimum(molecule: Molecule, name: str) -> Atoms:
    """The minimum of GFN1-xTB, stretched and then relaxed with PBE for a few steps."""
    atoms = gfn1_minimum(molecule)
    atoms.positions *= STRETCH[name]
    if RELAXATION_STEPS[name] > 0:
        atoms.calc = PBE(molecule.total_charge)
        BFGS(atoms, logfile="-").run(fmax=0.03, steps=RELAXATION_STEPS[name])
    atoms.calc = None
    return atoms


def geometries(name: str) -> list[Atoms]:
    """Unlabelled frames of one set."""
    if name == "ag3":
        return list(silver_trimers(seed=3))
    frames: list[Atoms] = []
    whole: Atoms | None = None
    for seed, molecule in enumerate(SETS[name], start=11):
        minimum = pbe_minimum(molecule, name)
        frames_of_molecule = list(thermal(molecule, minimum, N_THERMAL[name], seed))
        if name == "nacl_clusters":
            whole = minimum if whole is None else whole  # the cluster with nine sodiums comes first
            frames_of_molecule += [*pulled(molecule, frames_of_molecule, seed), *scan(molecule, whole)]
        frames += frames_of_molecule
    return frames


def label(geometry: Atoms, start: np.ndarray | None) -> tuple[Atoms, np.ndarray]:
    """Frame with energy, forces and dipole moment under ASE's names and Hirshfeld charges; its density matrix."""
    from pbe import NotConverged, pbe

    charge = round(geometry.info["total_charge"])
    try:
        labels = pbe(geometry, charge, start)
    except NotConverged:
        labels = pbe(geometry, charge)  # from the free atoms
    labelled = Atoms(geometry.symbols, geometry.positions, info=geometry.info)
    labelled.arrays["hirshfeld_charges"] = labels.charges.round(6)
    labelled.calc = SinglePointCalculator(
        labelled, energy=round(labels.energy, 7), forces=labels.forces.round(7), dipole=labels.dipole.round(7)
    )
    return labelled, labels.density_matrix


def whole_frames(part_file: Path) -> list[Atoms]:
    """Frames already labelled; a frame cut short by an interruption is removed from the file."""
    if not part_file.exists():
        return []
    lines = part_file.read_text().splitlines(keepends=True)
    end = 0
    while end < len(lines) and lines[end].strip().isdigit():
        next_end = end + int(lines[end]) + 2
        if next_end > len(lines) or not lines[next_end - 1].endswith("\n"):
            break
        end = next_end
    part_file.write_text("".join(lines[:end]))
    return ase.io.read(part_file, ":", format="extxyz") if end else []


def make(name: str, output: Path, scratch: Path, force: bool, limit: int | None) -> None:
    """Make the geometries, label up to `limit` of those not yet labelled in random order, write the data file."""
    from pbe import NotConverged

    scratch.mkdir(parents=True, exist_ok=True)
    geometry_file, part_file = scratch / f"{name}_geometries.extxyz", scratch / f"{name}_labelled.extxyz"
    if output.exists() and not force and not part_file.exists():  # go on from a data file that is not complete
        ase.io.write(part_file, ase.io.read(output, ":"), format="extxyz")
    if not geometry_file.exists():
        ase.io.write(geometry_file, geometries(name))
    frames = ase.io.read(geometry_file, ":")

    done = {atoms.info["frame"] for atoms in whole_frames(part_file)}
    missing = [atoms for atoms in frames if atoms.info["frame"] not in done]
    np.random.default_rng(0).shuffle(missing)  # so that a file written early holds some of everything
    print(f"{name}: {len(frames)} frames, {len(done)} of them labelled in {part_file}", flush=True)
    missing = missing[:limit]
    starts: dict[str, np.ndarray] = {}
    began = time.monotonic()
    for n, geometry in enumerate(missing, start=1):
        system = geometry.info["system"]
        try:
            labelled, starts[system] = label(geometry, starts.get(system))
        except NotConverged as error:
            print(f"left out {geometry.info['frame']}: {error} did not converge", flush=True)
            continue
        ase.io.write(part_file, labelled, append=True, format="extxyz")
        if n % 10 == 0 or n == len(missing):
            seconds = (time.monotonic() - began) / n
            left = seconds * (len(missing) - n) / 60
            print(f"labelled {n}/{len(missing)}, {seconds:.1f} s a frame, {left:.0f} min left", flush=True)
    write(name, output, scratch)


def write(name: str, output: Path, scratch: Path) -> None:
    """Write the frames labelled so far, in the order of the geometries."""
    order = {a.info["frame"]: n for n, a in enumerate(ase.io.read(scratch / f"{name}_geometries.extxyz", ":"))}
    labelled = ase.io.read(scratch / f"{name}_labelled.extxyz", ":")
    labelled.sort(key=lambda atoms: order[atoms.info["frame"]])
    ase.io.write(output, labelled, format="extxyz")
    print(f"wrote {len(labelled)} frames to {output}")


def check(data_file: Path, displacement: float = 5e-3) -> None:
    """Compare forces of two frames of each system with central differences of the energy."""
    from pbe import pbe

    rng = np.random.default_rng(0)
    by_system = collections.defaultdict(list)
    for atoms in ase.io.read(data_file, ":"):
        by_system[atoms.info["system"]].append(atoms)
    worst = 0.0
    for frames in by_system.values():
        for frame in (frames[0], frames[-1]):
            i, c = rng.integers(len(frame)), rng.integers(3)
            energies = []
            for sign in (+1, -1):
                moved = Atoms(frame.symbols, frame.positions)
                moved.positions[i, c] += sign * displacement
                energies.append(pbe(moved, round(frame.info["total_charge"]), with_forces=False).energy)
            found, expected = -(energies[0] - energies[1]) / (2 * displacement), frame.get_forces()[i, c]
            worst = max(worst, abs(found - expected))
            print(f"{frame.info['frame']} force {i} {'xyz'[c]}: label {expected:.5f}, differences {found:.5f} eV/Å")
    print(f"largest difference: {worst:.1e} eV/Å")


def table(files: list[Path]) -> None:
    """Print what the files hold, by system."""
    print("| system | frames | train / validation / test | energy spread meV/atom | force RMS eV/Å | charges e |")
    print("|---|---|---|---|---|---|")
    for file in files:
        by_system = collections.defaultdict(list)
        for atoms in ase.io.read(file, ":"):
            by_system[atoms.info["system"]].append(atoms)
        for system, frames in by_system.items():
            splits = collections.Counter(atoms.info["split"] for atoms in frames)
            energies = np.array([atoms.get_potential_energy() / len(atoms) for atoms in frames])
            rms = np.sqrt(np.mean([atoms.get_forces() ** 2 for atoms in frames]))
            ranges = []
            for symbol in dict.fromkeys(frames[0].symbols):
                q = np.concatenate([a.arrays["hirshfeld_charges"][a.symbols == symbol] for a in frames])
                ranges.append(f"{symbol} {q.mean():+.3f} ± {q.std():.3f}")
            counts = " / ".join(str(splits[part]) for part in ("train", "validation", "test"))
            spread = f"{1000 * energies.std():.0f} | {rms:.2f}"
            print(f"| {system} | {len(frames)} | {counts} | {spread} | {', '.join(ranges)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("make", "write"):
        maker = verbs.add_parser(verb)
        maker.add_argument("set", choices=NAMES)
        maker.add_argument("--output", type=Path, help="default: SET.extxyz.xz beside this script")
        maker.add_argument("--scratch", type=Path, default=Path("clusters_scratch"), help="kept for resuming")
        maker.add_argument("--force", action="store_true", help="do not start from the frames of the output file")
        if verb == "make":
            maker.add_argument("--limit", type=int, help="label at most so many more frames, then write the file")
    verbs.add_parser("check").add_argument("set", choices=NAMES)
    verbs.add_parser("table")
    options = parser.parse_args()
    files = {name: FOLDER / f"{name}.extxyz.xz" for name in NAMES}
    if options.verb == "make":
        make(options.set, options.output or files[options.set], options.scratch, options.force, options.limit)
    elif options.verb == "write":
        write(options.set, options.output or files[options.set], options.scratch)
    elif options.verb == "check":
        check(files[options.set])
    else:
        table([file for file in files.values() if file.exists()])


if __name__ == "__main__":
    main()
