"""No features pass what all features have to pass, and are none."""

import torch

from mliap_hybrid.features.none import NoFeatures
from mliap_hybrid.testing.featuriser_tests import FeaturiserTests


class TestNoFeatures(FeaturiserTests):
    def featuriser(self):
        return NoFeatures(self.elements, self.cutoff)

    def test_there_are_none(self):
        features, geometry = self.featuriser(), self._geometry()
        assert (features.n_features, features.feature_labels) == (0, [])
        assert features(geometry).shape == (geometry.n_centres, 0)
        assert not features.vjp(geometry, torch.zeros(geometry.n_centres, 0)).any()
