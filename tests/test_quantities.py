"""The table of quantities: its rows fit settings and containers, and a row more is all that a new label needs."""

from __future__ import annotations

import dataclasses
import inspect

import numpy as np
import pytest
import torch
from torch.nn.utils import parameters_to_vector

from mliap_hybrid.cli.label_options import with_label_options
from mliap_hybrid.config import LabelKeys, LabelUnits, LossSettings
from mliap_hybrid.data.frames import Frame
from mliap_hybrid.data.missing_labels import check_missing_labels, n_labelled_frames
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.data.suspect_frames import suspicious_frames
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.losses import label_counts, squared_errors, total_loss
from mliap_hybrid.fitting.model_factory import make_model, make_trainable_model
from mliap_hybrid.fitting.objective import Objective
from mliap_hybrid.fitting.optimisers.choice import make_steps
from mliap_hybrid.fitting.optimisers.residuals import count_residuals, residuals
from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.fitting.trainer import Trainer
from mliap_hybrid.fitting.training_frames import join_frames
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.quantities import QUANTITIES, Quantity, quantity_of_key
from mliap_hybrid.report.error_tables import element_table, error_table
from mliap_hybrid.report.evaluation import evaluate
from mliap_hybrid.report.learning_curves import learning_curve_figure
from mliap_hybrid.report.metrics import read_metrics
from mliap_hybrid.report.parity_plots import write_error_sizes, write_parity_plots
from mliap_hybrid.runs.earlier_run import fingerprint
from mliap_hybrid.runs.metrics_file import MetricsFile
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.runs.progress import errors_line
from mliap_hybrid.structure import join_batches
from mliap_hybrid.testing.labelled import labelled_frames, small_settings
from mliap_hybrid.testing.models import sodium_chloride_model
from mliap_hybrid.testing.structures import random_structure, rock_salt
from mliap_hybrid.units import BOHR

MOMENTS = Quantity(
    "moments",
    keys={"moments": "the label of magnetic moments"},
    weight="moments",
    column="Magnetic moment",
    title="Components of magnetic moments",
    symbol="m",
    unit="µB",
    of_atoms=True,
    shape=(3,),
    loss_scale=4.0,
    transition="moment_transition",
    has_direction=True,
)

QUADRUPOLES = Quantity(
    "quadrupole",
    keys={"quadrupole": "the quadrupole label"},
    weight="quadrupole",
    column="quadrupole",
    title="Components of the quadrupole moment",
    symbol="Q",
    unit="e Å²",
    shape=(3, 3),
    length_power=2,
    only_of="molecules",
    noun="quadrupole moment",
    in_crystals="nothing",
)


class Keys(LabelKeys):
    """With the key of the new labels."""

    moments: str | None = "moments"
    quadrupole: str | None = None


class Weights(LossSettings):
    """With the weight of the new labels."""

    moments: float = 3.0
    moment_transition: float | None = None
    quadrupole: float = 1.0


class WithMoments(TrainableModel):
    """Moments that all have the energy of their atom as components."""

    def forward(self, frames):
        """What the terms say, and moments."""
        prediction = super().forward(frames)
        energies = self.heads["energy"](self.inputs(frames), frames.species)  # (n_atoms,)
        return dataclasses.replace(prediction, others={"moments": energies[:, None].expand(-1, 3)})


@pytest.fixture
def table(monkeypatch):
    for quantity in (MOMENTS, QUADRUPOLES):
        monkeypatch.setitem(QUANTITIES, quantity.name, quantity)


@pytest.fixture
def frames(table):
    """Rock salt with energies, forces and stresses; all but the second have moments."""
    of_file = []
    for index, atoms in enumerate(labelled_frames(4)):
        if index != 1:
            atoms.set_array("moments", np.random.default_rng(index).normal(size=(len(atoms), 3)))
        of_file.append(Frame(atoms, f"a file, frame {index}"))
    return of_file


@pytest.fixture
def plain_settings(tmp_path):
    """Settings that know no moments, checked before there is the row."""
    return small_settings(tmp_path, optimisation={"epochs": 2, "batch_size": 2})


@pytest.fixture
def setup(plain_settings, frames):
    """Settings, batches, training frames and a model that predicts moments."""
    settings = plain_settings
    data = settings.data.model_copy(update={"keys": Keys(stress="stress"), "missing_labels": "allow"})
    settings = settings.model_copy(update={"data": data, "loss": Weights()})
    batches = [frame_to_batch(f, settings.features.cutoff, data.keys, allow_missing=True) for f in frames]
    inputs = prepare(settings, batches[:3], batches[3:], lambda items, _: items)
    trainable = make_trainable_model(settings, inputs.initial_fit)
    return (
        settings,
        batches,
        inputs,
        WithMoments(list(trainable.heads), list(trainable.terms.values()), trainable.atomic_parameters.values()),
    )


def test_rows_fit_the_settings_and_the_containers():
    for name, quantity in QUANTITIES.items():
        assert name == quantity.name
        assert set(quantity.keys) <= LabelKeys.model_fields.keys()
        assert {quantity.weight, quantity.transition} - {None} <= LossSettings.model_fields.keys()
        assert quantity.field is None or quantity.field in {f.name for f in dataclasses.fields(Prediction)}
        assert not quantity.is_sum_of_terms or quantity.is_component or quantity.field is not None
    named = [quantity.column for quantity in QUANTITIES.values()]
    assert len(set(named)) == len(named)
    without = {"total_charge", "electric_field", "molecules", "config_type"}  # of frames, but no labels
    assert quantity_of_key().keys() == LabelKeys.model_fields.keys() - without


def test_a_new_label_is_read_and_joined(frames):
    batches = [frame_to_batch(frame, 3.0, Keys(), allow_missing=True) for frame in frames]
    assert [("moments" in batch.labels) for batch in batches] == [True, False, True, True]
    moments = torch.tensor(frames[2].atoms.arrays["moments"])
    assert torch.equal(join_batches(batches[2:]).labels["moments"][: len(moments)], moments)
    assert "moments" not in join_batches(batches).labels
    assert "moments" not in batches[0].without_labels("moments").labels
    assert fingerprint(batches) != fingerprint([batch.without_labels("moments") for batch in batches])
    assert n_labelled_frames(frames, Keys()) == {"energy": 4, "forces": 4, "moments": 3}
    with pytest.raises(InputError, match=r"frame 1: no entry 'moments', which data\.keys\.moments names; 1 of 4"):
        check_missing_labels(frames, Keys(), allowed=False)
    for frame in frames:
        frame.atoms.arrays.pop("moments", None)
        frame.atoms.set_array("moments", np.zeros((8, 3)))
    assert any("data.keys.moments names, is zero in all 4" in told for told in suspicious_frames(frames, Keys()))


def test_units_and_shapes_of_a_new_label_are_those_of_its_row(table):
    atoms = random_structure(5, ["Na", "Cl"], None, seed=1)
    values = np.arange(9.0)
    atoms.info |= {"energy": 0.0, "quadrupole": values}
    keys = Keys(forces=None, moments=None, quadrupole="quadrupole")
    batch = frame_to_batch(Frame(atoms, "a file"), 3.0, keys, LabelUnits(length="bohr"))
    expected = torch.tensor(values.reshape(1, 3, 3)) * BOHR**2
    torch.testing.assert_close(batch.labels["quadrupole"], expected, rtol=1e-14, atol=0)
    atoms.set_cell([9.0] * 3)
    atoms.pbc = True
    with pytest.raises(InputError, match="a quadrupole moment needs a molecule"):
        frame_to_batch(Frame(atoms, "a file"), 3.0, keys)


@pytest.mark.parametrize("transition", [None, 0.5])
def test_a_new_label_counts_in_the_loss_where_frames_have_it(setup, transition):
    settings, batches, inputs, trainable = setup
    assert settings.weighted_labels() == ["energy", "forces", "stress", "moments"]
    loss = settings.loss.model_copy(update={"moment_transition": transition})
    whole = join_frames(inputs.training)
    assert whole.labels["moments"].mask.tolist() == [True, False, True]
    assert label_counts(whole)["moments"] == 16
    trainable.train()
    prediction = trainable(whole)
    errors = squared_errors(prediction, whole, loss)
    having = torch.cat([batches[k].labels["moments"] for k in (0, 2)]).float()
    differences = prediction.others["moments"][whole.frame_of_atom != 1] - having
    assert errors.means["moments"].item() == pytest.approx(differences.square().mean().item())
    others = total_loss(squared_errors(prediction, whole.without_labels("moments"), loss), loss)
    added = total_loss(errors, loss) - others
    expected = differences.square()
    if transition is not None:
        expected = 2 * transition**2 * ((1 + expected / transition**2).sqrt() - 1)
    assert added.item() == pytest.approx(3.0 * 4.0 * expected.mean().item(), rel=1e-3)
    found = residuals(prediction, whole, loss, label_counts(whole))
    assert found.square().sum().item() == pytest.approx(total_loss(errors, loss).item(), rel=1e-5)
    assert len(found) == count_residuals(loss, label_counts(whole))


def test_a_new_label_is_trained_on_and_its_errors_are_written(setup, tmp_path):
    settings, _, inputs, trainable = setup
    results = []
    weights, before = Weights(energy=0.0, forces=0.0, virial=0.0), parameters_to_vector(trainable.parameters()).detach()
    objective = Objective(trainable, inputs.training, weights, micro_batch_size=2)
    steps = make_steps(trainable, settings.optimisation, seed=0)
    Trainer(objective, steps, inputs.validation, settings.optimisation).run(results.append)
    assert not torch.equal(parameters_to_vector(trainable.parameters()), before)
    rmse = 1000 * results[-1].validation.means["moments"].sqrt().item()
    assert f"m {rmse:.3g} mµB" in errors_line(results[-1].validation)
    file = MetricsFile(tmp_path / "metrics.csv")
    for result in results:
        file.append(result)
    rows = read_metrics(tmp_path / "metrics.csv")
    assert rows[-1]["validation_magnetic_moment_rmse"] == pytest.approx(rmse, rel=1e-4)
    units = (tmp_path / "metrics.csv").read_text().splitlines()[1]
    assert units.count("mµB") == 2
    titles = [axes.get_title() for axes in learning_curve_figure({"run": rows}).axes]
    assert titles == ["energy", "force", "virial", "magnetic moment"]


def test_a_new_label_has_columns_and_plots(setup, tmp_path, monkeypatch):
    settings, batches, inputs, trainable = setup
    model = make_model(settings, inputs.features, inputs.initial_fit, trainable)
    predict = Evaluator.predict

    def with_moments(self, batch, others=()):
        """Wrong by 0.1 µB along the first direction."""
        prediction = predict(self, batch, others)
        moments = {name: batch.labels[name] + torch.tensor([0.1, 0.0, 0.0]) for name in others if name == "moments"}
        return dataclasses.replace(prediction, others={**prediction.others, **moments})

    monkeypatch.setattr(Evaluator, "predict", with_moments)
    evaluation = evaluate(model, batches)
    assert len(evaluation.parities["moments"].labels) == 3 * 8 * 3
    named = dict(zip(*[iter(cell) for cell in _header_and_row(error_table({"test": evaluation}))], strict=True))
    assert named["Magnetic moment RMSE", "mµB"] == f"{1000 * 0.1 / np.sqrt(3):.3g}"
    assert named["Magnetic moment MAE", "mµB"] == f"{100 / 3:.3g}"
    assert 0 < float(named["Magnetic moment angle", "°"]) < 30
    assert ("Magnetic moment RMSE", "mµB") in element_table(evaluation).columns
    written = write_parity_plots({"test": evaluation}, tmp_path)
    assert "parity_moments.png" in [path.name for path in written]
    assert write_error_sizes({"test": evaluation}, tmp_path).is_file()


def _header_and_row(table):
    return table.columns, table.rows[0]


def test_a_new_label_has_an_option_on_the_command_line(table):
    given = {}

    def verb(model: str, label_keys: dict | None = None, plots: str = "") -> None:
        """What it does."""
        given.update(label_keys, model=model, plots=plots)

    options = with_label_options(verb)
    parameters = inspect.signature(options).parameters
    assert list(parameters) == ["model", *(f"{key}_key" for key in quantity_of_key()), "plots"]
    options(model="m.pt", plots="p", **dict.fromkeys((f"{key}_key" for key in quantity_of_key()), None))
    assert given == dict.fromkeys(quantity_of_key()) | {"model": "m.pt", "plots": "p"}
    help_text = parameters["moments_key"].annotation.__metadata__[0].help
    assert help_text == "Name of the label of magnetic moments."


def test_values_of_a_parameter_are_given_without_more(monkeypatch):
    """A row that names a parameter of atoms needs nobody to compute it."""
    row = dataclasses.replace(QUANTITIES["charges"], name="copies", field=None)
    monkeypatch.setitem(QUANTITIES, "copies", row)
    batch = frame_to_batch(rock_salt(1, rattle=0.1), 4.5)
    prediction = Evaluator(sodium_chloride_model()).predict(batch, ["copies", "dipole", "born_charges", "moments"])
    assert torch.equal(prediction.others["copies"], prediction.charges)
    assert prediction.values_of(row) is prediction.others["copies"]
    expected = (prediction.charges[:, None] * batch.positions).sum(0, keepdim=True)
    torch.testing.assert_close(prediction.others["dipole"], expected)
    assert prediction.others.keys() == {"copies", "dipole"}  # Born charges only where charges are predicted
