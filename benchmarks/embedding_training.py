"""Training of a physical force field on interaction energies, of constants for comparison, and of a pure network."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from ase import Atoms
from embedding_data import KCAL, KEYS, WELL
from torch import Tensor

from mliap_hybrid.config import parse_training_file
from mliap_hybrid.config.training_file import TrainingFile
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.fitting.initial_fit import InitialFit
from mliap_hybrid.fitting.losses import squared_errors, total_loss
from mliap_hybrid.fitting.model_factory import make_trainable_model
from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.fitting.training_frames import TrainingFrames, join_frames
from mliap_hybrid.quantities import QUANTITIES
from mliap_hybrid.runs.preparation import prepare

BETWEEN = {"coefficients": "predicted", "pairs": "between_molecules", "hidden": [8]}
WALL = 5.0 * KCAL

PHYSICAL: dict[str, Any] = {
    "features": {
        "set": "gmp-classic",
        "max_order": 1,
        "widths": [0.35, 0.7],
        "cutoff": 18.0,
        "environment": "molecule",
    },
    "network": {"whitening_damping": 1e-2},
    "repulsion": {"kind": "none"},
    "electrostatics": {
        "charges": "predicted",
        "starting_charges": "zero",
        "neutrality": "increments",
        "charge_hidden": [8],
        "smearing": 1.0,
    },
    "charge_penetration": BETWEEN,
    "exchange_repulsion": BETWEEN,
    "charge_transfer": BETWEEN,
    "dispersion": BETWEEN | {"damping": "atoms"},
    "loss": {"energy": 5.0, "components": 1.0, "wall": WALL},
}
"""Parameters that follow from the own molecule; few features and small heads, since there are few molecules."""

NETWORK: dict[str, Any] = {
    "features": {"set": "gmp-2c", "widths": [0.35, 0.7, 1.4], "cutoff": 6.0},
    "network": {"hidden": [32, 32], "whitening_damping": 1e-3},
    "repulsion": {"kind": "none"},
    "loss": {"energy": 5.0, "wall": WALL},
}
"""A network alone on features of both molecules, with more weights than all heads together."""

COMPONENTS = [name for name, quantity in QUANTITIES.items() if quantity.is_component]


def settings_of(kind: str) -> TrainingFile:
    """The settings of a model: physical, constants or network."""
    keys = {"energy": "e_int", "forces": None} if kind == "network" else KEYS
    energies = "total" if kind == "network" else "interaction"
    content = NETWORK if kind == "network" else PHYSICAL
    return parse_training_file(content | {"data": {"files": ["dimers"], "keys": keys, "energies": energies}}, kind)


def errors_of(kind: str, training: list[Atoms], test: list[Atoms], n_steps: int, seed: int = 0) -> dict[str, Tensor]:
    """Absolute errors of the test frames (n_test,), kcal/mol: total, and by component but of the network."""
    settings, fit, parts = prepared(kind, training, test)
    model = make_trainable_model(settings.model_copy(update={"seed": seed}), fit, parts[0])
    model.energies_alone = True  # of the network, too: there are no forces to train on
    train(model, parts[0], settings, n_steps, seed)
    return absolute_errors(model, parts[1])


def prepared(
    kind: str, training: list[Atoms], test: list[Atoms]
) -> tuple[TrainingFile, InitialFit, list[list[TrainingFrames]]]:
    """Settings of a model, its initial fit, and the frames of both sets."""
    settings = settings_of(kind)
    keys, units, cutoff = settings.data.keys, settings.data.units, settings.features.cutoff
    batches = [[frame_to_batch(atoms, cutoff, keys, units) for atoms in frames] for frames in (training, test)]
    inputs = prepare(settings, *batches, track=lambda frames, _: frames)
    parts = [list(inputs.training), list(inputs.validation)]
    if kind == "constants":  # heads that see nothing say one number for each element
        parts = [[replace(frame, features=torch.zeros_like(frame.features)) for frame in part] for part in parts]
    return settings, inputs.initial_fit, parts


def train(model: TrainableModel, frames: list[TrainingFrames], settings: TrainingFile, n_steps: int, seed: int) -> None:
    """AdamW with a cosine schedule; decay of weights, but not of what elements have by themselves."""
    free = [p for name, p in model.named_parameters() if name.endswith(("offset", "bias"))]
    decaying = [p for name, p in model.named_parameters() if not name.endswith(("offset", "bias"))]
    groups = [{"params": free, "weight_decay": 0.0}, {"params": decaying, "weight_decay": 0.1}]
    optimiser = torch.optim.AdamW(groups, lr=1e-2)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 0.5 + 0.5 * math.cos(math.pi * step / n_steps))
    random = torch.Generator().manual_seed(seed)
    for _ in range(n_steps):
        chosen = torch.randperm(len(frames), generator=random)[:32].tolist()
        batch = join_frames([frames[index] for index in chosen])
        loss = total_loss(squared_errors(model(batch), batch, settings.loss), settings.loss)
        optimiser.zero_grad()
        # Of energies of 32 atoms in eV per atom, which are small numbers.
        (loss * (32.0 / KCAL) ** 2 / 1000.0).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        schedule.step()


@torch.no_grad()
def absolute_errors(model: TrainableModel, frames: list[TrainingFrames]) -> dict[str, Tensor]:
    """Absolute errors (n_frames,), kcal/mol, by quantity."""
    batch = join_frames(frames)
    prediction = model(batch)
    names = [name for name in ("energy", *COMPONENTS) if name in batch.labels]
    return {name: (prediction.values_of(QUANTITIES[name]) - batch.labels[name].values).abs() / KCAL for name in names}


def is_in_well(frames: list[Atoms]) -> Tensor:
    """(n_frames,) bool."""
    return torch.tensor([atoms.info["e_int"] < WELL * KCAL for atoms in frames])
