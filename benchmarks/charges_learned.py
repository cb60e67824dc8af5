"""Charges that a training finds in energies and forces alone: parts of charges.py.

No training here sees a charge or a dipole moment. Energies do not change with the sign of all charges, and where all
charges are zero nothing pulls at them: the charges start from a part of the oxidation states, and what is found is
compared up to one sign for all atoms. Settings were chosen on validation frames, those of the dimers on the first
class, whose far frames were in sight.
"""

from __future__ import annotations

import copy
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from rich.console import Console

from mliap_hybrid.config import parse_training_file
from mliap_hybrid.data.reading import frame_to_batch, read_frames
from mliap_hybrid.fitting.checkpoint import load_model
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.report.evaluation import Evaluation
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train

Row = dict[str, object]
Settings = dict[str, Any]

SHARED: Settings = {
    "repulsion": {"kind": "none"},
    "electrostatics": {
        "charges": "predicted",
        "starting_charges": {"H": 0.2, "C": 0.0, "N": -0.6, "O": -0.4, "Na": 0.2, "Cl": -0.2},
        "charge_hidden": [32],
    },
    "loss": {"force_transition": None},
    "optimisation": {"learning_rate": 4e-3, "weight_decay": 1e-5, "average_decay": 0.99},
}
"""What all training files here have in common. The short-range network is small: what it can explain by features of
near atoms, the charges do not learn."""

RANDOM: Settings = {
    "features": {"set": "gmp-2c", "max_order": 0, "widths": [0.7, 0.85, 1.0, 1.2, 1.5, 2.0], "cutoff": 5.5},
    "network": {"hidden": [32], "whitening_damping": 1e-5},
    "electrostatics": {"charge_hidden": [16]},
    "loss": {"energy": 1e-3},
    "optimisation": {"epochs": 60, "batch_size": 1},
}

DIMERS: Settings = {
    "features": {"set": "gmp-2c", "widths": [0.5, 1.0, 2.0], "cutoff": 5.5},
    "network": {"hidden": [32], "whitening_damping": 0.3},
    "electrostatics": {"charge_hidden": [16]},
    "loss": {"energy": 0.03},
    "optimisation": {"epochs": 2500, "batch_size": 5, "learning_rate": 6e-3, "weight_decay": 1e-3},
}

DIPEPTIDES: Settings = {
    "features": {"set": "gmp-2c", "widths": [0.25, 0.4, 0.6], "cutoff": 4.5},
    "network": {"hidden": [64, 32], "whitening_damping": 1e-2},
    "electrostatics": {
        "charge_hidden": [8],
        "smearing": 0.8,
        "starting_charges": {"H": 0.4, "C": 0.0, "N": -1.2, "O": -0.8},
    },
    "loss": {"energy": 0.03},
    "optimisation": {"epochs": 120, "batch_size": 8, "learning_rate": 8e-3, "weight_decay": 0.1},
}
"""Narrow probes, a small charge network and much weight decay: the short-range part sees little of what charges do, and
charges that differ little in forces shall differ little."""

DIMER_CLASSES = {0: "CC", 2: "CA", 3: "PA", 4: "CP", 5: "PP", 6: "AA"}
"""Number in the file names -> kinds of the monomers: charged (C), polar (P), apolar (A)."""


def random_charges(data_file: Path, n_training: int = 60, seed: int = 0) -> list[Row]:
    """Charges of a gas of +1 and -1 e: rms difference from these, in per cent.

    Parameters
    ----------
    data_file : Path
        From training/random_charges/prepare.py.
    n_training : int
        Number of frames to train on.
    """
    parts: dict[str, list[Atoms]] = {"train": [], "validation": [], "test": []}
    for atoms in read(data_file):
        parts[atoms.info["split"]].append(atoms)
    frames = [labelled(atoms, "train") for atoms in spread(parts["train"], n_training)]
    frames += [labelled(atoms, "validation") for atoms in spread(parts["validation"], 10)]
    evaluator, _ = trained(RANDOM, frames, seed)
    tests = spread(parts["test"], 10)
    found = np.concatenate([predicted_charges(evaluator, atoms) for atoms in tests])
    true = np.concatenate([atoms.arrays["true_charges"] for atoms in tests])
    found *= np.sign(found @ true)
    error = np.sqrt(np.mean((found - true) ** 2))
    return [row("random charges, recovered error", 100.0 * float(error), "%")]


def charged_dimers(data: Path, classes: Sequence[int] = (0,), seed: int = 0, quick: bool = False) -> list[Row]:
    """Forces between two molecules at the largest distance, beyond all training frames, with and without charges.

    Parameters
    ----------
    data : Path
        Folder of the train-id*.xyz and test-id*.xyz files.
    classes : sequence of int
        Which of `DIMER_CLASSES`.
    """
    rows = []
    for number in classes:
        training = read(data / f"train-id{number}.xyz")
        far = max(read(data / f"test-id{number}.xyz"), key=lambda atoms: atoms.info["distance"])
        total = training[0].info["chargeA"] + training[0].info["chargeB"]
        middle = len(training) // 2
        of_parts = ["validation" if k == middle else "train" for k in range(len(training))]
        frames = [labelled(atoms, part, total) for atoms, part in zip(training, of_parts, strict=True)]
        for control, of_model in ((False, ""), (True, ", short-range control")):
            if control and quick:
                continue
            settings = with_epochs(DIMERS, 1000 if quick else None)
            if control:
                settings = merged(settings, {"electrostatics": {"charges": "none"}})
            evaluator, _ = trained(settings, frames, seed)
            errors = predict(evaluator, far, total).forces.numpy() - far.get_forces()  # (n_atoms, 3)
            pull = errors[far.info["indexB"] :].sum(0)  # (3,) error of the net force on the second molecule
            kind = "charged dimer" if number == 0 else f"dimer {DIMER_CLASSES[number]}"
            rows += [
                row(f"{kind}, far force error{of_model}", 1e3 * float(np.sqrt(np.mean(errors**2))), "meV/Å"),
                row(f"{kind}, far force error between molecules{of_model}", 1e3 * float(np.linalg.norm(pull)), "meV/Å"),
            ]
        net = far.get_forces()[far.info["indexB"] :].sum(0)  # (3,)
        rows.append(row(f"{kind}, far force between molecules", 1e3 * float(np.linalg.norm(net)), "meV/Å"))
    return rows


def dipeptides(data: Path, seeds: Sequence[int] = (0, 1, 2), quick: bool = False) -> list[Row]:
    """Charges beside MBIS charges, and dipole moments beside those of the density functional, of unseen molecules.

    R2 is the squared correlation, as it is published for such charges (King, Kim, Zhong and Cheng, Nat. Commun. 16,
    8763 (2025)); "unscaled" is 1 - (sum of squared errors) / (sum of squared deviations from the mean). The first rows
    are means over the seeds, of which each has rows of its own below.

    Parameters
    ----------
    data : Path
        Folder of the spice-dipep-dipolar_*.xyz files.
    """
    parts = {name: read(data / f"spice-dipep-dipolar_{name}.xyz") for name in ("train", "val", "test")}
    training = spread(parts["train"], 200 if quick else len(parts["train"]))
    frames = [labelled(atoms, "train") for atoms in training]
    frames += [labelled(atoms, "validation") for atoms in parts["val"]]
    reference = np.concatenate([atoms.arrays["mbi_charges"] for atoms in parts["test"]])
    reference_moments = np.array([np.ravel(atoms.calc.results["dipole"]) for atoms in parts["test"]])  # (n_frames, 3)

    found: dict[str, list[float]] = {}
    for seed in seeds[:1] if quick else seeds:
        evaluator, _ = trained(with_epochs(DIPEPTIDES, 15 if quick else None), frames, seed)
        of_frames = [predicted_charges(evaluator, atoms) for atoms in parts["test"]]
        moments = np.array([charges @ atoms.positions for charges, atoms in zip(of_frames, parts["test"], strict=True)])
        charges, sign = np.concatenate(of_frames), np.sign(np.sum(moments * reference_moments))
        for what, value in (
            ("dipeptide charge R2", correlation(charges, reference)),
            ("dipeptide dipole R2", correlation(moments, reference_moments)),
            ("dipeptide charge R2, unscaled", determination(sign * charges, reference)),
            ("dipeptide dipole R2, unscaled", determination(sign * moments, reference_moments)),
        ):
            found.setdefault(what, []).append(value)
    rows = [row(what, float(np.mean(values)), "") for what, values in found.items()]
    return rows + [row(f"{what}, seed {n}", value, "") for what in found for n, value in enumerate(found[what])]


def trained(settings: Settings, frames: Sequence[Atoms], seed: int) -> tuple[Evaluator, dict[str, Evaluation]]:
    """The model of the best epoch, and its errors."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ase.io.write(folder / "frames.extxyz", frames)
        elements = {symbol for atoms in frames for symbol in atoms.symbols}
        content = merged(SHARED, settings)
        start = content["electrostatics"]["starting_charges"]
        content["electrostatics"]["starting_charges"] = {symbol: start[symbol] for symbol in sorted(elements)}
        content["data"] = {
            "files": [str(folder / "frames.extxyz")],
            "split_key": "split",
            "keys": {"energy": "REF_energy", "forces": "REF_forces", "total_charge": "REF_charge"},
        }
        content |= {"run": str(folder / "run"), "seed": seed}
        with Display(Console(file=io.StringIO())) as display:
            evaluations = train(parse_training_file(content, "the benchmark"), display)
        assert evaluations is not None
        return Evaluator(load_model(folder / "run")), evaluations


def predict(evaluator: Evaluator, atoms: Atoms, total_charge: float = 0.0) -> Prediction:
    """What the model says of a structure."""
    batch = frame_to_batch(atoms, evaluator.model.cutoff)
    batch.total_charges.fill_(total_charge)
    return evaluator.predict(batch)


def predicted_charges(evaluator: Evaluator, atoms: Atoms) -> np.ndarray:
    """Charges (n_atoms,) of a neutral structure, e."""
    charges = predict(evaluator, atoms).charges
    assert charges is not None
    return charges.numpy()


def read(file: Path) -> list[Atoms]:
    """All frames of a file."""
    return [frame.atoms for frame in read_frames([file])]


def labelled(atoms: Atoms, split: str, total_charge: float = 0.0) -> Atoms:
    """The bare structure with energy and forces, and nothing else that might be learned from."""
    bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    bare.info = {"REF_energy": atoms.get_potential_energy(), "REF_charge": float(total_charge), "split": split}
    bare.arrays["REF_forces"] = atoms.arrays["force"] if "force" in atoms.arrays else atoms.get_forces()
    return bare


def spread(frames: Sequence[Atoms], n: int) -> list[Atoms]:
    """`n` of the frames, evenly spread."""
    return [frames[k] for k in np.linspace(0, len(frames) - 1, n).round().astype(int)]


def merged(settings: Settings, other: Settings) -> Settings:
    """The settings, with those of `other` in their place."""
    result = copy.deepcopy(settings)
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def with_epochs(settings: Settings, epochs: int | None) -> Settings:
    """The settings with another number of epochs, if one is given."""
    return settings if epochs is None else merged(settings, {"optimisation": {"epochs": epochs}})


def correlation(values: np.ndarray, reference: np.ndarray) -> float:
    """Square of the correlation coefficient, which neither scale nor sign changes."""
    return float(np.corrcoef(values.ravel(), reference.ravel())[0, 1] ** 2)


def determination(values: np.ndarray, reference: np.ndarray) -> float:
    """1 - residual / total sum of squares."""
    return 1.0 - float(np.sum((reference - values) ** 2) / np.sum((reference - reference.mean()) ** 2))


def row(what: str, value: float, unit: str) -> Row:
    """One line of the result."""
    return {"what": what, "value": value, "unit": unit}
