"""What the sections `weak_supervision` and `noise` of a training file refuse."""

import pytest

from mliap_hybrid.config import parse_training_file
from mliap_hybrid.errors import InputError

MINIMAL = {"data": {"files": ["a.extxyz"]}}
WITHOUT_FORCES = {"data": {"files": ["a.extxyz"], "keys": {"forces": None}}}


def test_off_by_default():
    settings = parse_training_file(MINIMAL, "f.yaml")
    assert not settings.weak_supervision.is_on
    assert settings.noise.displacement == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"weak_supervision": {"taylr": "first"}},
            "unknown key 'weak_supervision.taylr': did you mean 'taylor'?",
        ),
        (
            {"weak_supervision": {"displacement_size": 0.02}},
            "weak_supervision has settings but no term: set weak_supervision.taylor or weak_supervision.spatial",
        ),
        (
            {"weak_supervision": {"taylor": "first", "displacement_size": 0}},
            "weak_supervision.displacement_size: input should be greater than 0 (found 0)",
        ),
        (
            {"weak_supervision": {"spatial": "A", "weak_labels": True}},
            "weak_supervision.weak_labels has no effect unless weak_supervision.taylor is set",
        ),
        (
            WITHOUT_FORCES | {"weak_supervision": {"taylor": "first", "weak_labels": True}},
            "weak_supervision.weak_labels needs reference forces, but data.keys.forces does not name them",
        ),
        (
            WITHOUT_FORCES | {"weak_supervision": {"taylor": "first", "displacement": "adversarial"}},
            "weak_supervision.displacement: adversarial needs reference forces, but data.keys.forces does not name "
            "them",
        ),
        (
            {"weak_supervision": {"taylor": "first"}, "electrostatics": {"charges": "predicted"}},
            "weak_supervision does not work with electrostatics.charges predicted: expected none, formal, reference, "
            "fitted or a table",
        ),
        (
            {"weak_supervision": {"taylor": "first", "warm_up_epochs": 5}, "optimisation": {"epochs": 5}},
            "weak_supervision.warm_up_epochs is 5, expected fewer than optimisation.epochs, which is 5",
        ),
        (
            {"weak_supervision": {"taylor": "first"}, "noise": {"displacement": 0.01}},
            "weak_supervision and noise exclude each other: leave one of them out",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_mistake_is_one_sentence(change, message):
    with pytest.raises(InputError) as caught:
        parse_training_file(MINIMAL | change, "f.yaml")
    assert str(caught.value) == f"f.yaml: {message}"
