"""Gaussian-multipole features on the native kernels: the same numbers as features/gmp.py, many times faster.

The torch module stays the definition; from its tables and products a plan is made that the kernels work on. Everything
that a model needs of the features is here: values, dE/dF -> dE/dr (vjp), displacements -> dF (jvp), the change of the
vjp under displacements (hvp, a second derivative), and the energy of a network on top of them in one pass.
"""

from __future__ import annotations

import ctypes
import weakref
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.errors import InputError, did_you_mean
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.radial import SplinedRadial
from mliap_hybrid.kernels.library import (
    BAD_DISTANCE,
    FeatureSettings,
    NetworkSettings,
    PairList,
    doubles,
    instruction_sets,
    ints,
    open_library,
)
from mliap_hybrid.structure import Environments

MAX_ORDER = 6
"""Highest order n that the kernels know."""

SINGLE_INTERVALS = 256
"""Intervals of the radial table in single precision: its error is below that of the arithmetic, and it stays in the
cache."""

_Y_00 = 0.28209479177387814  # 1 / sqrt(4 pi)


def is_supported(features: torch.nn.Module) -> bool:
    """Whether the kernels can compute these features: tabulated multipoles of order 0 to 6, without a root."""
    return (
        isinstance(features, GaussianMultipoles)
        and isinstance(features.radial, SplinedRadial)
        and features.root_offset is None
        and 0 <= features.orders[0]
        and features.orders[-1] <= MAX_ORDER
    )


@dataclass(frozen=True)
class NetworkWeights:
    """A SiLU network with a linear term for each element, on features - shift (models/atomic_network.py)."""

    weights: list[Tensor]
    """(n_outputs, n_inputs) of each layer."""
    biases: list[Tensor]
    """(n_outputs,) of each layer."""
    shift: Tensor
    """(n_features,)."""
    linear: Tensor
    """(n_elements, n_features)."""
    offset: Tensor
    """(n_elements,), eV."""


@dataclass(frozen=True)
class SortedPairs:
    """Environments as the kernels read them."""

    pairs: PairList
    """Pointers into the tensors below."""
    n_centres: int
    order: Tensor | None
    """(n_pairs,) int64: place in the environments of each pair here; None where they were sorted by centre already."""
    vectors: Tensor
    """(n_pairs, 3) float64, Å."""
    kept: tuple[Tensor, ...]
    """Tensors that `pairs` points to."""


class NativeMultipoles:
    """Features, their derivatives and a network's energy on the compiled kernels.

    Parameters
    ----------
    features : GaussianMultipoles
        The definition; its tables are copied.
    network : NetworkWeights, optional
        For `energies`.
    dtype : {torch.float64, torch.float32}
        Precision of the arithmetic. Positions, pair gradients and energies are float64 at either.
    instruction_set : str, optional
        One of `library.instruction_sets()`; the best of the processor by default.
    n_threads : int

    Raises
    ------
    InputError
        If the kernels cannot compute these features, or the processor lacks the instruction set.
    """

    def __init__(
        self,
        features: GaussianMultipoles,
        network: NetworkWeights | None = None,
        *,
        dtype: torch.dtype = torch.float64,
        instruction_set: str | None = None,
        n_threads: int = 1,
    ):
        if not is_supported(features):
            raise InputError(
                "the native kernels compute tabulated multipole features of the orders 0 to 6 without a root; "
                f"found orders {getattr(features, 'orders', None)}: use the torch features"
            )
        if dtype not in (torch.float32, torch.float64):
            raise ValueError(f"expected float32 or float64, got {dtype}")
        known = instruction_sets()
        instruction_set = instruction_set or known[0]
        if instruction_set not in known:
            raise InputError(
                f"this processor has no instruction set '{instruction_set}': {did_you_mean(instruction_set, known)}"
            )
        self.features = features
        self.dtype = dtype
        self.instruction_set = instruction_set
        self.n_threads = n_threads
        self._library = open_library()
        settings = _feature_settings(features, dtype)
        weights = None if network is None else ctypes.byref(_network_settings(network))
        self._handle = self._library.mliap_features_create(
            ctypes.byref(settings), weights, instruction_set.encode()
        )
        if not self._handle:
            raise InputError("the native kernels could not be set up for these features and this network")
        weakref.finalize(self, self._library.mliap_features_destroy, self._handle)
        self.n_features: int = features.n_features
        self.n_moments: int = self._library.mliap_features_moments(self._handle)

    def sort(self, environments: Environments) -> SortedPairs:
        """The environments as the kernels read them; every method below takes either.

        Raises
        ------
        InputError
            If an atom is of an element that the features were not made for.
        """
        pair_i = environments.pair_i
        order = None
        vectors = environments.pair_vectors.detach()
        neighbours = environments.neighbour_numbers
        if pair_i.numel() and not bool((pair_i[1:] >= pair_i[:-1]).all()):
            order = torch.argsort(pair_i, stable=True)  # (n_pairs,)
            vectors, neighbours = vectors[order], neighbours[order]
        vectors = vectors.to(torch.float64).contiguous()
        offsets = torch.zeros(environments.n_centres + 1, dtype=torch.int64)
        torch.cumsum(torch.bincount(pair_i, minlength=environments.n_centres), 0, out=offsets[1:])
        centre_rows = self.features.rows_of(environments.centre_numbers).to(torch.int32)
        neighbour_rows = self.features.rows_of(neighbours).to(torch.int32)
        kept = (offsets, vectors, centre_rows, neighbour_rows)
        pairs = PairList(environments.n_centres, *(tensor.data_ptr() for tensor in kept))
        return SortedPairs(pairs, environments.n_centres, order, vectors, kept)

    def forward(self, environments: Environments | SortedPairs) -> Tensor:
        """Features (n_centres, n_features) of the centres, in `dtype`.

        Raises
        ------
        InputError
            If an element is not one of the features', or two atoms sit at one place.
        """
        return self.forward_with_moments(environments)[0]

    def forward_with_moments(self, environments: Environments | SortedPairs) -> tuple[Tensor, Tensor]:
        """Features (n_centres, n_features), and the moments (n_centres, n_moments) that `vjp` can start from."""
        pairs = self._sorted(environments)
        values = torch.empty((pairs.n_centres, self.n_features), dtype=self.dtype)
        moments = torch.empty((pairs.n_centres, self.n_moments), dtype=self.dtype)
        self._call("forward", pairs, values.data_ptr(), moments.data_ptr())
        return values, moments

    def vjp(
        self, environments: Environments | SortedPairs, feature_gradient: Tensor, moments: Tensor | None = None
    ) -> Tensor:
        """dE/dr_p of each pair from dE/dF.

        Parameters
        ----------
        environments : Environments or SortedPairs
        feature_gradient : Tensor, shape (n_centres, n_features)
        moments : Tensor, optional
            From `forward_with_moments` of the same environments; computed again if not given.

        Returns
        -------
        Tensor, shape (n_pairs, 3), float64
        """
        pairs = self._sorted(environments)
        weights = self._rows(feature_gradient, pairs)
        gradients = torch.empty_like(pairs.vectors)
        known = None if moments is None else moments.data_ptr()
        self._call("vjp", pairs, weights.data_ptr(), known, gradients.data_ptr())
        return _in_given_order(gradients, pairs)

    def jvp(self, environments: Environments | SortedPairs, displacements: Tensor) -> Tensor:
        """Change of the features (n_centres, n_features) when each r_p changes by displacements (n_pairs, 3)."""
        pairs = self._sorted(environments)
        moved = _in_sorted_order(displacements, pairs)
        changes = torch.empty((pairs.n_centres, self.n_features), dtype=self.dtype)
        self._call("jvp", pairs, moved.data_ptr(), changes.data_ptr())
        return changes

    def hvp(
        self, environments: Environments | SortedPairs, feature_gradient: Tensor, displacements: Tensor
    ) -> Tensor:
        """Change of `vjp` (n_pairs, 3) when each r_p changes by displacements (n_pairs, 3), with dE/dF held fixed."""
        pairs = self._sorted(environments)
        weights = self._rows(feature_gradient, pairs)
        moved = _in_sorted_order(displacements, pairs)
        changes = torch.empty_like(pairs.vectors)
        self._call("hvp", pairs, weights.data_ptr(), moved.data_ptr(), changes.data_ptr())
        return _in_given_order(changes, pairs)

    def energies(self, environments: Environments | SortedPairs) -> tuple[Tensor, Tensor]:
        """Network energies and their gradient.

        Returns
        -------
        energies : Tensor, shape (n_centres,), float64, eV
        pair_gradients : Tensor, shape (n_pairs, 3), float64, eV/Å
            dE/dr_p of their sum.
        """
        pairs = self._sorted(environments)
        energies = torch.empty(pairs.n_centres, dtype=torch.float64)
        gradients = torch.empty_like(pairs.vectors)
        self._call("energy", pairs, energies.data_ptr(), gradients.data_ptr())
        return energies, _in_given_order(gradients, pairs)

    def _sorted(self, environments: Environments | SortedPairs) -> SortedPairs:
        return environments if isinstance(environments, SortedPairs) else self.sort(environments)

    def _rows(self, feature_gradient: Tensor, pairs: SortedPairs) -> Tensor:
        expected = (pairs.n_centres, self.n_features)
        if feature_gradient.shape != expected:
            raise ValueError(f"expected dE/dF of shape {expected}, got {tuple(feature_gradient.shape)}")
        return feature_gradient.detach().to(self.dtype).contiguous()

    def _call(self, name: str, pairs: SortedPairs, *arguments: int | None) -> None:
        function = getattr(self._library, f"mliap_features_{name}")
        error = function(self._handle, ctypes.byref(pairs.pairs), self.n_threads, *arguments)
        if error == BAD_DISTANCE:
            raise InputError(_describe_bad_pair(pairs))
        if error:
            raise InputError(f"the native kernels stopped: {self._library.mliap_kernels_error(error).decode()}")


def _feature_settings(features: GaussianMultipoles, dtype: torch.dtype) -> FeatureSettings:
    """The C structure of these features; it keeps the arrays that it points to."""
    radial = features.radial
    assert isinstance(radial, SplinedRadial)
    n_elements, n_orders = len(features.elements), len(features.orders)
    n_probes = len(features.channels) * len(features.widths)
    table = radial.knots()  # (n_elements, n_intervals + 1, 2, n_radial)
    if dtype == torch.float32 and radial.n_intervals % SINGLE_INTERVALS == 0:
        stride = radial.n_intervals // SINGLE_INTERVALS
        # Slopes are times the spacing, which grows.
        table = table[:, ::stride] * torch.tensor([1.0, stride], dtype=torch.float64)[:, None]
    own = torch.zeros((n_elements, n_probes), dtype=torch.float64)
    if features.orders[0] == 0:
        own = _Y_00 * features.get_buffer("own_density")[:, features.radial_blocks[0]]

    products, scales = [], []
    for place, n in enumerate(features.orders):
        of_order = features.products_of(n)
        second = [-1] * of_order.n_features if of_order.linear else of_order.second.tolist()
        products += [(place, a, b) for a, b in zip(of_order.first.tolist(), second, strict=True)]
        scales += of_order.scale.tolist()

    couplings, n_terms, components, values, triples, triple_scales = [], [], [], [], [], []
    if features.triples is not None:
        entries = zip(features.triples.couplings, features.triples.entries, features.triples.probes, strict=True)
        for q, (coupling, (places, coefficients), probes) in enumerate(entries):
            couplings.append([features.orders.index(n) for n in coupling])
            n_terms.append(len(coefficients))
            components += places.tolist()
            values += coefficients.tolist()
            triples += [(q, *probe) for probe in probes.tolist()]
        triple_scales = features.triples.scales.tolist()
    return FeatureSettings(
        single_precision=dtype == torch.float32,
        n_elements=n_elements,
        n_orders=n_orders,
        orders=ints(features.orders),
        n_probes=n_probes,
        cutoff=features.cutoff,
        n_intervals=table.shape[1] - 1,
        table=doubles(table.numpy()),
        own=doubles(own.numpy()),
        n_products=len(products),
        products=ints(products),
        product_scales=doubles(scales),
        n_couplings=len(couplings),
        coupling_orders=ints(couplings),
        coupling_terms=ints(n_terms),
        term_components=ints(components),
        term_values=doubles(values),
        n_triples=len(triples),
        triples=ints(triples),
        triple_scales=doubles(triple_scales),
    )


def _network_settings(network: NetworkWeights) -> NetworkSettings:
    """The C structure of these weights; it keeps the arrays that it points to."""
    sizes = [network.weights[0].shape[1], *(weight.shape[0] for weight in network.weights)]
    return NetworkSettings(
        n_layers=len(network.weights),
        sizes=ints(sizes),
        weights=doubles(_flat(network.weights)),
        biases=doubles(_flat(network.biases)),
        shift=doubles(_flat([network.shift])),
        linear=doubles(_flat([network.linear])),
        offset=doubles(_flat([network.offset])),
    )


def _flat(tensors: list[Tensor]) -> np.ndarray:
    return torch.cat([tensor.detach().double().flatten() for tensor in tensors]).numpy()


def _in_sorted_order(values: Tensor, pairs: SortedPairs) -> Tensor:
    if values.shape != pairs.vectors.shape:
        raise ValueError(f"expected displacements of shape {tuple(pairs.vectors.shape)}, got {tuple(values.shape)}")
    values = values.detach().to(torch.float64)
    return (values if pairs.order is None else values[pairs.order]).contiguous()


def _in_given_order(values: Tensor, pairs: SortedPairs) -> Tensor:
    return values if pairs.order is None else torch.empty_like(values).index_copy_(0, pairs.order, values)


def _describe_bad_pair(pairs: SortedPairs) -> str:
    distances = pairs.vectors.norm(dim=1)  # (n_pairs,)
    p = int((~(distances > 1e-3)).nonzero()[0])
    centre = int(torch.searchsorted(pairs.kept[0], torch.tensor(p), right=True)) - 1
    if torch.isnan(distances[p]):
        return f"a position near atom {centre} is not a number: the pair vector is {pairs.vectors[p].tolist()} Å"
    return f"atom {centre} has a neighbour {float(distances[p]):.2g} Å away: two atoms at one place; remove the duplicate"
