"""Trainings on energies of molecules with each other, and on their components."""

from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from mliap_hybrid.config import parse_training_file
from mliap_hybrid.config.fitting import LossSettings
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import load_model
from mliap_hybrid.fitting.global_search import GlobalSearch
from mliap_hybrid.fitting.losses import squared_errors
from mliap_hybrid.fitting.model_factory import make_trainable_model
from mliap_hybrid.fitting.training_frames import join_frames
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model_files.description import build, describe
from mliap_hybrid.physics.combining import geometric_mean
from mliap_hybrid.physics.slater_overlap import slater_overlap
from mliap_hybrid.report.metrics import read_metrics
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.finite_differences import relative_difference
from mliap_hybrid.testing.training_frames import in_double

pytestmark = pytest.mark.usefixtures("undrawn_figures")

STRENGTHS, EXPONENTS, DEPTH = {1: 40.0, 8: 300.0}, {1: 3.6, 8: 3.7}, 20.0
"""Of the exchange that labels are made of, eV and 1/Å, and of a dispersion of oxygens, eV Å^6."""

KEYS = {"energy": "e_int", "forces": None, "exchange_energy": "e_ex", "dispersion_energy": "e_disp"}


def dimers(n_frames: int) -> list[Atoms]:
    """Dimers of water with components of a known law."""
    random, frames = np.random.default_rng(3), []
    for _ in range(n_frames):
        parts = [molecule("H2O"), molecule("H2O")]
        for part, shift in zip(parts, (0.0, random.uniform(2.6, 5.0)), strict=True):
            part.euler_rotate(*random.uniform(0.0, 360.0, 3))
            part.translate([0.0, 0.0, shift])
        atoms = parts[0] + parts[1]
        atoms.set_array("molecule", np.array([1, 1, 1, 2, 2, 2]))
        exchange = 0.0
        for a in range(3):
            for b in range(3, 6):
                strength, exponent = (
                    geometric_mean(*(torch.tensor(table[z]) for z in atoms.numbers[[a, b]].tolist()))
                    for table in (STRENGTHS, EXPONENTS)
                )
                exchange += float(strength * slater_overlap(exponent * atoms.get_distance(a, b)))
        dispersion = -DEPTH / atoms.get_distance(0, 3) ** 6
        atoms.info |= {"e_ex": exchange, "e_disp": dispersion, "e_int": exchange + dispersion}
        frames.append(atoms)
    return frames


def settings(folder: Path, **changes):
    if not (folder / "data.extxyz").exists():
        ase.io.write(folder / "data.extxyz", dimers(30))
    between = {"coefficients": "fitted", "pairs": "between_molecules"}
    content = {
        "run": str(folder / "run"),
        "data": {"files": [str(folder / "data.extxyz")], "keys": KEYS, "energies": "interaction", "validation": 0.2},
        "features": {"set": "gmp-classic", "cutoff": 9.0, "widths": [0.5, 1.0], "environment": "molecule"},
        "repulsion": {"kind": "none"},
        "exchange_repulsion": between,
        "dispersion": between,
        "loss": {"energy": 1.0, "components": 1.0, "wall": 0.2},
        "optimisation": {"epochs": 8, "batch_size": 6, "charge_learning_rate": 0.1},
    }
    for name, value in changes.items():
        content[name] = content.get(name, {}) | value if isinstance(value, dict) else value
    return parse_training_file(content, "interaction")


def prepared(file):
    batches = [frame_to_batch(a, file.features.cutoff, file.data.keys, file.data.units) for a in dimers(8)]
    return prepare(file, batches, batches[:1], track=lambda frames, _: frames)


@pytest.mark.parametrize("coefficients", ["fitted", "predicted"])
def test_terms_learn_what_they_are_of_the_interaction(tmp_path, coefficients):
    """In a whole run: no element energies, no energy of the network, no interaction of a molecule with itself."""
    file = settings(tmp_path, exchange_repulsion={"coefficients": coefficients, "hidden": [4]})
    with Display() as display:
        evaluations = train(file, display)
    model = load_model(file.run)
    kinds = [term.kind for term in model.all_terms]
    assert kinds == ["baseline", "exchange_repulsion", "dispersion"]
    assert set(model.table("baseline").values()) == {0.0}
    assert evaluations["test"].energy.mae < 0.3 * np.abs([atoms.info["e_int"] for atoms in dimers(30)]).mean() / 6
    atoms = dimers(1)[0]
    found = Evaluator(model).predict(frame_to_batch(atoms, 9.0), ["exchange_energy", "dispersion_energy"])
    assert sum(found.others.values()) == pytest.approx(found.energies, rel=1e-10)
    assert found.others["exchange_energy"] > 0.0 > found.others["dispersion_energy"]
    assert float(Evaluator(model).predict(frame_to_batch(atoms[:3], 9.0)).energies[0]) == 0.0
    description, tensors = describe(model)
    again = build(type(description).model_validate_json(description.model_dump_json()), tensors)
    assert again.environment == "molecule"
    assert torch.equal(Evaluator(again).predict(frame_to_batch(atoms, 9.0)).energies, found.energies)


def test_training_starts_from_the_best_of_several_starts(tmp_path, monkeypatch):
    """Of a global search, which a run that goes on does not do again."""
    once = settings(tmp_path, optimisation={"epochs": 1, "charge_learning_rate": 1e-3})
    several = {"epochs": 2, "charge_learning_rate": 1e-3, "starts": 3, "start_steps": 20}
    file = settings(tmp_path, run=str(tmp_path / "several"), optimisation=several)
    with Display() as display:
        train(once, display)
        train(file, display, last_epoch=1)
        found = sorted((tmp_path / "several" / "starts").iterdir())
        assert [path.name for path in found] == ["0.json", "1.json", "2.json"]
        monkeypatch.setattr(GlobalSearch, "descend", None)
        train(file, display, resume=True)
    first, second = (read_metrics(run / "metrics.csv")[0]["validation_loss"] for run in (once.run, file.run))
    assert second < 0.2 * first
    text = (tmp_path / "several" / "report" / "starts.md").read_text()
    assert "Global search: of 3 starts" in text
    assert "| exchange_strength (eV)" in text


def test_several_starts_need_parameters_to_start(tmp_path):
    constant = {"coefficients": "constant"}
    with pytest.raises(InputError, match=r"optimisation\.starts looks for parameters of terms, but none is fitted"):
        settings(tmp_path, exchange_repulsion=constant, dispersion=constant, optimisation={"starts": 4})


def test_energies_alone_are_those_beside_forces(tmp_path):
    """With predicted parameters and charges; so are derivatives by the weights."""
    predicted = {"coefficients": "predicted", "pairs": "between_molecules", "hidden": [4]}
    charges = {"charges": "predicted", "starting_charges": "zero", "neutrality": "increments", "charge_hidden": [4]}
    of_pairs = dict.fromkeys(("exchange_repulsion", "charge_penetration", "dispersion"), predicted)
    file = settings(tmp_path, electrostatics=charges, **of_pairs)
    inputs = prepared(file)
    model = make_trainable_model(file, inputs.initial_fit, inputs.training).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(1))
    assert model.energies_alone
    frames, found = in_double(join_frames(inputs.training)), []
    for alone in (True, False):
        model.energies_alone = alone
        prediction = model(frames)
        values = torch.cat([prediction.energies, *prediction.others.values()])
        gradients = torch.autograd.grad(values.square().sum(), list(model.parameters()), allow_unused=True)
        found.append([values.detach(), *(gradient for gradient in gradients if gradient is not None)])
    assert len(found[0]) == len(found[1])
    for of_alone, of_both in zip(*found, strict=True):
        assert relative_difference(of_alone, of_both) < 1e-9


def test_walls_count_less(tmp_path):
    """With 1 / (1 + (E / E0)^2) of the label, in energies and components, and in nothing else."""
    file = settings(tmp_path)
    inputs = prepared(file)
    model = make_trainable_model(file, inputs.initial_fit, inputs.training)
    frames = join_frames(inputs.training)
    energies = torch.tensor([atoms.info["e_int"] for atoms in dimers(8)], dtype=torch.float32)
    torch.testing.assert_close(frames.wall_energies, energies)
    prediction = model(frames)
    errors = squared_errors(prediction, frames, LossSettings(wall=0.2))
    for name in ("energy", "exchange_energy"):
        values = prediction.energies if name == "energy" else prediction.others[name]
        squares = ((values - frames.labels[name].values) / 6).square()
        expected = (squares / (1.0 + (energies / 0.2).square())).mean()
        torch.testing.assert_close(errors.penalties[name], expected, rtol=1e-5, atol=0)
        torch.testing.assert_close(errors.means[name], squares.mean(), rtol=1e-5, atol=0)


def test_what_is_no_interaction_is_refused(tmp_path):
    for changes, message in (
        ({"dispersion": {"pairs": "all"}}, r"dispersion\.pairs is all: expected between_molecules"),
        ({"repulsion": {"kind": "zbl"}}, "does not work with repulsion.kind zbl"),
        ({"electrostatics": {"charges": {"H": 0.4, "O": -0.8}}}, r"set charge_penetration\.coefficients"),
        ({"features": {"set": "acsf"}}, "environment molecule does not work with features.set acsf"),
    ):
        with pytest.raises(InputError, match=message):
            settings(tmp_path, **changes)
