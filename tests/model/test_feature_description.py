"""Features as plain data: JSON makes the same features again."""

import json

import pytest
import torch
from pydantic import TypeAdapter

from mliap_hybrid.config import parse_training_file
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.sets import FEATURE_SETS, LEARNED_SETS
from mliap_hybrid.fitting.model_factory import make_features
from mliap_hybrid.model.feature_description import FeatureDescription, describe_features
from mliap_hybrid.testing.structures import random_structure

ELEMENTS = (1, 6, 8)


def features_of(**settings):
    return make_features(parse_training_file({"data": {"files": ["a"]}, "features": settings}, "f.yaml"), ELEMENTS)


@pytest.mark.parametrize("name", [*FEATURE_SETS, *LEARNED_SETS, "acsf"])
def test_plain_data_make_the_same_features(name):
    features = features_of(set=name, cutoff=4.5)
    content = describe_features(features).model_dump_json()
    again = TypeAdapter(FeatureDescription).validate_python(json.loads(content)).build()
    assert type(again) is type(features)
    assert again.feature_labels == features.feature_labels
    geometry = frame_to_batch(random_structure(6, ["H", "C", "O"], None, seed=0), 4.5).geometry()
    assert torch.equal(again(geometry), features(geometry))


@pytest.mark.parametrize("changes", [{"set": "gmp-2c"}, {"widths": [0.3, 0.5, 1.0, 2.0]}, {"cutoff": 5.0}])
def test_other_features_have_another_description(changes):
    assert describe_features(features_of(**changes)) != describe_features(features_of())


def test_features_that_cannot_be_described():
    with pytest.raises(TypeError, match="expected features that are known, got object"):
        describe_features(object())


def test_third_order_needs_orders_that_couple():
    with pytest.raises(InputError, match="raise the highest order to 2 or more"):
        features_of(max_order=1)
    assert features_of(max_order=1, set="gmp-2c").n_features == 8 + 36
