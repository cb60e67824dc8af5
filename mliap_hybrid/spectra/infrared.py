"""Infrared absorption of classical atoms, from the current J = dM/dt of a trajectory.

    Re sigma(omega) = 1 / (6 V k_B T) int dt exp(-i omega t) <J(0).J(t)>,      alpha n = Re sigma / (epsilon_0 c)

(linear response; McQuarrie, Statistical Mechanics, ch. 21). Classical currents have the intensities of quantum harmonic
oscillators as they are. The integral over all frequencies is that of the correlation at t = 0,

    int_0^inf Re sigma d omega = pi <J^2> / (6 V k_B T).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mliap_hybrid.spectra.correlation import autocorrelation
from mliap_hybrid.spectra.moments import MomentSeries
from mliap_hybrid.units import BOLTZMANN, CONDUCTIVITY, LIGHT_SPEED, VACUUM_IMPEDANCE


@dataclass(frozen=True)
class Spectrum:
    """Absorption over frequencies."""

    wave_numbers: NDArray[np.float64]
    """(n_frequencies,) 1/cm."""
    absorption: NDArray[np.float64]
    """(n_frequencies,) 1/cm: absorption coefficient times refractive index."""
    conductivity: NDArray[np.float64]
    """(n_frequencies,) S/m: Re sigma."""

    def peaks(self, n: int) -> list[tuple[float, float]]:
        """The highest maxima of the absorption, at most n: wave number and height, in the order of wave numbers."""
        a = self.absorption
        tops = np.flatnonzero((a[1:-1] > a[:-2]) & (a[1:-1] >= a[2:])) + 1
        highest = sorted(tops[np.argsort(a[tops])[::-1][:n]])
        return [(float(self.wave_numbers[k]), float(a[k])) for k in highest]


def infrared_spectrum(series: MomentSeries, temperature: float, resolution: float) -> Spectrum:
    """Spectrum of a trajectory.

    Parameters
    ----------
    series : MomentSeries
    temperature : float, K
    resolution : float, 1/cm
        Half width of the window; a trajectory that is too short for it has a wider one.

    Returns
    -------
    Spectrum
        Up to the frequency of two steps of the series.
    """
    step = series.interval  # ps
    currents = np.diff(series.moments, axis=0) / step  # (n_times - 1, 3) e Å/ps
    n_lags = max(2, min(len(currents) // 2, round(1.0 / (LIGHT_SPEED * resolution) / step)))
    window = np.cos(0.5 * np.pi * np.arange(n_lags) / n_lags) ** 2  # Hann's
    correlation = window * autocorrelation(currents, n_lags)  # (n_lags,) (e Å/ps)^2
    size = 8 * n_lags
    both = np.zeros(size)
    both[:n_lags] = correlation
    both[-n_lags + 1 :] = correlation[:0:-1]
    density = step * np.fft.rfft(both).real  # (size // 2 + 1,) (e Å)^2/ps: over all times, even in t
    wave_numbers = np.asarray(np.fft.rfftfreq(size, step) / LIGHT_SPEED, dtype=np.float64)  # 1/cm
    # Differences over a step in place of derivatives have lost sinc^2 of it.
    density /= np.sinc(np.fft.rfftfreq(size)) ** 2
    sigma = CONDUCTIVITY * density / (6.0 * series.volume * BOLTZMANN * temperature)  # S/m
    return Spectrum(wave_numbers, 0.01 * VACUUM_IMPEDANCE * sigma, sigma)
