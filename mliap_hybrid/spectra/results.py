"""Tables and a picture of a spectrum and a conductivity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mliap_hybrid.spectra.conductivity import Conductivity
from mliap_hybrid.spectra.infrared import Spectrum


def write_spectrum(spectrum: Spectrum, file: Path) -> None:
    """A row for each frequency (CSV)."""
    columns = (spectrum.wave_numbers, spectrum.absorption, spectrum.conductivity)
    _write(file, "wave_number_1/cm,absorption_1/cm,conductivity_S/m", columns)


def write_conductivity(found: Conductivity, file: Path) -> None:
    """A row for each time (CSV)."""
    _write(file, "time_ps,green_kubo_S/m,einstein_S/m", (found.times, found.green_kubo, found.einstein))


def spectrum_figure(spectrum: Spectrum, found: Conductivity, highest: float) -> Figure:
    """Absorption up to a wave number in 1/cm, and the conductivity over the time that it is taken from."""
    figure = Figure(figsize=(9.6, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    shown = spectrum.wave_numbers <= highest
    left.plot(spectrum.wave_numbers[shown], spectrum.absorption[shown], linewidth=1.2)
    left.set_xlabel("wave number (1/cm)")
    left.set_ylabel("absorption x refractive index (1/cm)")
    right.plot(found.times, found.green_kubo, label="Green-Kubo", linewidth=1.2)
    right.plot(found.times, found.einstein, label="Einstein", linewidth=1.2)
    right.set_xlabel("time (ps)")
    right.set_ylabel("conductivity (S/m)")
    right.legend(fontsize="small")
    return figure


def _write(file: Path, head: str, columns: tuple[np.ndarray, ...]) -> None:
    np.savetxt(file, np.stack(columns, axis=1), delimiter=",", header=head, comments="", fmt="%.8g")
