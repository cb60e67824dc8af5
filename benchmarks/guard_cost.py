"""What the guard adds to a step of molecular dynamics: 5184 atoms of water on one core, without and with it in turns.

The model is that of step_cost.py without charges, whose steps are the cheapest. Seconds are those of the processor.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import ase.io
from other_checkout import THIS, Row, in_turns
from step_cost import MODELS, ROOT, RUN, measure, potential_of, write_structure

GUARDS = {
    "guard cost %": "guard warn threshold 1e6",  # every 10 steps
    "guard cost % | every step": "guard warn threshold 1e6 every 1",
}
"""Row -> what the input says behind the name of the model."""


def rows_of_cost(quick: bool) -> list[Row]:
    """Median over the rounds of the time of a step with the guard over that without, less one, in %."""
    with tempfile.TemporaryDirectory() as folder:
        scripts = _scripts(Path(folder), steps=20 if quick else 50)
        runs = in_turns(lambda name: measure(THIS, scripts[name]).microseconds, list(scripts), 5 if quick else 9)
    without, *guarded = runs
    rows: list[Row] = [
        {"what": "guard cost | step without", "value": statistics.median(without), "unit": "µs/atom/step"}
    ]
    for name, times in zip(GUARDS, guarded, strict=True):
        added = [100.0 * (time / plain - 1.0) for time, plain in zip(times, without, strict=True)]
        rows.append({"what": name, "value": statistics.median(added), "unit": "%"})
    return rows


def _scripts(folder: Path, steps: int) -> dict[str, Path]:
    """Inputs without a guard and with each."""
    frames = ase.io.read(ROOT / "training" / "water" / "water64.extxyz.xz", ":2")
    ase.io.write(folder / "frames.extxyz", frames)
    write_structure(folder / "structure.data", frames[0])
    block = potential_of(folder / "model", THIS, MODELS["no charges"])
    scripts = {}
    for number, (name, words) in enumerate({"none": "", **GUARDS}.items()):
        scripts[name] = folder / f"in.{number}"
        guarded = block.replace("model.pt 0", f"model.pt 0 {words}")
        scripts[name].write_text(RUN.format(copies=3, steps=steps, potential=guarded))
    return scripts
