"""A model as plain data, for checkpoints and exports: a description that can be written as JSON, and tensors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from ase.data import atomic_numbers, chemical_symbols
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from mliap_hybrid.features.density import DensityTable, PseudoDensity
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.radial import SplinedRadial
from mliap_hybrid.features.whitening import Whitening
from mliap_hybrid.models.atomic_network import AtomicNetwork
from mliap_hybrid.models.hybrid import HybridModel
from mliap_hybrid.physics.repulsion import ZBLRepulsion


class PrimitivesDescription(BaseModel):
    """Pseudo-density of one element."""

    model_config = ConfigDict(extra="forbid")

    amplitudes: list[float]
    """e/Å^3."""
    exponents: list[float]
    """1/Å^2."""


class ModelDescription(BaseModel):
    """Which terms a model has, and all their settings; the weights are tensors beside it."""

    model_config = ConfigDict(extra="forbid")

    elements: list[str]
    """Symbols, by ascending atomic number."""
    orders: list[int]
    """Multipole orders of the features."""
    widths: list[float]
    """Probe widths in Å."""
    cutoff: float
    """Å."""
    taper_width: float
    """Width of the last stretch before the cutoff in which the features fade, Å."""
    channels: list[str]
    """Density channels of the features."""
    products: str
    """Which products of moments are features."""
    normalization: str
    """Normalisation of the features."""
    root_offset: float | None
    """Offset of the features' square root; None for plain squares."""
    radial: str
    """Whether radial functions are tabulated (spline) or summed (exact)."""
    densities: dict[str, PrimitivesDescription]
    """Symbol -> pseudo-density."""
    hidden: list[int]
    """Hidden layers of the network."""
    whitened: bool
    """Whether the whitening stands beside the network (True) or is folded into its first layer (False)."""
    baseline: dict[str, float]
    """Symbol -> E0, eV."""
    repulsion: str
    """zbl or none."""
    charges: dict[str, float] | None
    """Symbol -> fixed charge in e; None without a long-range term."""
    smearing: float
    """Å."""

    def terms(self) -> list[str]:
        """Names of the terms of the energy, for people."""
        names = ["baseline", "network on Gaussian multipoles"]
        names += ["ZBL repulsion"] if self.repulsion == "zbl" else []
        names += ["long-range Coulomb, fixed smeared charges"] if self.charges is not None else []
        return names


def describe(model: HybridModel) -> tuple[ModelDescription, dict[str, Tensor]]:
    """Take a model apart.

    Returns
    -------
    description : ModelDescription
    tensors : dict of str to Tensor
        Weights of the network, and of the whitening if there is one.
    """
    symbols = {z: chemical_symbols[z] for z in model.elements}
    densities = {
        symbols[z]: PrimitivesDescription(amplitudes=density.amplitudes.tolist(), exponents=density.exponents.tolist())
        for z, density in model.features.densities.densities.items()
    }
    charges = {symbols[z]: charge for z, charge in model.charge_table().items()}
    description = ModelDescription(
        elements=list(symbols.values()),
        orders=list(model.features.orders),
        widths=list(model.features.widths),
        cutoff=model.cutoff,
        taper_width=model.features.taper_width,
        channels=list(model.features.channels),
        products=model.features.products,
        normalization=model.features.normalization,
        root_offset=model.features.root_offset,
        radial="spline" if isinstance(model.features.radial, SplinedRadial) else "exact",
        densities=densities,
        hidden=list(model.network.hidden),
        whitened=model.whitening is not None,
        baseline={symbol: float(model.baseline[z]) for z, symbol in symbols.items()},
        repulsion="none" if model.repulsion is None else "zbl",
        charges=charges or None,
        smearing=model.smearing,
    )
    tensors = {f"network.{name}": value.detach().clone() for name, value in model.network.state_dict().items()}
    if model.whitening is not None:
        tensors |= {
            "whitening.mean": model.whitening.mean.detach().clone(),
            "whitening.matrix": model.whitening.matrix.detach().clone(),
        }
    return description, tensors


def build(description: ModelDescription, tensors: Mapping[str, Tensor]) -> HybridModel:
    """Put a model together again, in float64.

    Raises
    ------
    InputError
        If the description asks for an element without a pseudo-density.
    RuntimeError
        If the tensors do not fit the description.
    """
    elements = [atomic_numbers[symbol] for symbol in description.elements]
    table = DensityTable(
        "of the model",
        {
            atomic_numbers[symbol]: PseudoDensity(np.array(entry.amplitudes), np.array(entry.exponents))
            for symbol, entry in description.densities.items()
        },
    )
    features = GaussianMultipoles(
        orders=description.orders,
        widths=description.widths,
        cutoff=description.cutoff,
        elements=elements,
        table=table,
        taper_width=description.taper_width,
        channels=description.channels,
        products=description.products,
        normalization=description.normalization,
        root_offset=description.root_offset,
        radial=description.radial,
    )
    whitening = Whitening(tensors["whitening.mean"], tensors["whitening.matrix"]) if description.whitened else None
    n_inputs = features.n_features if whitening is None else whitening.matrix.shape[1]
    # The random first weights are replaced below; the caller's random state stays as it is.
    with torch.random.fork_rng(devices=[]):
        network = AtomicNetwork(n_inputs, description.hidden, len(elements)).double()
    prefix = "network."
    network.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
    model = HybridModel(
        features=features,
        whitening=whitening,
        network=network,
        baseline=_by_number(description.baseline),
        repulsion=ZBLRepulsion(description.cutoff) if description.repulsion == "zbl" else None,
        charges=None if description.charges is None else _by_number(description.charges),
        smearing=description.smearing,
    )
    return model.double().eval()


def fold_whitening(model: HybridModel) -> HybridModel:
    """The same model with the whitening folded into the first layer and the linear terms, in float64."""
    if model.whitening is None:
        return model
    description, tensors = describe(model)
    folded = {name: tensor for name, tensor in tensors.items() if not name.startswith("whitening.")}
    for weight, bias in (("network.layers.0.weight", "network.layers.0.bias"), ("network.linear", "network.offset")):
        folded[weight], folded[bias] = model.whitening.fold_into(tensors[weight].double(), tensors[bias].double())
    return build(description.model_copy(update={"whitened": False}), folded)


def _by_number(values: Mapping[str, float]) -> dict[int, float]:
    return {atomic_numbers[symbol]: value for symbol, value in values.items()}
