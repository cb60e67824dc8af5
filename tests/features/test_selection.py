"""Selection of features: the chosen ones stand for all, units do not matter, and constants are never chosen."""

import pytest
import torch

from mliap_hybrid.config import parse_training_file
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.selection import METHODS, select_features
from mliap_hybrid.fitting.model_factory import make_model, make_trainable_model
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.model.whitening import Whitening
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.testing.labelled import labelled_frames, small_settings
from mliap_hybrid.testing.training_frames import in_double

CONSTANT = 4
"""Column of the sample that does not change."""


def normal(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def sample():
    """(400, 13): 12 combinations of 5 independent numbers, in very different units, and a constant column."""
    mixed = normal(400, 5) @ normal(5, 12, seed=1) * torch.logspace(-4, 4, 12, dtype=torch.float64) + 3.0
    return torch.cat([mixed[:, :CONSTANT], torch.full((400, 1), 7.0), mixed[:, CONSTANT:]], dim=1)


def unexplained(sample, columns):
    """Largest part of the variance of any feature that a linear fit to the columns leaves."""
    centred = sample - sample.mean(0)
    varying = centred.square().sum(0) > 0
    fit = torch.linalg.lstsq(centred[:, columns] / centred[:, columns].norm(dim=0), centred[:, varying]).solution
    rest = centred[:, varying] - centred[:, columns] / centred[:, columns].norm(dim=0) @ fit
    return float((rest.square().sum(0) / centred[:, varying].square().sum(0)).max())


@pytest.mark.parametrize("method", METHODS)
def test_as_many_as_are_independent_rebuild_all_others(sample, method):
    columns = select_features(sample, 5, method)
    assert len(set(columns.tolist())) == 5
    assert CONSTANT not in columns
    assert unexplained(sample, columns) < 1e-20
    assert unexplained(sample, columns[:4]) > 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_fewer_are_the_first_of_more(sample, method):
    assert torch.equal(select_features(sample, 3, method), select_features(sample, 5, method)[:3])


@pytest.mark.parametrize("method", METHODS)
def test_units_signs_and_order_of_atoms_do_not_matter(sample, method):
    factors = torch.logspace(5, -5, 13, dtype=torch.float64) * (-1.0) ** torch.arange(13)
    shuffled = sample[torch.randperm(400, generator=torch.Generator().manual_seed(2))] * factors - 1.0
    assert torch.equal(select_features(shuffled, 5, method), select_features(sample, 5, method))


@pytest.mark.parametrize("method", METHODS)
def test_copies_are_left_out(method):
    """Three groups of one number and its noisy copies, one of them turned round: one of each group is taken."""
    numbers = normal(300, 3)
    copies = [numbers[:, [g]] * torch.tensor([1.0, -2.0, 0.5, 4.0]) for g in range(3)]
    sample = torch.cat(copies, dim=1) + 1e-3 * normal(300, 12, seed=3)
    assert sorted(column // 4 for column in select_features(sample, 3, method).tolist()) == [0, 1, 2]


def test_farthest_points_by_hand(sample):
    """Each is the one whose angle with its nearest predecessor is largest, from the angles themselves."""
    centred = sample - sample.mean(0)
    varying = [f for f in range(13) if f != CONSTANT]
    chosen = select_features(sample, 4, "fps").tolist()
    for place in range(1, 4):
        angles = {}
        for f in set(varying) - set(chosen[:place]):
            cosines = [
                abs(float(centred[:, f] @ centred[:, g] / centred[:, f].norm() / centred[:, g].norm()))
                for g in chosen[:place]
            ]
            angles[f] = -max(cosines)
        assert chosen[place] == max(angles, key=lambda f: angles[f])


def test_cur_by_the_singular_value_decomposition(sample):
    """Leverage scores and removal of the selected column on the columns themselves."""
    centred = sample - sample.mean(0)
    columns = centred / centred.norm(dim=0).clamp_min(1e-300)
    expected = []
    for _ in range(5):
        scores = torch.linalg.svd(columns, full_matrices=False).Vh[0].square()
        expected.append(int(scores.argmax()))
        direction = columns[:, expected[-1]] / columns[:, expected[-1]].norm()
        columns = columns - torch.outer(direction, direction @ columns)
    assert select_features(sample, 5, "cur").tolist() == expected


@pytest.mark.parametrize("method", METHODS)
def test_more_than_there_are_is_refused(sample, method):
    with pytest.raises(InputError, match="cannot select 14 of 13 features: choose a number from 1 to 13"):
        select_features(sample, 14, method)
    with pytest.raises(InputError, match="cannot select 0 of 13"):
        select_features(sample, 0, method)
    with pytest.raises(InputError, match="1 of the 13 are constant"):
        select_features(sample, 13, method)
    with pytest.raises(InputError, match="choose at most 0"):
        select_features(torch.ones(10, 3, dtype=torch.float64), 1, method)


def test_cur_tells_how_many_are_independent(sample):
    with pytest.raises(InputError, match="all others follow from 5 of them; choose at most 5"):
        select_features(sample, 6, "cur")


def test_unknown_method_is_refused(sample):
    with pytest.raises(InputError, match="unknown selection of features 'fsp': did you mean 'fps'"):
        select_features(sample, 2, "fsp")


def test_whitening_of_selected_features_is_that_of_the_selected_ones_alone(sample):
    columns = torch.tensor([7, 2, 9])
    part = Whitening.fit(sample, 1e-3, columns)
    alone = Whitening.fit(sample[:, [2, 7, 9]], 1e-3)(sample[:, [2, 7, 9]])  # (400, 3)
    others = torch.ones(13, dtype=torch.bool)
    others[columns] = False
    assert not part.matrix[others].any()
    for _ in range(2):
        whitened = part(sample)  # (400, 3)
        torch.testing.assert_close(whitened @ whitened.T, alone @ alone.T, rtol=1e-9, atol=1e-9)  # up to signs of axes
        sample[:, others] = 1e3 * normal(400, 10, seed=5)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"selection": "fps"}, "selection fps needs n_selected"),
        ({"n_selected": 4}, "n_selected has no effect without a selection"),
        ({"selection": "cur", "n_selected": 0}, "features.n_selected: input should be greater than or equal to 1"),
        ({"selection": "pca", "n_selected": 3}, "features.selection"),
    ],
)
def test_mistakes_in_the_training_file(features, message):
    with pytest.raises(InputError, match=message):
        parse_training_file({"data": {"files": ["a"]}, "features": features}, "f.yaml")


def inputs_with(tmp_path, **features):
    settings = small_settings(tmp_path, features=features)
    batches = [frame_to_batch(a, settings.features.cutoff, settings.data.keys) for a in labelled_frames(4)]
    return settings, batches, prepare(settings, batches[:3], batches[3:], lambda items, what: items)


@pytest.mark.parametrize("method", METHODS)
def test_training_on_selected_features(tmp_path, method):
    """The network sees n_selected numbers, and the trainable model still equals the full model."""
    settings, batches, inputs = inputs_with(tmp_path, selection=method, n_selected=6)
    assert inputs.initial_fit.whitening.matrix.abs().sum(1).count_nonzero() == 6
    assert inputs.training[0].features.shape[1] == 6
    trainable = make_trainable_model(settings, inputs.initial_fit).double()
    model = make_model(settings, inputs.features, inputs.initial_fit, trainable)
    frame = in_double(inputs.training[0])
    forces = trainable(frame).forces - frame.labels["forces"].values
    torch.testing.assert_close(forces, predict(model, batches[0]).forces - batches[0].forces, rtol=0, atol=1e-5)


def test_training_on_more_features_than_there_are_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot select 1000 of"):
        inputs_with(tmp_path, selection="cur", n_selected=1000)
