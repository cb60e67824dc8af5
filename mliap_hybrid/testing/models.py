"""A small untrained model: random but reproducible, with every term, cheap to evaluate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.features.density import DensityTable, PseudoDensity
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.whitening import Whitening
from mliap_hybrid.models.atomic_network import AtomicNetwork
from mliap_hybrid.models.hybrid import HybridModel
from mliap_hybrid.physics.repulsion import ZBLRepulsion
from mliap_hybrid.testing.structures import rock_salt

SODIUM, CHLORINE = 11, 17

ION_CHARGES = {SODIUM: 0.8, CHLORINE: -0.8}
"""Charges in e of the model's ions."""

DENSITIES = DensityTable(
    "of the tests",
    {
        SODIUM: PseudoDensity(np.array([0.9, -0.2]), np.array([0.5, 2.1])),
        CHLORINE: PseudoDensity(np.array([0.3, 1.7]), np.array([0.4, 1.6])),
    },
)
"""Made-up pseudo-densities of two elements."""


def sodium_chloride_model(
    charges: Mapping[int, float] | None = ION_CHARGES, cutoff: float = 4.5, whitened: bool = True, seed: int = 0
) -> HybridModel:
    """An untrained model for Na and Cl whose forces are of the order of eV/Å, in float64.

    Parameters
    ----------
    charges : mapping of int to float, e, or None
    cutoff : float, Å
    whitened : bool
        Whether it has a whitening of its own.
    seed : int
    """
    features = GaussianMultipoles(
        orders=(0, 1, 2, 3),
        widths=(0.4, 0.8),
        cutoff=cutoff,
        elements=(SODIUM, CHLORINE),
        table=DENSITIES,
        channels=("valence", "count"),
        products="all",
        third_order="diagonal",
    )
    random = torch.Generator().manual_seed(seed)
    samples = features(frame_to_batch(rock_salt(2, rattle=0.3), cutoff).environments())  # (64, n_features)
    whitening = Whitening.fit(samples, damping=1e-2) if whitened else None
    n_inputs = features.n_features if whitening is None else whitening.matrix.shape[1]
    network = AtomicNetwork(n_inputs, (8, 8), n_elements=2).double()
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=random, dtype=torch.float64) * 0.4
    model = HybridModel(
        features=features,
        whitening=whitening,
        network=network,
        baseline={SODIUM: -1.5, CHLORINE: -2.5},
        repulsion=ZBLRepulsion(cutoff),
        charges=charges,
        smearing=0.8,
    )
    return model.double().eval()
