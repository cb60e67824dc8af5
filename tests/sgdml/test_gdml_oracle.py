"""The numbers of the `sgdml` package, which are in fixtures/gdml_ethanol.npz, made by the script beside it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mliap_hybrid.sgdml.molecules import Molecules
from mliap_hybrid.sgdml.npz import read_gdml_model
from mliap_hybrid.sgdml.symmetries import find_symmetries
from mliap_hybrid.sgdml.trainer import GDMLOptions, train_gdml
from mliap_hybrid.units import KCAL_PER_MOL

ORACLE = dict(np.load(Path(__file__).parents[1] / "fixtures" / "gdml_ethanol.npz"))
N_TEST = 30
TOLERANCES = {"forces": (1e-6, 1e-5), "cell": (1e-6, 1e-5), "energies": (1e-4, 1e-3)}
"""kcal/mol and kcal/mol/Å. Weights of energies are of the order of 1e8 and cancel, in that package as here."""


def molecules(cell=None):
    return Molecules(
        numbers=torch.tensor(ORACLE["z"]),
        positions=torch.tensor(ORACLE["R"]),
        energies=torch.tensor(ORACLE["E"]) * KCAL_PER_MOL,
        forces=torch.tensor(ORACLE["F"]) * KCAL_PER_MOL,
        cell=cell,
    )


def differences(model, case):
    """Largest deviations of energies and forces from the package's, in kcal/mol and kcal/mol/Å."""
    prediction = model.predict(torch.tensor(ORACLE["R"][-N_TEST:]))
    energies = prediction.energies.numpy() / KCAL_PER_MOL - ORACLE[f"{case}_energies"]
    forces = prediction.forces.numpy() / KCAL_PER_MOL - ORACLE[f"{case}_forces"]
    return np.abs(energies).max(), np.abs(forces).max()


@pytest.mark.parametrize("case", ["forces", "energies", "cell"])
def test_trained_models(case):
    """Same frames, sigma and permutations; other equations (internal directions), the same predictions."""
    cell = torch.tensor(ORACLE["cell"]) if case == "cell" else None
    n_train = ORACLE[f"{case}_R_desc"].shape[1]
    permutations = torch.tensor(ORACLE[f"{case}_perms"])
    options = GDMLOptions(with_energies=case == "energies")
    trained = train_gdml(molecules(cell).subset(range(n_train)), float(ORACLE["sigma"]), permutations, options)
    assert trained.solution.jitter == 1e-10
    energy, force = differences(trained.model, case)
    assert energy < TOLERANCES[case][0]
    assert force < TOLERANCES[case][1]


def test_symmetries():
    found = find_symmetries(ORACLE["R"], ORACLE["z"])
    assert {tuple(row) for row in found} == {tuple(row) for row in ORACLE["perms_of_all"]}
    assert len(found) == 6


@pytest.mark.parametrize("case", ["forces", "energies", "cell"])
@pytest.mark.parametrize("units", [("Ang", "kcal/mol"), ("bohr", "Ha")])
def test_model_files(tmp_path, case, units):
    length, energy = (1.0, 1.0) if units[0] == "Ang" else (0.529177210903, 627.5094740631)
    arrays = {
        "type": "m",
        "z": ORACLE["z"],
        "sig": ORACLE[f"{case}_sig"] * length,
        "R_desc": ORACLE[f"{case}_R_desc"] * length,
        "R_d_desc_alpha": ORACLE[f"{case}_R_d_desc_alpha"],
        "std": ORACLE[f"{case}_std"] / energy * length,
        "c": ORACLE[f"{case}_c"] / energy,
        "perms": ORACLE[f"{case}_perms"],
        "r_unit": units[0],
        "e_unit": units[1],
        "f_err": {"mae": 0.0, "rmse": 0.0},  # pickled, as the package does it; not read
    }
    if case == "energies":
        arrays["alphas_E"] = ORACLE["energies_alphas_E"] / length
    if case == "cell":
        arrays["lattice"] = ORACLE["cell"].T / length
    np.savez(tmp_path / "model.npz", **arrays)
    energy, force = differences(read_gdml_model(tmp_path / "model.npz"), case)
    assert energy < TOLERANCES[case][0]
    assert force < TOLERANCES[case][1]
