"""Charges that no label tells are found in energies and forces, because the long range cannot be had without them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from mliap_hybrid.config import parse_training_file
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.fitting.checkpoint import load_model
from mliap_hybrid.model.structures import forces_and_virials
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.structures import random_structure

pytestmark = pytest.mark.usefixtures("undrawn_figures")

CUTOFF, SMEARING = 4.0, 0.7


def ions_with_moving_charges(seed: int, neutrality: str) -> Atoms:
    """A gas of ions in a cell twice the cutoff; charges depend on the coordination numbers n_i, repulsion is soft."""
    cell = np.diag(np.random.default_rng(seed).uniform(8.0, 10.0, 3))
    atoms = random_structure(16, ["Na", "Cl"], cell, seed=seed, closest=2.0)
    batch = frame_to_batch(atoms, CUTOFF)
    vectors = batch.pair_vectors().requires_grad_()
    distances = vectors.norm(dim=1)
    weights = (1.0 - (distances / CUTOFF) ** 2) ** 3
    none = torch.zeros(batch.n_atoms, dtype=torch.float64)
    coordination = none.index_add(0, batch.pair_i, weights)
    sign = torch.where(batch.numbers == 11, 1.0, -1.0).double()
    if neutrality == "shift":
        unconstrained = sign * (0.8 - 0.05 * coordination)
        charges = unconstrained - unconstrained.mean()
    else:
        u = sign * (0.05 * coordination - 0.1)
        charges = sign + none.index_add(0, batch.pair_i, weights * (u[batch.pair_j] - u[batch.pair_i]))
    long_range = gaussian_charge_energy(batch, charges.detach(), SMEARING)
    pairs = 0.8 * torch.exp((2.0 - distances) / 0.6) * weights
    one = torch.ones((), dtype=torch.float64)
    (gradients,) = torch.autograd.grad([pairs.sum(), charges], vectors, [one, long_range.potentials])
    energy = float(pairs.sum() + long_range.energies[0])
    forces = forces_and_virials(batch, vectors.detach(), gradients)[0] + long_range.forces
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces.numpy())
    atoms.set_array("reference_charges", charges.detach().numpy())
    return atoms


@pytest.mark.parametrize(
    ("neutrality", "epochs"), [("shift", 100), pytest.param("increments", 60, marks=pytest.mark.slow)]
)
def test_charges_are_recovered_from_energies_and_forces_alone(tmp_path, neutrality, epochs):
    write(tmp_path / "ions.extxyz", [ions_with_moving_charges(seed, neutrality) for seed in range(30)])
    settings = parse_training_file(
        {
            "run": str(tmp_path / "run"),
            "data": {
                "files": [str(tmp_path / "ions.extxyz")],
                "validation": 0.15,
                "test": 0.15,
                "keys": {"charges": "reference_charges"},
            },
            "features": {"set": "gmp-classic", "max_order": 1, "widths": [0.7, 1.2], "cutoff": CUTOFF},
            "network": {"hidden": [16]},
            "repulsion": {"kind": "none"},
            "electrostatics": {
                "charges": "predicted",
                "neutrality": neutrality,
                "smearing": SMEARING,
                "charge_hidden": [8],
            },
            "loss": {"charges": 0.0, "energy": 1.0, "force_transition": None},
            "optimisation": {"optimiser": "lbfgs", "epochs": epochs, "weight_decay": 1e-5},
        },
        "ions",
    )
    evaluations = train(settings, Display())
    charges = evaluations["test"].parities["charges"]
    start = np.abs(np.abs(charges.labels) - 1.0).max()  # where the fit began
    assert charges.rmse < 0.03 * charges.label_rms
    assert charges.rmse < 0.5 * start
    typical = load_model(settings.run).parameter("charge").typical
    of_sodium = np.abs(charges.labels).mean()
    assert typical.tolist() == pytest.approx([of_sodium, -of_sodium], abs=0.03 * of_sodium)
