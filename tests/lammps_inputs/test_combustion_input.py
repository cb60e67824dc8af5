"""The flame: the shipped input runs with a guard and species, and its frames are chosen as the recipe says."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.formula import Formula
from ase.io import read

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.fitting.distance_fit import fit_training_distance
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.model.terms.repulsion import ZBLRepulsion
from mliap_hybrid.model.terms.standard import standard_model
from mliap_hybrid.testing.models import network_of

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent
CUTOFF = 4.0


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """An untrained model of H and O, which knows how far atoms are from shaken molecules."""
    features = GaussianMultipoles((0, 1, 2), (0.5, 1.0), CUTOFF, (1, 8))
    network = network_of(features.n_features, torch.Generator().manual_seed(1))
    model = standard_model(features, {1: -1.0, 8: -2.0}, network, explicit=(ZBLRepulsion(CUTOFF),)).double()
    random = np.random.default_rng(2)
    frames = []
    for _ in range(30):
        atoms = Atoms("H2O2", positions=[[0, 0, 0], [0.75, 0, 0], [0, 3, 0], [1.2, 3, 0]], cell=[8] * 3, pbc=True)
        atoms.positions += random.normal(0, 0.1, (4, 3))
        frames.append(frame_to_batch(atoms, CUTOFF))
    model.distance = fit_training_distance(model, frames[:25], frames[25:])
    path = tmp_path_factory.mktemp("flame") / "model.pt"
    export_model(model, path)
    return path


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_the_flame_runs(model_file, tmp_path, ranks):
    variables = {
        "model": model_file,
        "out": tmp_path / "out",
        "n": 2,
        "steps": 60,
        "every": 20,
        "hot": 300,
        "guard": "warn",
    }
    settings = [word for name, value in variables.items() for word in ("-var", name, str(value))]
    launcher = [SCRIPTS / "mpiexec", "-n", str(ranks)] if ranks > 1 else []
    command = [*launcher, SCRIPTS / "lmp", "-in", ROOT / "lammps_inputs" / "in.h2_combustion", *settings]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    with (tmp_path / "out" / "species" / "counts.csv").open() as stream:
        counts = list(csv.DictReader(stream))
    for row in counts:  # whatever an untrained model makes of them
        atoms = sum((int(n) * Formula(name) for name, n in row.items() if name[0] in "HO"), Formula(""))
        assert atoms.count() == {"H": 32, "O": 16}
    assert [int(row["step"]) for row in counts] == [0, 20, 40, 60]
    trajectory = read(tmp_path / "out" / "h2_combustion.dump", ":", format="lammps-dump-text")
    assert trajectory[0].get_chemical_formula() == "H32O16"
    assert "reactions: " in done.stdout


def npz(file, n, energy):
    """Frames as the published set has them: rows of six atoms, padded with zeros."""
    random = np.random.default_rng(0)
    positions, forces = random.normal(size=(2, n, 6, 3)).astype(np.float32)
    numbers = np.tile([8, 1, 1, 0, 0, 0], (n, 1))
    content = {"R": positions, "F": forces, "Z": numbers, "N": np.full((n, 1), 3), "E": np.full((n, 1), energy)}
    np.savez(file, **content, RXN=np.full((n, 1), "x"))


def test_frames_are_chosen_in_time(tmp_path):
    npz(tmp_path / "02_aimd.npz", 50, -100.0)
    npz(tmp_path / "02_irc.npz", 10, -50.0)
    npz(tmp_path / "11_nm.npz", 20, -10.0)
    npz(tmp_path / "12a_irc_all.npz", 20, 0.0)
    script, out = ROOT / "training" / "h2_combustion" / "prepare.py", tmp_path / "out.extxyz"
    subprocess.run([sys.executable, script, tmp_path, "-o", out], check=True, capture_output=True)
    frames = read(out, ":")
    kinds = [(atoms.info["reaction"], atoms.info["config_type"]) for atoms in frames]
    counts = {("r02", "aimd"): 50, ("r02", "irc"): 10, ("r11", "nm"): 20}
    assert {kind: kinds.count(kind) for kind in set(kinds)} == counts
    series = [atoms.info["split"] for atoms in frames if atoms.info["config_type"] == "aimd"]
    assert series[-10:] == ["test"] * 10
    assert set(series[:-10]) == {"train", "validation"}
    data = np.load(tmp_path / "02_aimd.npz")
    np.testing.assert_allclose(frames[7].positions, data["R"][7, :3], atol=1e-6)
    np.testing.assert_allclose(frames[7].get_forces(), data["F"][7, :3] * 0.0433641, rtol=1e-5, atol=1e-7)
    assert frames[7].get_potential_energy() == pytest.approx(-4.33641, rel=1e-6)
    subprocess.run([sys.executable, script, tmp_path, "-o", out, "--leave-out", "02"], check=True, capture_output=True)
    parts = {(atoms.info["reaction"], atoms.info["split"]) for atoms in read(out, ":")}
    assert parts == {("r02", "test"), ("r11", "train"), ("r11", "validation")}
