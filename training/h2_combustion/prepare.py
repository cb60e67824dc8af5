"""Frames of hydrogen combustion for a training: chosen from the published set, which is read and not copied.

    python training/h2_combustion/prepare.py FOLDER [-o runs/h2_combustion/frames.extxyz] [--leave-out 11 16]

FOLDER is a copy of the set (Guan et al., Sci. Data 9, 215 (2022), wB97X-V/cc-pVTZ): for each reaction NN_aimd.npz,
NN_irc.npz and NN_nm.npz. Trajectories are series in time: training has their first four fifths, test the last one, so
that no test frame is a neighbour of one that was trained on. Of reaction paths, every second frame is tested. Reactions
that are left out are tested alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

KCAL = units.kcal / units.mol
REACTIONS = ("02", "08", "11", "12a", "15", "16")
N_TRAJECTORY, N_MODES, N_TEST = 1500, 500, 300
"""Frames of each reaction: trained on, of trajectories and of normal modes, and tested."""
LARGEST_FORCE = 40.0
"""eV/Å: a few frames have more; none of a flame does."""
LEFT_OUT = {"12a_irc_all.npz", "12a_irc_q_corr.npz"}
"""Reaction 12 is on two surfaces, of a doublet and a quartet, which no function of the places is: the doublet is taken,
whose path has been corrected."""
OF_DOUBLET = {"12a_aimd_all.npz", "12a_nm_all.npz"}
"""Files that begin with the frames of the doublet: their first half."""


def frames_of(file: Path) -> list[Atoms]:
    """All frames of a file, in eV and Å; rows are padded with zeros."""
    data = np.load(file)
    frames = []
    for n, numbers, positions, energy, forces in zip(*(data[name] for name in "NZREF"), strict=True):
        atoms = Atoms(numbers[: int(n[0])], positions=positions[: int(n[0])])
        results = {"energy": float(energy[0]) * KCAL, "forces": forces[: len(atoms)] * KCAL}
        atoms.calc = SinglePointCalculator(atoms, **results)
        frames.append(atoms)
    return frames


def spread(frames: list[Atoms], n: int) -> list[Atoms]:
    """At most n of the frames, evenly spread."""
    return [frames[k] for k in np.unique(np.linspace(0, len(frames) - 1, min(n, len(frames))).round().astype(int))]


def chosen(file: Path, left_out: bool) -> Iterator[tuple[str, Atoms]]:
    """Part and frame, of those of a file that are used."""
    reaction, kind = file.stem.split("_")[:2]
    frames = frames_of(file)
    if file.name in OF_DOUBLET:
        frames = frames[: len(frames) // 2]
    last = len(frames) // 5
    if kind == "irc":
        parts = [("test" if k % 2 else "train", frame) for k, frame in enumerate(frames)]
    elif kind == "aimd":
        parts = [("train", frame) for frame in spread(frames[:-last], N_TRAJECTORY)]
        parts += [("test", frame) for frame in spread(frames[-last:], N_TEST)]
    else:
        parts = [("train", frame) for frame in spread(frames, N_MODES)]
    trained = 0
    for part, frame in parts:
        if part == "train" and left_out:
            continue
        if np.abs(frame.get_forces()).max() > LARGEST_FORCE:
            continue
        trained += part == "train"
        frame.info |= {"config_type": kind, "reaction": f"r{reaction}"}
        yield "validation" if part == "train" and trained % 12 == 0 else part, frame


def main() -> None:
    """Write the frames."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/h2_combustion/frames.extxyz"))
    parser.add_argument("--leave-out", nargs="*", default=[], choices=REACTIONS)
    options = parser.parse_args()
    files = [
        file
        for reaction in REACTIONS
        for file in sorted(options.folder.glob(f"{reaction}_*.npz"))
        if file.name not in LEFT_OUT
    ]
    if not files:
        parser.error(f"there are no files such as {REACTIONS[0]}_aimd.npz in {options.folder}")
    frames = []
    for file in files:
        for part, frame in chosen(file, file.stem.split("_")[0] in options.leave_out):
            frame.info["split"] = part
            frames.append(frame)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write(options.output, frames)
    counts = {part: sum(frame.info["split"] == part for frame in frames) for part in ("train", "validation", "test")}
    print(f"{options.output}: {', '.join(f'{n} {part}' for part, n in counts.items())}")


if __name__ == "__main__":
    main()
