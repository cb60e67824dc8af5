"""Absorption and conductivity of what has known ones: oscillators, and ions that diffuse."""

from __future__ import annotations

import numpy as np
import pytest

from mliap_hybrid.errors import InputError
from mliap_hybrid.spectra.conductivity import conductivity
from mliap_hybrid.spectra.correlation import autocorrelation, mean_square_change
from mliap_hybrid.spectra.infrared import infrared_spectrum
from mliap_hybrid.spectra.moments import ChargedFrame, MomentSeries, moments_of_frames, moments_of_table
from mliap_hybrid.units import BOLTZMANN, CONDUCTIVITY, LIGHT_SPEED

VOLUME, TEMPERATURE = 1000.0, 300.0


@pytest.mark.parametrize("wave_number", [200.0, 1600.0, 3700.0])
def test_an_oscillator_absorbs_at_its_frequency(wave_number):
    """With the intensity of its mean square current, whatever the step of time."""
    interval, amplitude = 0.002, 0.3  # ps, e Å
    omega = 2.0 * np.pi * LIGHT_SPEED * wave_number
    times = interval * np.arange(20000)
    moments = amplitude * np.stack([np.cos(omega * times), np.sin(omega * times), 0.0 * times + 7.0], axis=1)
    found = infrared_spectrum(MomentSeries(moments, interval, VOLUME), TEMPERATURE, resolution=4.0)
    ((peak, height),) = found.peaks(1)
    assert peak == pytest.approx(wave_number, abs=1.0)
    near = np.abs(found.wave_numbers - wave_number) < 40.0
    integral = np.trapezoid(found.conductivity[near], 2.0 * np.pi * LIGHT_SPEED * found.wave_numbers[near])
    expected = CONDUCTIVITY * np.pi * (amplitude * omega) ** 2 / (6.0 * VOLUME * BOLTZMANN * TEMPERATURE)
    assert integral == pytest.approx(expected, rel=2e-3)
    assert height > 100.0 * np.abs(found.absorption[~near]).max()
    # 1 S/m absorbs by 377 Ohm: 3.77 1/cm
    np.testing.assert_allclose(found.absorption, 3.7673 * found.conductivity, rtol=1e-4)


def test_conductivity_of_ions_that_diffuse():
    """Langevin's velocities: sigma = N q^2 D / (V k_B T), by Green and Kubo, and by Einstein."""
    random, n_ions, charge, friction, interval = np.random.default_rng(1), 2, 1.0, 5.0, 0.02
    square_speed = 60.0  # k_B T / m in (Å/ps)^2
    decay = np.exp(-friction * interval)
    kicks = np.sqrt(square_speed * (1.0 - decay**2)) * random.normal(size=(200000, n_ions, 3))
    velocities = np.empty_like(kicks)
    velocities[0] = np.sqrt(square_speed) * random.normal(size=(n_ions, 3))
    for k in range(1, len(kicks)):
        velocities[k] = decay * velocities[k - 1] + kicks[k]
    signs = charge * np.where(np.arange(n_ions) % 2, 1.0, -1.0)
    moments = interval * np.cumsum(np.einsum("i,tix->tx", signs, velocities), axis=0)
    found = conductivity(MomentSeries(moments, interval, VOLUME), TEMPERATURE, longest=2.0)
    diffusion = square_speed * interval * (0.5 + decay / (1.0 - decay))  # of the steps as they are made
    expected = CONDUCTIVITY * n_ions * charge**2 * diffusion / (VOLUME * BOLTZMANN * TEMPERATURE)
    assert found.value == pytest.approx(expected, rel=0.08)
    assert found.error < 0.1 * expected
    assert abs(found.value - expected) < 3.0 * found.error
    end = slice(len(found.times) // 2, None)
    np.testing.assert_allclose(found.green_kubo[end], found.einstein[end], atol=0.03 * expected)
    early = np.searchsorted(found.times, 0.2)
    assert found.green_kubo[early] == pytest.approx(expected * (1.0 - np.exp(-1.0)), rel=0.1)


def test_correlations_are_means_over_all_pairs_of_times():
    series = np.random.default_rng(0).normal(size=(40, 3)) + 2.0
    for lag in (0, 1, 7):
        pairs = series[: 40 - lag], series[lag:]
        assert autocorrelation(series, 8)[lag] == pytest.approx((pairs[0] * pairs[1]).sum(1).mean())
        expected = np.square(pairs[1] - pairs[0]).sum(1).mean()
        assert mean_square_change(series, 8)[lag] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"charges": [np.nan, 1.0]}, "among the charges is nan"),
        ({"positions": [[0, 0, 0], [0, 0, 1e200]]}, r"among the positions is 1e\+200: expected finite numbers"),
        ({"time": 1e300}, "among the times"),
        ({"dipoles": [[0, 0, 0], [np.inf, 0, 0]]}, "among the dipoles is inf"),
    ],
)
def test_numbers_whose_squares_overflow(values, message):
    numbers = {"cell": np.eye(3), "positions": np.zeros((2, 3)), "charges": np.ones(2), "dipoles": np.zeros((2, 3))}
    numbers |= {name: np.array(value, dtype=float) for name, value in values.items()}
    frame = ChargedFrame(**{"time": 0.0} | numbers, is_unwrapped=True)
    with pytest.raises(InputError, match=message):
        moments_of_frames(iter([frame]))


def test_moments_of_a_table_whose_squares_overflow(tmp_path):
    (tmp_path / "a").write_text("".join(f"{k} 0 0 {1e200 if k == 2 else k}\n" for k in range(9)))
    with pytest.raises(InputError, match=r"among the moments is 1e\+200"):
        moments_of_table(tmp_path / "a", 0.001, 1.0)
