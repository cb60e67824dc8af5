"""Make the NaCl data set: 64-ion periodic cells, crystal to melt, labelled with GFN1-xTB.

    python training/nacl/prepare.py make      # geometries, labels, split -> nacl64.extxyz.xz (resumable)
    python training/nacl/prepare.py check     # labels against finite differences of the energy
    python training/nacl/prepare.py table     # what is in the file, as the tables of the README

Geometries come from LAMMPS molecular dynamics with the Tosi-Fumi potential (Fumi and Tosi, J. Phys. Chem. Solids
25, 31 (1964)), some of them then strained, compressed, pushed into close contact or carried on with GFN1-xTB
itself. Labels: periodic GFN1-xTB at the Gamma point (Grimme, Bannwarth and Shushkov, J. Chem. Theory Comput. 13,
1989 (2017)) by tblite. Needs `pip install 'mliap_hybrid[labels]'`; run it with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import collections
import time
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.verlet import VelocityVerlet
from ase.neighborlist import neighbor_list
from geometries import N_IONS, PLAN, geometries

DATA_FILE = Path(__file__).parent / "nacl64.extxyz.xz"


def gfn1():
    """Fresh GFN1-xTB calculator: no label depends on the frame labelled before it."""
    from tblite.ase import TBLite

    return TBLite(method="GFN1-xTB", verbosity=0, max_iterations=400)


def carry_on_with_gfn1(atoms: Atoms, n_steps: int = 32) -> None:
    """Run 80 fs at constant energy with GFN1-xTB, so that bond lengths and shells become its own."""
    rng = np.random.default_rng(list(atoms.info["frame"].encode()))  # the same on every resumption
    thermal_energy = units.kB * atoms.info["T"]
    momenta = rng.normal(size=(N_IONS, 3)) * np.sqrt(thermal_energy * atoms.get_masses())[:, None]
    atoms.set_momenta(momenta - momenta.mean(axis=0))
    atoms.calc = gfn1()
    VelocityVerlet(atoms, 2.5 * units.fs).run(n_steps)
    atoms.wrap()


def label(geometry: Atoms) -> Atoms:
    """Frame with energy (eV), forces (eV/Å), stress (eV/Å^3, sign of ASE) and Mulliken charges (e)."""
    atoms = geometry.copy()
    if geometry.info["source"] == "gfn1_md":
        carry_on_with_gfn1(atoms)
    atoms.calc = gfn1()
    energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
    labelled = Atoms(atoms.get_chemical_symbols(), atoms.positions, cell=atoms.cell, pbc=True, info=geometry.info)
    labelled.arrays["gfn1_charges"] = np.array(atoms.calc.results["charges"])
    labelled.calc = SinglePointCalculator(labelled, energy=energy, forces=forces, stress=stress)
    return labelled


def whole_frames(part_file: Path) -> list[Atoms]:
    """Frames already labelled; a frame cut short by an interruption is removed from the file."""
    if not part_file.exists():
        return []
    lines = part_file.read_text().splitlines(keepends=True)
    n_lines = len(lines) - len(lines) % (N_IONS + 2)
    if lines and not lines[-1].endswith("\n"):
        n_lines = min(n_lines, (len(lines) - 1) // (N_IONS + 2) * (N_IONS + 2))
    part_file.write_text("".join(lines[:n_lines]))
    return ase.io.read(part_file, ":") if n_lines else []


def make(output: Path, scratch: Path, force: bool) -> None:
    """Make the geometries, label those not yet labelled, and write the data file."""
    if output.exists() and not force:
        raise SystemExit(f"{output} exists: give another --output, or --force to replace it")
    scratch.mkdir(parents=True, exist_ok=True)
    geometry_file, part_file = scratch / "geometries.extxyz", scratch / "labelled.extxyz"

    if not geometry_file.exists():
        frames = []
        for run in PLAN:
            print(f"{run.name}: {run.n_frames} frames", flush=True)
            frames += list(geometries(run))
        ase.io.write(geometry_file, frames)
    frames = ase.io.read(geometry_file, ":")

    done = {atoms.info["frame"] for atoms in whole_frames(part_file)}
    missing = [atoms for atoms in frames if atoms.info["frame"] not in done]
    print(f"{len(frames)} frames, {len(done)} of them labelled in {part_file}", flush=True)
    start = time.monotonic()
    for n, geometry in enumerate(missing, start=1):
        ase.io.write(part_file, label(geometry), append=True)
        if n % 10 == 0 or n == len(missing):
            seconds = (time.monotonic() - start) / n
            left = seconds * (len(missing) - n) / 60
            print(f"labelled {n}/{len(missing)}, {60 / seconds:.1f} frames/min, {left:.0f} min left", flush=True)

    order = {atoms.info["frame"]: n for n, atoms in enumerate(frames)}
    labelled = sorted(ase.io.read(part_file, ":"), key=lambda atoms: order[atoms.info["frame"]])
    ase.io.write(output, labelled, format="extxyz")
    print(f"wrote {len(labelled)} frames to {output}")


def check(data_file: Path, displacement: float = 4e-3, strain_step: float = 1e-3) -> None:
    """Compare the labels of a crystal and a strained liquid frame with central differences of the energy.

    The steps are not smaller because the energy itself jumps by some 1e-7 eV where a pair of ions crosses one of
    tblite's real-space cutoffs.
    """
    by_name = {atoms.info["frame"]: atoms for atoms in ase.io.read(data_file, ":")}
    rng = np.random.default_rng(0)
    no_shift, no_strain = np.zeros((N_IONS, 3)), np.zeros((3, 3))
    worst_force = worst_stress = 0.0
    for name in ("tosi_fumi_md_solid_700K_5.76A/10", "strained_liquid_1300K_6.20A/05"):
        frame = by_name[name]
        forces, stress = frame.get_forces(), frame.get_stress(voigt=False)
        for i, c in zip(rng.integers(N_IONS, size=4), rng.integers(3, size=4), strict=True):
            shift = no_shift.copy()
            shift[i, c] = displacement
            found = -energy_difference(frame, shift, no_strain) / displacement
            worst_force = max(worst_force, abs(found - forces[i, c]))
            print(f"{name} force {i} {'xyz'[c]}: label {forces[i, c]:.6f}, differences {found:.6f} eV/Å")
        for c, d in ((0, 0), (1, 2)):
            strain = no_strain.copy()
            strain[c, d] += 0.5 * strain_step
            strain[d, c] += 0.5 * strain_step
            found = energy_difference(frame, no_shift, strain) / (strain_step * frame.get_volume())
            worst_stress = max(worst_stress, abs(found - stress[c, d]))
            print(f"{name} stress {'xyz'[c]}{'xyz'[d]}: label {stress[c, d]:.7f}, differences {found:.7f} eV/Å^3")
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
    """Print what the data file holds: frames and force per condition, charges per element, splits."""
    frames = ase.io.read(data_file, ":")
    groups = collections.defaultdict(list)
    for atoms in frames:
        groups[atoms.info["frame"].split("/")[0]].append(atoms)
    print("| source | phase | T / K | a / Å | frames | force RMS / eV/Å | nearest pair / Å |")
    print("|---|---|---|---|---|---|---|")
    for group in groups.values():
        info = group[0].info
        rms = np.sqrt(np.mean([atoms.get_forces() ** 2 for atoms in group]))
        nearest = min(neighbor_list("d", atoms, cutoff=4.0).min() for atoms in group)
        print(
            f"| {info['source']} | {info['phase']} | {info['T']:.0f} | {info['a']:.2f} | {len(group)} "
            f"| {rms:.3f} | {nearest:.2f} |"
        )
    print(f"\n{len(frames)} frames: {dict(collections.Counter(atoms.info['split'] for atoms in frames))}")
    print("\n| element | mean charge / e | standard deviation / e | lowest | highest |\n|---|---|---|---|---|")
    for symbol in ("Na", "Cl"):
        charges = np.concatenate([a.arrays["gfn1_charges"][a.symbols == symbol] for a in frames])
        print(
            f"| {symbol} | {charges.mean():+.4f} | {charges.std():.4f} | {charges.min():+.3f} | {charges.max():+.3f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    maker = verbs.add_parser("make", help="geometries, labels, split")
    maker.add_argument("--output", type=Path, default=DATA_FILE)
    maker.add_argument("--scratch", type=Path, default=Path("nacl_scratch"), help="part files: kept for resuming")
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
