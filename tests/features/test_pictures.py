"""What the pictures show: numbers read back from the drawn curves."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from matplotlib.figure import Figure
from scipy.integrate import trapezoid

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.features.acsf import SymmetryFunctions
from mliap_hybrid.features.density_files import load_table
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.pictures import draw_densities, draw_radial_functions, draw_spectrum, feature_figure


def values_of(features, atoms: Atoms) -> np.ndarray:
    return features(frame_to_batch(atoms, features.cutoff).geometry()).detach().numpy()


def standardised(figure: Figure) -> np.ndarray:
    """The image of a spectrum, (n_atoms, n_features)."""
    return next(axes.images[0] for axes in figure.axes if axes.images).get_array().data


def test_densities_hold_the_electrons() -> None:
    figure = Figure()
    draw_densities(figure, load_table("gth-pbe").subset([8, 29]))
    for line, electrons in zip(figure.axes[0].lines, (6, 11), strict=True):
        assert trapezoid(line.get_ydata(), line.get_xdata()) == pytest.approx(electrons, rel=0.03)


@pytest.mark.parametrize("orders", [(0, 1, 2, 3), (-1, 0, 4), tuple(range(10))])
def test_radial_functions_are_those_of_the_features(orders: tuple[int, ...]) -> None:
    """Carbon alone beside a hydrogen: sum_m M^2 = (R Y)^2 at order n >= 1, so sqrt(F) over r is |R| up to a factor."""
    widths = (0.5, 1.0)
    features = GaussianMultipoles(orders, widths, 5.0, (1, 6))
    figure = Figure()
    draw_radial_functions(figure, features, 6)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in panels] == [f"n = {n}" for n in orders]
    distances = np.linspace(0.0, 5.0, 400)
    pairs = [frame_to_batch(Atoms("HC", [[0, 0, 0], [0, 0, r]]), 5.0) for r in distances[50:390:20]]
    seen = np.array([features(pair.geometry())[0].numpy() for pair in pairs])  # (n_distances, n_features)
    for n, axes in zip(orders, panels, strict=True):
        if n < 1:
            continue
        columns = [f for f, label in enumerate(features.feature_labels) if label.startswith(f"n={n} ")]
        for line, f in zip(axes.lines, columns, strict=False):
            drawn = np.abs(line.get_ydata()[50:390:20])
            expected = np.sqrt(seen[:, f])
            np.testing.assert_allclose(drawn / drawn.max(), expected / expected.max(), atol=1e-6)


def test_no_core_electrons_draw_a_flat_line() -> None:
    features = GaussianMultipoles((0, 1), (1.0,), 5.0, (1,), channels=("valence", "core"), products="all")
    figure = Figure()
    draw_radial_functions(figure, features, 1)
    valence, core = figure.axes[0].lines[:2]
    assert valence.get_ydata().max() == pytest.approx(1.0)
    assert (core.get_ydata() == 0.0).all()


def test_spectrum_is_standardised_and_sorted_by_element() -> None:
    atoms = molecule("CH3CH2OH")
    features = GaussianMultipoles((0, 1, 2), (0.5, 1.0), 5.0, (1, 6, 8))
    values = values_of(features, atoms)
    figure = Figure()
    draw_spectrum(figure, atoms.numbers, values, features.feature_labels)
    image = standardised(figure)
    np.testing.assert_allclose(image.mean(0), 0.0, atol=1e-12)
    np.testing.assert_allclose(image.std(0), 1.0, rtol=1e-12)
    np.testing.assert_allclose(image[-1], (values[2] - values.mean(0)) / values.std(0), rtol=1e-10)  # the oxygen
    names = [text.get_text() for text in figure.axes[0].texts]
    assert names == ["n = 0", "n = 1", "n = 2"]
    curves = figure.axes[0].lines[:3]  # rms of H, C, O
    rms_of_carbon = np.sqrt((values[:2] ** 2).mean(0))
    np.testing.assert_allclose(curves[1].get_ydata(), rms_of_carbon)


def test_symmetry_zeros_of_diamond_are_not_drawn() -> None:
    """At a tetrahedral site the first multipoles are n = 0, 3, 4: rounding errors at n = 1, 2 must not be shown."""
    atoms = bulk("C")
    features = GaussianMultipoles((0, 1, 2, 3, 4), (0.5, 1.0), 5.0, (6,))
    figure = Figure()
    draw_spectrum(figure, atoms.numbers, values_of(features, atoms), features.feature_labels)
    rms = figure.axes[0].lines[0].get_ydata()
    np.testing.assert_array_equal(np.isfinite(rms), [True] * 2 + [False] * 4 + [True] * 4)
    assert not standardised(figure).any()
    assert any("alike" in text.get_text() for axes in figure.axes for text in axes.texts)


@pytest.mark.parametrize("atoms", [Atoms("H"), bulk("Cu"), molecule("CH3CH2OH")])
def test_whole_figure(atoms: Atoms, tmp_path) -> None:
    elements = sorted({int(z) for z in atoms.numbers})
    radial, angular = [(0.1, 0.0), (1.0, 1.0)], [(0.01, 1.0, 1.0), (0.01, 4.0, -1.0)]
    for features in (
        GaussianMultipoles((-1, 0, 1), (0.5, 1.0), 5.0, elements, channels=("valence", "count")),
        SymmetryFunctions(elements, 5.0, radial, angular),
        SymmetryFunctions(elements, 5.0, radial, []),
    ):
        with torch.no_grad():
            figure = feature_figure(features, atoms.numbers, values_of(features, atoms), "title")
        figure.savefig(tmp_path / "figure.png")
        assert (tmp_path / "figure.png").stat().st_size > 20_000
