"""Potentials side by side: the parts of peers.py that download nothing, on data made here."""

import dataclasses
import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def module(monkeypatch):
    """Imports a benchmark's module by its name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def distorted(element, structure, edge, seed, cubic=True):
    atoms = bulk(element, structure, a=edge, cubic=cubic).repeat((2, 1, 1))
    random = np.random.default_rng(seed)
    atoms.set_cell(atoms.cell @ (np.eye(3) + 0.03 * random.normal(size=(3, 3))), scale_atoms=True)
    atoms.positions += 0.1 * random.normal(size=(len(atoms), 3))
    return atoms


@pytest.fixture
def silicon(module):
    """A system whose labels are those of Stillinger and Weber's potential."""
    published, systems = module("peers_published").Published("Stillinger-Weber"), module("peers_systems")
    frames = [distorted("Si", "diamond", 5.43, seed) for seed in range(9)]
    system = systems.System("Si", frames[:6], frames[6:7], frames[7:], bulk("Si", cubic=True).repeat(3))
    for frame, label in zip(frames, published.potential(system, Path()).predictions(frames), strict=True):
        frame.calc = SinglePointCalculator(frame, energy=label.energy, forces=label.forces)
        frame.info["split"] = "validation" if frame in system.validation else "train"
    return system


def test_lammps_says_what_ase_says_in_any_orientation(module):
    """The primitive cell is turned and repeated for LAMMPS; the forces must come back."""
    frames = [distorted("Cu", "fcc", 3.6, seed, cubic=False) for seed in (0, 1)]
    turned = frames[0].copy()
    turned.rotate(70.0, (1.0, 2.0, 3.0), rotate_cell=True)
    peer, system = module("peers_published").Published("EAM"), module("peers_systems").System
    copper = system("Cu", [], [], frames, frames[0])
    first, second, of_turned = peer.potential(copper, Path()).predictions([*frames, turned])
    for found, expected in zip((first, second), peer.reference(copper, Path(), frames), strict=True):
        np.testing.assert_allclose(found.forces, expected.forces, atol=1e-8)
        assert found.energy == pytest.approx(expected.energy, abs=1e-8)
    assert of_turned.energy == pytest.approx(first.energy, abs=1e-9)
    assert np.abs(of_turned.forces - first.forces).max() > 0.1  # they turn with it
    np.testing.assert_allclose(
        np.linalg.norm(of_turned.forces, axis=1), np.linalg.norm(first.forces, axis=1), atol=1e-9
    )


def test_units_of_reaxff_are_those_of_the_others(module):
    """A molecule's forces are minus the slopes of its energy, both in eV and Å."""
    ethanol = importlib.import_module("ase.build").molecule("CH3CH2OH", vacuum=7.0)
    ethanol.pbc = True
    moved = [ethanol.copy() for _ in range(2)]
    for frame, step in zip(moved, (1e-4, -1e-4), strict=True):
        frame.positions[0, 1] += step
    system = module("peers_systems").System("ethanol", [], [], [ethanol], ethanol)
    here, up, down = (
        module("peers_published").Published("ReaxFF").potential(system, Path()).predictions([ethanol, *moved])
    )
    assert here.forces[0, 1] == pytest.approx(-(up.energy - down.energy) / 2e-4, rel=1e-3)


def test_rows_of_fitted_and_missing_peers(module, silicon, tmp_path, capsys):
    peers, pod, nep = (module(name) for name in ("peers", "peers_pod", "peers_nep"))
    everyone = [
        pod.POD(),
        module("peers_published").Published("EAM"),
        nep.NEP(module("peers_environments").Environments(None)),
    ]
    rows = peers.compared(silicon, everyone, tmp_path, rounds=1, steps=2, core=0)
    values = {row["what"]: row["value"] for row in rows}
    rms = 1e3 * np.sqrt(np.mean([frame.get_forces() ** 2 for frame in silicon.test]))
    assert values["Si | POD | force RMSE"] < 0.5 * rms
    assert values["Si | POD | cost"] > 0.0
    reasons = {row["what"]: row["reason"] for row in rows if "reason" in row}
    assert set(reasons) == {"Si | EAM | not run", "Si | NEP4 | not run"}
    assert "--environments" in reasons["Si | NEP4 | not run"]
    assert "Si | POD | cost" in capsys.readouterr().out
    module("peers_plot").plot(rows, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000
    before = (tmp_path / "pod" / "pod_coefficients.pod").stat().st_mtime_ns
    peers.compared(silicon, everyone[:1], tmp_path, rounds=1, steps=2, core=0)
    assert (tmp_path / "pod" / "pod_coefficients.pod").stat().st_mtime_ns == before  # not fitted again


def test_ours_is_a_peer(module, silicon, tmp_path):
    peers, ours = module("peers"), module("peers_ours").Ours
    everyone = [ours("gmp-2c3", precision, epochs=2) for precision in ("f64", "f32")]
    rows = {row["what"]: row["value"] for row in peers.compared(silicon, everyone, tmp_path, rounds=1, steps=2, core=0)}
    assert rows["Si | ours, gmp-2c3, f64 | forces beside its own reference"] < 1e-9  # eV/Å
    assert rows["Si | ours, gmp-2c3, f32 | forces beside its own reference"] < 1e-3
    assert rows["Si | ours, gmp-2c3, f64 | force MAE"] > 0.0


def test_errors_are_those_of_components(module, silicon):
    peers, lammps = module("peers"), module("peers_lammps")
    off = [lammps.Prediction(0.0, frame.get_forces() + np.array([0.0, 0.003, -0.004])) for frame in silicon.test]
    values = {row["what"]: row["value"] for row in peers.errors(off, silicon.test)}
    assert values["force MAE"] == pytest.approx(7.0 / 3.0)  # meV/Å
    assert values["force RMSE"] == pytest.approx(5.0 / np.sqrt(3.0))


def test_a_potential_that_lammps_refuses_is_a_reason(module, silicon):
    lammps = module("peers_lammps")
    with pytest.raises(lammps.NotRun, match="no_such_style"):
        lammps.LammpsPotential("pair_style no_such_style", ["Si"]).predictions(silicon.test)


def test_frames_are_written_for_deepmd_as_they_are_read(module, silicon, tmp_path):
    deepmd, systems = module("peers_deepmd"), module("peers_systems")
    (folder,) = deepmd.write_systems(tmp_path, silicon.training, ["Si"])
    read = systems._deepmd_frames(Path(folder))
    for frame, again in zip(silicon.training, read, strict=True):
        np.testing.assert_allclose(again.positions, frame.positions)
        np.testing.assert_allclose(again.cell, frame.cell)
        np.testing.assert_allclose(again.get_forces(), frame.get_forces())
        assert again.get_potential_energy() == pytest.approx(frame.get_potential_energy())


def test_missing_environment_says_what_to_do(module):
    environments = module("peers_environments").Environments(None)
    with pytest.raises(module("peers_lammps").NotRun, match="--environments"):
        environments.python("anything", ["six"])


@pytest.mark.slow
def test_environment_is_made_once_and_again_for_other_packages(module, tmp_path):
    environments = module("peers_environments").Environments(tmp_path)
    python = environments.python("empty")
    assert subprocess.run([python, "-c", ""], check=False).returncode == 0
    mark = tmp_path / "empty" / "mark"
    mark.touch()
    assert environments.python("empty") == python
    assert mark.exists()
    with pytest.raises(module("peers_lammps").NotRun, match="status"):
        environments.python("empty", ["--no-index", "no-such-package-at-all"])


def test_unknown_system_is_one_sentence(last_words, tmp_path):
    (tmp_path / "mlearn").mkdir()
    assert "expected some of Si" in last_words("peers.py", "--data", str(tmp_path), "--systems", "gold")


def test_training_frames_are_not_tested_on(module):
    if not (DATA / "mlearn").is_dir():
        pytest.skip("mlearn is not in ../shared/data")
    for reader in module("peers_systems").SYSTEMS.values():
        system = reader(DATA)
        seen = {frame.positions.tobytes() for frame in (*system.training, *system.validation)}
        assert not any(frame.positions.tobytes() in seen for frame in system.test)
        assert len(system.test) > 15
        assert dataclasses.astuple(system)[0] == system.name


@pytest.mark.slow
def test_quick(tmp_path):
    if not (DATA / "mlearn").is_dir():
        pytest.skip("mlearn is not in ../shared/data")
    output = tmp_path / "rows.json"
    command = [sys.executable, str(BENCHMARKS / "peers.py"), "--quick", "--json", str(output), "--data", str(DATA)]
    subprocess.run(command, check=True, capture_output=True)
    rows = {row["what"]: row["value"] for row in json.loads(output.read_text())}
    assert rows["Si | SNAP | force MAE"] == pytest.approx(133.0, abs=1.0)  # meV/Å, as published
    assert rows["Si | quadratic SNAP | force MAE"] == pytest.approx(116.0, abs=1.0)
    assert rows["Si | POD | force MAE"] < 95.0
    assert rows["Si | ours, gmp-2c3, f32 | cost"] < 0.2 * rows["Si | POD | cost"]
