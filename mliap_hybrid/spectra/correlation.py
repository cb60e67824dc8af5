"""Autocorrelation of a time series, and its running integral."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def autocorrelation(series: NDArray[np.float64], n_lags: int) -> NDArray[np.float64]:
    """<a(0).a(t)>, each lag the mean over all pairs of times that are so far apart, by fast Fourier transforms.

    Parameters
    ----------
    series : array, shape (n_times, n_components)
    n_lags : int
        At most n_times.

    Returns
    -------
    array, shape (n_lags,)
    """
    n_times = len(series)
    size = 1 << (2 * n_times - 1).bit_length()  # so long that the ends do not meet
    power = np.square(np.abs(np.fft.rfft(series, size, axis=0))).sum(1)  # (size // 2 + 1,)
    products = np.fft.irfft(power, size)[:n_lags]  # (n_lags,)
    return products / np.arange(n_times, n_times - n_lags, -1)


def mean_square_change(series: NDArray[np.float64], n_lags: int) -> NDArray[np.float64]:
    """<|a(t) - a(0)|^2> (n_lags,) of a series (n_times, n_components), over all pairs of times."""
    series = series - series.mean(0)
    squares = np.square(series).sum(1)  # (n_times,)
    sums = np.concatenate([[0.0], np.cumsum(squares)])  # (n_times + 1,)
    lags = np.arange(n_lags)
    n_pairs = len(series) - lags
    ends = (sums[-1] - sums[lags]) + sums[n_pairs]  # |a|^2 at the later and at the earlier time of each pair
    return ends / n_pairs - 2.0 * autocorrelation(series, n_lags)


def running_integral(values: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Integral from 0 to each time (n,), by the trapezoid rule, of values (n,) a step apart."""
    steps = 0.5 * step * (values[1:] + values[:-1])
    return np.concatenate([[0.0], np.cumsum(steps)])
