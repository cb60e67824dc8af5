"""Normalisation of features: unit norm of the probes, and one sentence for widths that have none."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.normalization import square_norm


@pytest.mark.parametrize("n", [0, 1, 3])
def test_probes_have_unit_norm(n):
    """sum_m |probe|^2 is the square of the radial part over square_norm, by the addition theorem of the harmonics."""
    width = 0.8
    amplitude = (width * math.sqrt(2 * math.pi)) ** -3
    radial, _ = quad(lambda r: (amplitude * r**n * math.exp(-0.5 * (r / width) ** 2)) ** 2 * r**2, 0, np.inf)
    assert square_norm(n, width, "probe") * 4 * math.pi * radial == pytest.approx(4 * math.pi / (2 * n + 1), rel=1e-9)


@pytest.mark.parametrize("width", [1e-120, 1e120])
def test_widths_out_of_range_are_refused(width):
    with pytest.raises(InputError, match=r"features\.widths: .* has no normalisation at order 3"):
        square_norm(3, width, "probe")
