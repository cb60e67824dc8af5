"""Static conductivity of ions, by Green and Kubo and by Einstein.

    sigma = 1 / (3 V k_B T) int_0^inf <J(0).J(t)> dt = lim 1 / (6 V k_B T) d/dt <|M(t) - M(0)|^2>,      J = dM/dt

(Helfand, Phys. Rev. 119, 1 (1960)); both at each upper limit t of the integral, or time of the slope.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mliap_hybrid.spectra.correlation import autocorrelation, mean_square_change, running_integral
from mliap_hybrid.spectra.moments import MomentSeries
from mliap_hybrid.units import BOLTZMANN, CONDUCTIVITY

N_BLOCKS = 5
"""Parts of a trajectory whose spread gives the error."""


@dataclass(frozen=True)
class Conductivity:
    """Both over time."""

    times: NDArray[np.float64]
    """(n_lags,) ps."""
    green_kubo: NDArray[np.float64]
    """(n_lags,) S/m."""
    einstein: NDArray[np.float64]
    """(n_lags,) S/m."""
    value: float
    """S/m: mean of the slope over the second half of the times."""
    error: float
    """S/m: standard error of the same of parts of the trajectory; NaN where it is too short."""


def conductivity(series: MomentSeries, temperature: float, longest: float) -> Conductivity:
    """Conductivity of a trajectory.

    Parameters
    ----------
    series : MomentSeries
    temperature : float, K
    longest : float, ps
        Longest time; at most half of the trajectory.
    """
    n_lags = max(3, min(len(series.moments) // 2, round(longest / series.interval) + 1))
    factor = CONDUCTIVITY / (series.volume * BOLTZMANN * temperature)
    currents = np.diff(series.moments, axis=0) / series.interval  # (n_times - 1, 3) e Å/ps
    of_currents = running_integral(autocorrelation(currents, n_lags), series.interval)  # (n_lags,)
    slopes = _slopes(series.moments, n_lags, series.interval)
    parts = [part for part in np.array_split(series.moments, N_BLOCKS) if len(part) >= 2 * n_lags]
    values = [factor / 6.0 * _mean_of_end(_slopes(part, n_lags, series.interval)) for part in parts]
    error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
    return Conductivity(
        times=series.interval * np.arange(n_lags, dtype=np.float64),
        green_kubo=factor / 3.0 * of_currents,
        einstein=factor / 6.0 * slopes,
        value=factor / 6.0 * _mean_of_end(slopes),
        error=error,
    )


def _slopes(moments: NDArray[np.float64], n_lags: int, interval: float) -> NDArray[np.float64]:
    """d/dt <|M(t) - M(0)|^2> (n_lags,)."""
    return np.gradient(mean_square_change(moments, n_lags), interval)


def _mean_of_end(values: NDArray[np.float64]) -> float:
    return float(values[len(values) // 2 :].mean())
