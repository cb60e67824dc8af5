"""Short-range, fixed and predicted charges for molecules whose charge moves far: a part of charges.py.

The systems and training files of training/clusters, with their charge and dipole labels; only `electrostatics` differs.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from mliap_hybrid.config import parse_training_file, read_training_file
from mliap_hybrid.report.evaluation import Evaluation
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train

Row = dict[str, object]

SYSTEMS = {"Ag3": "ag3.yaml", "C10H2/C10H3+": "carbon_chains.yaml", "Na8/9Cl8+": "nacl_clusters.yaml"}
"""System -> its training file."""

PUBLISHED = {
    "Ag3": (352.0, 320.0, 1.323),
    "C10H2/C10H3+": (1.619, 2.045, 1.194),
    "Na8/9Cl8+": (1.692, 2.042, 0.481),
}
"""Energy errors in meV/atom of potentials of the second, third and fourth generation, on other labels of the same
systems (Ko, Finkler, Goedecker and Behler, Nat. Commun. 12, 398 (2021))."""

FIXED = {"C10H2/C10H3+": {"C": -0.2, "H": 1.0}, "Na8/9Cl8+": {"Na": 0.0, "Cl": 0.125}}
"""e: the only charges of elements that sum to the total charges of both molecules. Ag3+ and Ag3- have none."""


def clusters(folder: Path, seed: int = 0, epochs: int | None = None) -> list[Row]:
    """Root mean squared errors of the test frames of all systems.

    Parameters
    ----------
    folder : Path
        training/clusters, with its data files.
    seed : int
    epochs : int, optional
        Train less long than the training files say.
    """
    rows: list[Row] = []
    for system, file in SYSTEMS.items():
        models: dict[str, dict[str, Any]] = {"short-range": {"charges": "none", "total_charge_input": False}}
        if system in FIXED:
            models["fixed charges"] = {"charges": FIXED[system], "total_charge_input": False}
        models["predicted charges"] = {}
        for name, electrostatics in models.items():
            evaluation = test_errors(folder / file, electrostatics, seed, epochs)
            for quantity, parity, unit in (
                ("energy", evaluation.energy, "meV/atom"),
                ("forces", evaluation.forces, "meV/Å"),
                ("charges", evaluation.parities.get("charges"), "me"),
            ):
                if parity is not None:
                    rows.append({"what": f"{system}, {name}, {quantity}", "value": 1e3 * parity.rmse, "unit": unit})
        for generation, error in zip((2, 3, 4), PUBLISHED[system], strict=True):
            rows.append({"what": f"{system}, published {generation}G, energy", "value": error, "unit": "meV/atom"})
    return rows


def test_errors(file: Path, electrostatics: dict[str, Any], seed: int, epochs: int | None) -> Evaluation:
    """Errors of the test frames after a training with other electrostatics."""
    content = read_training_file(file).model_dump(mode="json")
    content["electrostatics"] |= electrostatics
    content["seed"] = seed
    if epochs is not None:
        content["optimisation"]["epochs"] = epochs
    with tempfile.TemporaryDirectory() as run, Display(Console(file=io.StringIO())) as display:
        evaluations = train(parse_training_file(content | {"run": str(Path(run) / "run")}, str(file)), display)
    assert evaluations is not None
    return evaluations["test"]
