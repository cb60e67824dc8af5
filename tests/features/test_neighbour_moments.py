"""Moments by element: what every featuriser has to pass, and what is theirs alone."""

from __future__ import annotations

import pytest
import torch

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.channel_invariants import N_COMPONENTS, ChannelInvariants
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.testing.featuriser_tests import FeaturiserTests
from mliap_hybrid.testing.surroundings import surroundings

WIDTHS = (0.3, 0.6, 1.2)


class TestNeighbourMoments(FeaturiserTests):
    def featuriser(self):
        return NeighbourMoments(WIDTHS, self.cutoff, self.elements)

    def invariants_of(self, features, values):
        return ChannelInvariants(5)(values.unflatten(1, (N_COMPONENTS, -1))).flatten(1)


class TestByDensities(TestNeighbourMoments):
    def featuriser(self):
        return NeighbourMoments(WIDTHS, self.cutoff, self.elements, channels=("valence", "count", "core"))


def test_moments_by_densities_are_those_of_multipoles():
    """With what the centre itself adds, of all elements in as many moments as there are channels."""
    elements, channels = (1, 8, 26), ("valence", "count")
    geometry = surroundings([12, 5, 0, 30], elements)
    moments = NeighbourMoments(WIDTHS, 5.0, elements, channels=channels)(geometry).unflatten(1, (N_COMPONENTS, 6))
    multipoles = GaussianMultipoles((0, 1, 2, 3), WIDTHS, 5.0, elements, channels=channels, products="all")
    expected = multipoles(geometry)
    torch.testing.assert_close(moments[:, 0] * multipoles.products_of(0).scale, expected[:, :6], rtol=1e-12, atol=1e-12)
    for n in (1, 2, 3):
        of_order, products = moments[:, n * n : (n + 1) ** 2], multipoles.products_of(n)
        found = products.scale * (of_order[..., products.first] * of_order[..., products.second]).sum(1)
        torch.testing.assert_close(found, expected[:, multipoles.feature_blocks[n]], rtol=1e-12, atol=1e-12)


def test_sums_over_elements_are_the_moments_of_multipoles():
    """But for what the centre itself adds at n = 0, where the squares have cross terms."""
    elements = (1, 8, 26)
    geometry = surroundings([12, 5, 0, 30], elements)
    moments = NeighbourMoments(WIDTHS, 5.0, elements)(geometry).unflatten(1, (N_COMPONENTS, len(elements), len(WIDTHS)))
    multipoles = GaussianMultipoles((1, 2, 3), WIDTHS, 5.0, elements, normalization="paper")
    expected = multipoles(geometry)  # (n_centres, 9)
    for n in (1, 2, 3):
        of_order = moments[:, n * n : (n + 1) ** 2].sum(2)  # (n_centres, 2n + 1, n_widths)
        squares = multipoles.products_of(n).scale * (of_order * of_order).sum(1)
        torch.testing.assert_close(squares, expected[:, 3 * (n - 1) : 3 * n], rtol=1e-12, atol=1e-12)


def test_a_neighbour_adds_to_its_own_element_alone():
    """The moments of the others do not change at all."""
    elements = (1, 8, 26)
    geometry = surroundings([9], elements)
    features = NeighbourMoments(WIDTHS, 5.0, elements)
    before = features(geometry).unflatten(1, (N_COMPONENTS, len(elements), len(WIDTHS)))
    geometry.pair_vectors[geometry.neighbour_numbers == 8] *= 0.9
    after = features(geometry).unflatten(1, (N_COMPONENTS, len(elements), len(WIDTHS)))
    assert torch.equal(before[:, :, [0, 2]], after[:, :, [0, 2]])
    assert not torch.equal(before[:, :, 1], after[:, :, 1])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"widths": ()}, "widths"),
        ({"widths": (-1.0,)}, "widths"),
        ({"cutoff": -1.0}, "cutoff"),
        ({"elements": ()}, "elements"),
    ],
    ids=["none", "negative", "cutoff", "elements"],
)
def test_settings_that_make_no_sense(settings, words):
    with pytest.raises(InputError, match=words):
        NeighbourMoments(**({"widths": WIDTHS, "cutoff": 5.0, "elements": (1, 8)} | settings))
