"""Boxes of water and untrained models, on which neither cost nor exactness depends: shared by parts of charges.py."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from ase import Atoms
from ase.build import molecule
from scipy.spatial.transform import Rotation

from mliap_hybrid.config import parse_training_file
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.fitting.model_factory import make_features
from mliap_hybrid.lammps.data_file import write_data_file
from mliap_hybrid.lammps.exporter import load_exported
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.bounds import Within
from mliap_hybrid.model.heads import Head
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.neutrality import Shift
from mliap_hybrid.model.parameters import PredictedParameter
from mliap_hybrid.model.terms.repulsion import ZBLRepulsion
from mliap_hybrid.model.terms.standard import standard_model
from mliap_hybrid.model.whitening import Whitening

Row = dict[str, object]
"""What was measured: `what`, `value`, `unit`."""

ELEMENTS = ["H", "O"]

WATER_CHARGES = {1: 0.4, 8: -0.8}
"""e."""

MOLECULES_PER_VOLUME = 0.60221 / 18.015 * 0.997
"""1/Å^3, at 0.997 g/cm^3."""


def water(n_molecules: int) -> Atoms:
    """Molecules on a lattice, turned at random."""
    random = np.random.default_rng(0)
    edge = (n_molecules / MOLECULES_PER_VOLUME) ** (1.0 / 3.0)  # Å
    n = int(np.ceil(n_molecules ** (1.0 / 3.0)))
    places = np.stack(np.meshgrid(*[np.arange(n)] * 3), axis=-1).reshape(-1, 3)[random.permutation(n**3)[:n_molecules]]
    one, box = molecule("H2O"), Atoms(cell=[edge] * 3, pbc=True)
    for place, turn in zip(places, Rotation.random(n_molecules, random_state=0), strict=True):
        turned = one.copy()
        turned.positions = turn.apply(one.positions - one.positions[0]) + place * edge / n
        box += turned
    return box


def untrained_model(charges: Literal["none", "fixed", "predicted"]) -> HybridModel:
    """Features of `gmp-2c3` and networks with random weights; predicted charges vary by a tenth of e."""
    torch.manual_seed(0)
    settings = parse_training_file({"data": {"files": ["none"]}, "network": {"hidden": [128, 128]}}, "the benchmark")
    features = make_features(settings, (1, 8))
    whitening = Whitening.fit(features(frame_to_batch(water(64), features.cutoff).geometry()), damping=1e-3)
    n_inputs = whitening.matrix.shape[1]
    network = AtomicNetwork(n_inputs, settings.network.hidden, 2)
    charge_network = AtomicNetwork(n_inputs, settings.electrostatics.charge_hidden, 2)
    charge_network.layers[-1].weight.data *= 3.0
    start = torch.tensor(list(WATER_CHARGES.values()))
    predicted = PredictedParameter("charge", "e", start, Within(0.5), Shift())
    model = standard_model(
        features,
        {1: 0.0, 8: 0.0},
        network,
        whitening=whitening,
        explicit=(ZBLRepulsion(features.cutoff),),
        charges={"none": None, "fixed": WATER_CHARGES, "predicted": predicted}[charges],
        heads=(Head("charge", [charge_network]),) if charges == "predicted" else (),
        smearing=settings.electrostatics.smearing,
    )
    return model.double().eval()


def write_system(folder: Path, atoms: Atoms, model: Path, accuracy: float) -> str:
    """Write structure.data; return the input lines of the potential, with the PPPM that suits a cube."""
    _, manifest = load_exported(model)
    write_data_file(folder / "structure.data", atoms, ELEMENTS, manifest.description.constants("charge"))
    lines = potential_block(manifest, str(model.resolve()), ELEMENTS, accuracy)
    return lines + ("kspace_modify   diff ad\n" if "kspace_style" in lines else "")
