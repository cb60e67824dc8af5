"""Training: the labels come back, symmetries help, and labels that cannot be right are refused."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from mliap_hybrid.errors import InputError
from mliap_hybrid.sgdml.labels import bond_response, check_labels, fit_labels
from mliap_hybrid.sgdml.search import draw_frames, fit_gdml, molecule_errors, search_sigma
from mliap_hybrid.sgdml.trainer import GDMLOptions, train_gdml
from mliap_hybrid.testing.gdml_molecules import AMMONIA_GROUP, OFFSET, ammonia

SIGMA = 3.0


@pytest.mark.parametrize("with_energies", [False, True])
def test_training_labels_come_back(with_energies):
    molecules = ammonia(40)
    model = train_gdml(molecules, SIGMA, AMMONIA_GROUP, GDMLOptions(with_energies=with_energies)).model
    errors = molecule_errors(model, molecules)
    assert errors.force_rmse < 2e-3 * float(molecules.forces.std())
    assert errors.energy_rmse < (1e-5 if with_energies else 2e-3)


def test_errors_fall_with_more_frames_and_with_symmetries():
    test = ammonia(200, seed=5)
    few, more = (molecule_errors(train_gdml(ammonia(n), SIGMA, AMMONIA_GROUP).model, test) for n in (15, 60))
    plain = molecule_errors(train_gdml(ammonia(15), SIGMA).model, test)
    assert more.force_mae < few.force_mae / 2
    assert more.energy_mae < few.energy_mae
    assert few.force_mae < plain.force_mae / 2


def test_energies_have_the_offset_of_the_labels():
    model = train_gdml(ammonia(40), SIGMA, AMMONIA_GROUP).model
    test = ammonia(50, seed=5)
    deviations = model.predict(test.positions).energies - test.energies
    assert float(test.energies.mean()) == pytest.approx(OFFSET, abs=5.0)
    assert deviations.abs().mean() < 0.02 * test.energies.std()


def test_both_solvers_give_the_same_model():
    molecules, test = ammonia(60), ammonia(50, seed=5)
    exact, steps = (
        train_gdml(molecules, SIGMA, AMMONIA_GROUP, GDMLOptions(solver=solver, jitters=(1e-8,))).model
        for solver in ("cholesky", "conjugate-gradients")
    )
    difference = exact.predict(test.positions).forces - steps.predict(test.positions).forces
    assert difference.abs().max() < 1e-3 * molecules.forces.std()


@pytest.mark.parametrize("with_energies", [False, True])
def test_energies_with_the_wrong_sign(with_energies):
    molecules = ammonia(30)
    molecules = replace(molecules, energies=-molecules.energies)
    with pytest.raises(InputError, match=r"slope -1.* wrong sign"):
        train_gdml(molecules, SIGMA, AMMONIA_GROUP, GDMLOptions(with_energies=with_energies))


def test_gradients_given_as_forces():
    molecules = ammonia(30)
    with pytest.raises(InputError, match="gradients"):
        train_gdml(replace(molecules, forces=-molecules.forces), SIGMA, AMMONIA_GROUP)


def test_energies_of_other_frames():
    molecules = ammonia(60)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match=r"wrong sign|other geometries|different geometries"):
        train_gdml(replace(molecules, energies=molecules.energies[order]), SIGMA, AMMONIA_GROUP)


@pytest.mark.parametrize("factor", [0.529, 23.06])
def test_units_that_do_not_fit(factor):
    molecules = ammonia(60)
    with pytest.raises(InputError, match="units"):
        train_gdml(replace(molecules, energies=factor * molecules.energies), SIGMA, AMMONIA_GROUP)


def test_slightly_wrong_labels_are_a_warning(caplog):
    predicted = torch.linspace(0.0, 1.0, 50, dtype=torch.float64)
    fit = fit_labels(predicted, 1.2 * predicted - 7.0)
    assert (fit.slope, fit.correlation) == (pytest.approx(1.2), pytest.approx(1.0))
    assert fit.constant == pytest.approx(-6.9)
    check_labels(fit, 50)
    assert "slope 1.20" in caplog.text


def test_bonds_resist_being_stretched():
    molecules = ammonia(30)
    assert bond_response(molecules) < -0.7
    assert bond_response(replace(molecules, forces=-molecules.forces)) > 0.7
    assert bond_response(replace(molecules, positions=10.0 * molecules.positions)) == 0.0  # no bonds


@pytest.mark.parametrize(
    ("n_frames", "sigma", "message"),
    [(0, SIGMA, "0 training frames"), (2, SIGMA, "at least 3"), (10, 0.0, "sigma"), (10, float("nan"), "sigma")],
)
def test_what_cannot_be_trained(n_frames, sigma, message):
    with pytest.raises(InputError, match=message):
        train_gdml(ammonia(5).subset(range(n_frames)) if n_frames < 5 else ammonia(n_frames), sigma)


def test_permutations_that_are_no_group():
    with pytest.raises(InputError, match="5 permutations are no group"):
        train_gdml(ammonia(10), SIGMA, AMMONIA_GROUP[:5])


def test_forces_of_zero():
    molecules = ammonia(5)
    with pytest.raises(InputError, match="all forces are zero"):
        train_gdml(replace(molecules, forces=torch.zeros_like(molecules.forces)), SIGMA)


def test_whole_fit_finds_symmetries_and_a_length_scale(caplog):
    caplog.set_level(logging.INFO)
    molecules = ammonia(300, permuted=True)
    found = fit_gdml(molecules, 40, 50, sigmas=(0.3, 1.0, 3.0, 10.0, 100.0, 1000.0))
    assert len(found.best.model.permutations) == 6
    best = min(found.errors, key=lambda sigma: found.errors[sigma].force_rmse)
    assert found.best.model.sigma == best
    assert best not in (0.3, 1000.0)
    assert len(set(found.train_frames) | set(found.validation_frames)) == 90
    assert "6 permutations" in caplog.text
    plain = fit_gdml(molecules, 40, 50, sigmas=(best,), with_symmetries=False)
    assert plain.errors[best].force_mae > 2 * found.errors[best].force_mae


def test_search_ends_where_errors_rise(monkeypatch):
    rmse = {1.0: 0.5, 2.0: 0.3, 3.0: 0.4, 4.0: 0.1}
    monkeypatch.setattr(
        "mliap_hybrid.sgdml.search.molecule_errors",
        lambda model, _: type(
            "Errors", (), dict.fromkeys(("energy_mae", "force_mae"), 0.0) | {"force_rmse": rmse[model.sigma]}
        ),
    )
    found = search_sigma(ammonia(20), np.arange(10), np.arange(10, 20), sorted(rmse, reverse=True), AMMONIA_GROUP)
    assert list(found.errors) == [1.0, 2.0, 3.0]
    assert found.best.model.sigma == 2.0


@pytest.mark.parametrize(
    ("n_train", "n_validation", "message"),
    [(15, 10, "more than the 20 frames"), (0, 5, "at least one"), (10, 0, "at least one")],
)
def test_too_few_frames(n_train, n_validation, message):
    with pytest.raises(InputError, match=message):
        draw_frames(ammonia(20), n_train, n_validation, seed=0)


def test_no_sigma():
    with pytest.raises(InputError, match="no sigma"):
        fit_gdml(ammonia(20), 5, 5, sigmas=())
