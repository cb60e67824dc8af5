"""Pictures of the features: the densities that are probed, the radial functions, and the spectrum of a structure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

import matplotlib
import numpy as np
import torch
from ase.data import chemical_symbols
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, MultipleLocator

from mliap_hybrid.features.acsf import SymmetryFunctions
from mliap_hybrid.features.acsf_terms import CutoffFunction, RadialTerms
from mliap_hybrid.features.density import DensityTable, PseudoDensity, channel_densities
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.features.radial import GaussianRadial

STYLE = matplotlib.RcParams(
    {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 9,
        "axes.linewidth": 0.7,
        "legend.frameon": False,
        "lines.linewidth": 1.4,
    }
)
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d4d4d", "#b8a800")
"""Of the elements, in ascending order (Okabe and Ito), over again from the ninth on."""
CHANNEL_LINES = ("-", (0, (4, 1.5)), (0, (1, 1.2)))
"""Line styles of the density channels, in order."""

ROUNDING = 1e-24
"""Features smaller than this, by the largest, are taken for zeros by symmetry: squares of rounding errors."""


def feature_figure(
    features: GaussianMultipoles | NeighbourMoments | SymmetryFunctions,
    numbers: np.ndarray,
    values: np.ndarray,
    title: str,
) -> Figure:
    """What the features are made of, and their spectrum for one structure.

    Parameters
    ----------
    features : GaussianMultipoles, NeighbourMoments or SymmetryFunctions
        Made for the elements of the structure. Of multipoles and moments the densities and the radial functions are
        drawn, of symmetry functions the angular and the radial ones; of moments, the lengths stand in the spectrum,
        which do not change when the structure turns.
    numbers : array, shape (n_atoms,)
        Atomic numbers.
    values : array, shape (n_atoms, n_features)
        Their features.
    title : str

    Returns
    -------
    Figure
    """
    with matplotlib.rc_context(rc=STYLE):
        figure = Figure(figsize=(11.0, 8.0), dpi=120, layout="constrained")
        figure.suptitle(title, fontsize=12)
        above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[1.0, 1.25]).flatten()
        left, right = above.subfigures(1, 2, squeeze=False, width_ratios=[1.0, 2.2]).flatten()
        if isinstance(features, SymmetryFunctions):
            draw_angular_factors(left, features)
            draw_symmetry_radial(right, features)
        else:
            draw_densities(left, features.densities)
            draw_radial_functions(right, features, number=max(features.elements))
        labels = features.feature_labels
        if isinstance(features, NeighbourMoments):
            values, labels = features.lengths(torch.from_numpy(values)).numpy(), features.length_labels
        draw_spectrum(below, numbers, values, labels)
    return figure


def draw_densities(figure: Figure | SubFigure, table: DensityTable) -> None:
    """Radial distributions 4 pi r^2 rho of all elements of `table`."""
    figure.suptitle("Pseudo-densities", fontsize=10)
    axes = figure.subplots()
    numbers = sorted(table.densities)
    end = max(visible_radius(table[z]) for z in numbers)
    radii = np.linspace(0.0, end, 400)
    for colour, z in zip(element_colours(numbers), numbers, strict=True):
        label = f"{chemical_symbols[z]}, {table[z].n_electrons:.3g} e"
        axes.plot(radii, table[z].radial_distribution(radii), color=colour, label=label)
    axes.set(xlabel="r (Å)", ylabel="4π r² ρ(r) (e/Å)", xlim=(0.0, end))
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.legend(ncols=1 + len(numbers) // 9)


def draw_radial_functions(
    figure: Figure | SubFigure, features: GaussianMultipoles | NeighbourMoments, number: int
) -> None:
    """Radial functions r^n g_ns(r) of one element: one panel an order, colours for widths, lines for channels."""
    orders, widths, channels = features.orders, features.widths, features.channels
    columns = min(4, len(orders)) if len(orders) <= 8 else 5
    rows = math.ceil(len(orders) / columns)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten()
    shades = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.88, len(widths)))
    distances = torch.linspace(0.0, features.cutoff, 400, dtype=torch.float64)
    for line, channel in zip(_lines(len(channels)), channels, strict=True):
        density = channel_densities(channel, features.densities).padded([number])
        radial = GaussianRadial(*density, orders, widths, features.cutoff, features.taper_width)
        of_orders = radial(distances, torch.zeros(400, dtype=torch.int64)).split(radial.block_sizes, dim=1)
        for axes, n, values in zip(panels, orders, of_orders, strict=False):
            functions = (values * distances[:, None] ** max(n, 0)).numpy()  # (n_distances, n_widths of n)
            largest = np.abs(functions).max(axis=0)
            for function, shade in zip((functions / np.where(largest > 0.0, largest, 1.0)).T, shades, strict=False):
                axes.plot(distances, function, color=shade if n >= 0 else "black", linestyle=line, linewidth=1.2)
    for k, axes in enumerate(panels):
        axes.set_visible(k < len(orders))
        axes.axhline(0.0, color="black", linewidth=0.5, zorder=0)
        if k < len(orders):
            axes.set(title=f"n = {orders[k]}", xlim=(0.0, features.cutoff))
    title = f"Radial functions rⁿ g(r) of {chemical_symbols[number]}, each divided by its largest value"
    figure.suptitle(title, fontsize=10)
    figure.supxlabel("r (Å)", fontsize=9)
    handles = [Line2D([], [], color=c, label=f"s = {s:g} Å") for c, s in zip(shades, widths, strict=True)]
    if len(channels) > 1:
        pairs = zip(_lines(len(channels)), channels, strict=True)
        handles += [Line2D([], [], color="black", linestyle=line, label=channel) for line, channel in pairs]
    figure.legend(handles=handles, loc="outside right center")


def draw_angular_factors(figure: Figure | SubFigure, features: SymmetryFunctions) -> None:
    """Angular factors 2^(1 - zeta) (1 + lambda cos theta)^zeta of symmetry functions."""
    figure.suptitle(f"Angular factors of {features.angular_form}", fontsize=10)
    axes = figure.subplots()
    angles = np.linspace(0.0, np.pi, 200)
    powers = sorted({zeta for _, zeta, _ in features.angular})
    shades = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.88, len(powers)))
    for zeta, shade in zip(powers, shades, strict=True):
        for sign in sorted({sign for _, power, sign in features.angular if power == zeta}, reverse=True):
            factor = 2.0 * (0.5 + 0.5 * sign * np.cos(angles)) ** zeta
            line = CHANNEL_LINES[0 if sign > 0 else 1]
            label = f"ζ = {zeta:g}, λ = {sign:+g}"
            axes.plot(np.degrees(angles), factor, color=shade, linestyle=line, label=label)
    axes.set(xlabel="angle at the centre (degrees)", xlim=(0.0, 180.0), ylim=(0.0, 2.05))
    axes.xaxis.set_major_locator(MultipleLocator(45))
    if powers:
        figure.legend(loc="outside lower center", ncols=2, fontsize=8)


def draw_symmetry_radial(figure: Figure | SubFigure, features: SymmetryFunctions) -> None:
    """Radial symmetry functions G2 and the cutoff function."""
    figure.suptitle("Radial functions G2, and the cutoff function (grey)", fontsize=10)
    axes = figure.subplots()
    cutoff = CutoffFunction(features.cutoff_function, features.cutoff)
    distances = torch.linspace(0.0, features.cutoff, 400, dtype=torch.float64)
    axes.plot(distances, cutoff.value(distances), color="grey", linewidth=0.9)
    values = RadialTerms(features.radial, cutoff).values(distances)  # (n_distances, n_radial)
    shades = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.88, len(features.radial)))
    for (eta, shift), shade, function in zip(features.radial, shades, values.T, strict=True):
        axes.plot(distances, function, color=shade, label=f"η = {eta:g} Å⁻², shift {shift:g} Å")
    axes.set(xlabel="r (Å)", xlim=(0.0, features.cutoff), ylim=(0.0, 1.02))
    if features.radial:
        figure.legend(loc="outside right center")


def draw_spectrum(figure: Figure | SubFigure, numbers: np.ndarray, values: np.ndarray, labels: Sequence[str]) -> None:
    """Features of all atoms: their size by element above, how far each atom is from the mean below.

    Parameters
    ----------
    figure : Figure or SubFigure
    numbers : array, shape (n_atoms,)
    values : array, shape (n_atoms, n_features)
    labels : sequence of str
        One for each feature; features in a row whose labels begin with the same word are marked as a group.
    """
    order = np.argsort(numbers, kind="stable")
    numbers, values = numbers[order], values[order]
    n_atoms, n_features = values.shape
    sizes, atoms = figure.subplots(2, 1, sharex=True, height_ratios=[1.0, 1.4])

    elements = [int(z) for z in np.unique(numbers)]
    places = np.arange(n_features)
    for colour, z in zip(element_colours(elements), elements, strict=True):
        rms = np.sqrt(np.mean(np.square(values[numbers == z]), axis=0))
        seen = np.where(rms > ROUNDING * np.abs(values).max(), rms, np.nan)
        sizes.plot(places, seen, color=colour, linewidth=0.9, marker=".", markersize=4)
    sizes.set(yscale="log", ylabel="rms of F")
    figure.suptitle(f"Features F of {n_atoms} atoms", fontsize=10)

    mean, deviation = values.mean(axis=0), values.std(axis=0)
    rms = np.sqrt(np.mean(np.square(values), axis=0))
    varies = deviation > np.maximum(1e-10 * rms, ROUNDING * rms.max())
    standardised = np.where(varies, values - mean, 0.0) / np.where(varies, deviation, 1.0)
    image = atoms.imshow(
        standardised,
        cmap="RdBu_r",
        vmin=-2.5,
        vmax=2.5,
        aspect="auto",
        interpolation="nearest",
        extent=(-0.5, n_features - 0.5, n_atoms - 0.5, -0.5),
    )
    if not varies.any():
        atoms.text(0.5, 0.5, "all atoms are alike", transform=atoms.transAxes, ha="center", color="grey")
    figure.colorbar(image, ax=atoms, pad=0.01, label="(F - mean) / std", extend="both")
    atoms.set(xlabel="feature")
    atoms.xaxis.set_major_locator(MaxNLocator(integer=True))
    atoms.spines[["left", "bottom"]].set_visible(False)
    ends = np.cumsum([np.sum(numbers == z) for z in elements])
    starts = ends - [np.sum(numbers == z) for z in elements]
    atoms.set_yticks((starts + ends - 1) / 2, [chemical_symbols[z] for z in elements])
    atoms.tick_params(axis="y", length=0)
    for colour, tick in zip(element_colours(elements), atoms.get_yticklabels(), strict=True):
        tick.set(color=colour, fontweight="bold")
    for end in ends[:-1]:
        atoms.axhline(end - 0.5, color="black", linewidth=0.7)

    start = 0
    for word, group in groupby(label.split()[0] for label in labels):
        size = len(list(group))
        if start:
            for axes in (sizes, atoms):
                axes.axvline(start - 0.5, color="black", linewidth=0.7)
        name = word.replace("=", " = ") if size > 0.06 * n_features else word.removeprefix("n=")
        sizes.annotate(name, (start + (size - 1) / 2, 1.02), xycoords=("data", "axes fraction"), ha="center")
        start += size


def visible_radius(density: PseudoDensity, fraction: float = 0.01) -> float:
    """Radius in Å beyond which the radial distribution stays below `fraction` of its largest value."""
    radii = np.linspace(0.0, 12.0, 1201)
    distribution = np.abs(density.radial_distribution(radii))
    return float(radii[np.nonzero(distribution >= fraction * distribution.max())[0][-1]])


def element_colours(numbers: Sequence[int]) -> list[str]:
    """One colour for each of `numbers`."""
    return [COLOURS[k % len(COLOURS)] for k in range(len(numbers))]


def _lines(n_channels: int) -> list:
    return [CHANNEL_LINES[k % len(CHANNEL_LINES)] for k in range(n_channels)]
