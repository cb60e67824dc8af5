"""Kernel models as a user of the verbs meets them: train, evaluate, export, info, lammps-input, and ASE."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
import yaml
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from verbs import run

from mliap_hybrid.ase import HybridCalculator
from mliap_hybrid.errors import InputError
from mliap_hybrid.model.molecules.gdml import GDMLModel
from mliap_hybrid.model.terms.molecules import MoleculeTerm
from mliap_hybrid.sgdml.npz import write_gdml_data, write_gdml_model
from mliap_hybrid.testing.gdml_molecules import ammonia, as_frames, molecule_model


def test_from_a_training_file_to_a_potential(monkeypatch, capsys, tmp_path):
    frames = [frame.atoms for frame in as_frames(ammonia(60))]
    ase.io.write(tmp_path / "ammonia.extxyz", frames)
    content = {
        "run": str(tmp_path / "run"),
        "data": {"files": ["ammonia.extxyz"]},
        "gdml": {"n_train": 30, "sigmas": [10]},
    }
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(content))
    status, output, errors = run(monkeypatch, capsys, "train", tmp_path / "train.yaml")
    assert status == 0, errors
    assert "6 permutations of atoms are symmetries" in output
    status, output, _ = run(monkeypatch, capsys, "evaluate", tmp_path / "run", tmp_path / "ammonia.extxyz")
    assert status == 0
    assert "| data  | 60     |" in output
    status, output, errors = run(monkeypatch, capsys, "export", tmp_path / "run", "-o", tmp_path / "model.pt")
    assert status == 0, errors
    assert "sGDML of N H H H" in output
    for model in ("run", "model.pt"):
        status, output, _ = run(monkeypatch, capsys, "info", tmp_path / model)
        lines = {line.partition(":")[0]: line.partition(":")[2].strip() for line in output.splitlines()}
        assert lines["molecule"] == "N H H H, in this order; 6 permutations"
        assert lines["kernel"] == "Matérn, sigma 10 1/Å, 30 training geometries"
        assert "network" not in lines
    status, output, _ = run(monkeypatch, capsys, "lammps-input", tmp_path / "model.pt")
    assert f"pair_style      mliap unified {tmp_path}/model.pt 0\npair_coeff      * * H N\n" in output

    atoms = frames[0].copy()
    atoms.calc = HybridCalculator(tmp_path / "model.pt")
    assert atoms.get_potential_energy() == pytest.approx(frames[0].get_potential_energy(), abs=0.02)
    with pytest.raises(InputError, match=r"molecule of atom 1 has 3 atoms"):
        HybridCalculator(tmp_path / "model.pt").get_potential_energy(atoms[:3])

    status, _, errors = run(monkeypatch, capsys, "plot", "learning-curve", tmp_path / "run", "-o", tmp_path / "c.png")
    assert status == 1
    assert errors.count("\n") == 1


def test_files_of_the_package(monkeypatch, capsys, tmp_path):
    kernel = molecule_model().term(MoleculeTerm).model
    write_gdml_model(tmp_path / "theirs.npz", kernel)
    write_gdml_data(tmp_path / "data.npz", ammonia(20, seed=3), "ammonia")
    status, output, errors = run(monkeypatch, capsys, "export", tmp_path / "theirs.npz", "-o", tmp_path / "model.pt")
    assert status == 0, errors
    tables = []
    for model in ("theirs.npz", "model.pt"):
        status, output, errors = run(monkeypatch, capsys, "evaluate", tmp_path / model, tmp_path / "data.npz")
        assert status == 0, errors
        tables.append(output.split("errors")[-1])
    assert tables[0].splitlines()[1:] == tables[1].splitlines()[1:]
    status, _, errors = run(monkeypatch, capsys, "check", tmp_path / "model.pt")
    assert status == 1
    assert "holds no example structure" in errors
    status, _, errors = run(monkeypatch, capsys, "evaluate", tmp_path / "data.npz", tmp_path / "data.npz")
    assert status == 1
    assert "is not a model of the sgdml package" in errors


def test_a_mistake_in_the_section_is_one_sentence(monkeypatch, capsys, tmp_path):
    content = {"data": {"files": ["ammonia.extxyz"]}, "gdml": {"sigma": 10}}
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(content))
    status, _, errors = run(monkeypatch, capsys, "train", tmp_path / "train.yaml")
    assert status == 1
    assert "unknown key 'gdml.sigma': did you mean 'sigmas'" in errors
    assert errors.count("\n") == 1


def test_evaluate_tells_of_another_order_and_compares_all_the_same(monkeypatch, capsys, tmp_path):
    """Ethanol with the hydrogens of its CH2 exchanged in the data: the model's own labels have no error."""
    arrays = np.load(Path(__file__).parents[1] / "fixtures" / "gdml_ethanol.npz")
    positions, numbers = arrays["R"][-10:], arrays["z"]
    descriptors = torch.tensor(arrays["forces_R_desc"].T.copy())
    weights = torch.tensor(arrays["forces_R_d_desc_alpha"] * arrays["forces_std"]) * 0.04
    permutations = torch.tensor(arrays["forces_perms"])
    kernel = GDMLModel(torch.tensor(numbers), float(arrays["forces_sig"]), descriptors, weights, permutations)
    write_gdml_model(tmp_path / "ethanol.npz", kernel)
    labels = kernel.predict(torch.tensor(positions))
    for name, order in {"trained": [0, 1, 2, 3, 4, 5, 6, 7, 8], "other": [0, 1, 2, 4, 3, 5, 6, 7, 8]}.items():
        frames = [Atoms(numbers, geometry[order]) for geometry in positions]
        for atoms, energy, forces in zip(frames, labels.energies, labels.forces.numpy(), strict=True):
            atoms.calc = SinglePointCalculator(atoms, energy=float(energy), forces=forces[order])
        ase.io.write(tmp_path / f"{name}.extxyz", frames)
        status, output, errors = run(
            monkeypatch, capsys, "evaluate", tmp_path / "ethanol.npz", tmp_path / f"{name}.extxyz"
        )
        assert status == 0, errors
        assert ("come in another order" in output) == (name == "other")
        row = next(line for line in output.splitlines() if line.startswith("| data"))
        assert float(row.split("|")[3]) < 1e-3
