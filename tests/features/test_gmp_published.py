"""Two settings of the published featuriser (fixtures/prepare_gmp_published.py), which need no other files."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from published_gmp import assert_derivatives, assert_features

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.features.density import DensityTable, PseudoDensity
from mliap_hybrid.features.gmp import GaussianMultipoles

CUTOFF = 12.0  # Å: where the widest probe and density have decayed below rounding

PUBLISHED = np.load(Path(__file__).parents[1] / "fixtures" / "gmp_published.npz")

DENSITIES = DensityTable(
    "of the fixture",
    {
        int(key.removeprefix("densities/")): PseudoDensity(*PUBLISHED[key].T)
        for key in PUBLISHED
        if key.startswith("densities/")
    },
)


@pytest.mark.parametrize("setting", ["rooted", "squared"])
@pytest.mark.parametrize("structure", ["crystal", "molecule"])
def test_features_and_derivatives(setting: str, structure: str) -> None:
    atoms = Atoms(**{key: PUBLISHED[f"{structure}/{key}"] for key in ("numbers", "positions", "cell", "pbc")})
    rooted = not PUBLISHED[f"{setting}/square"]
    features = GaussianMultipoles(
        orders=PUBLISHED[f"{setting}/orders"].tolist(),
        widths=PUBLISHED[f"{setting}/widths"].tolist(),
        cutoff=CUTOFF,
        elements=np.unique(atoms.numbers).tolist(),
        table=DENSITIES,
        taper_width=0.0,
        normalization="paper",
        root_offset=0.0 if rooted else None,
        radial="exact",
    )
    batch = frame_to_batch(atoms, CUTOFF)
    expected = PUBLISHED[f"{setting}/{structure}/features"]  # (n_atoms, n_features)
    derivatives = PUBLISHED[f"{setting}/{structure}/derivatives"].transpose(0, 2, 1, 3)  # (i, j, feature, 3)
    name = f"{setting}, {structure}"
    scale = expected.max(axis=0)
    assert_features(features, batch, expected, scale, name)
    # Roots of what symmetry makes zero, in the plane of the molecule, have no derivative.
    compared = expected > 1e-6 * scale if rooted else np.ones_like(expected, dtype=bool)
    assert compared.mean() > 0.9
    assert_derivatives(features, batch, derivatives, np.abs(derivatives).max(axis=(0, 1, 3)), compared, name)
