"""Arrays at the door of the native kernels: of other types, strides, lengths and places in memory, with odd numbers."""

from __future__ import annotations

import functools
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from kind import Kind

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.kernels.native_backend import NativeBackend
from mliap_hybrid.kernels.torch_backend import TorchBackend
from mliap_hybrid.structure import Geometry
from mliap_hybrid.testing.surroundings import random_like, surroundings
from mliap_hybrid.testing.training_kernel_tests import make_network

ELEMENTS = (1, 8, 26)

NUMBERS = (float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1e308, 1e-320, 1e-4, 4.999, 5.0, -1.0)

INTEGERS = (-1, 0, 1, 2, 8, 26, 118, 119, 2**31, -(2**63), 2**62, 5)

TYPES = (torch.float32, torch.float64, torch.float16, torch.int32, torch.int64, torch.bool, torch.uint8)

LARGEST = 1e-8
"""Difference of the back ends, relative to the largest number."""


@functools.cache
def _backends() -> tuple[NativeBackend, TorchBackend]:
    features = GaussianMultipoles((0, 1, 2), (0.6, 1.1), 5.0, ELEMENTS)
    return NativeBackend(features), TorchBackend(features)


@st.composite
def damaged_tensor(draw: Any, tensor: torch.Tensor) -> torch.Tensor:
    """The same numbers elsewhere in memory, or others."""
    how = draw(st.sampled_from(("value", "value", "strided", "misaligned", "type", "cut", "empty", "transposed")))
    if how == "value" and tensor.numel():
        values = NUMBERS if tensor.dtype.is_floating_point else INTEGERS
        changed = tensor.contiguous().clone()
        # By way of a tensor: 1e308 becomes infinite in single precision, where torch refuses the number of Python.
        value = torch.tensor(draw(st.sampled_from(values)), dtype=torch.float64 if values is NUMBERS else torch.int64)
        changed.view(-1)[draw(st.integers(0, tensor.numel() - 1))] = value.to(tensor.dtype)
        return changed
    if how == "strided":
        return torch.stack([tensor, tensor], dim=-1)[..., 0]
    if how == "misaligned" and tensor.numel():
        memory = bytearray(1) + bytearray(tensor.contiguous().numpy().tobytes())
        return torch.frombuffer(memory, dtype=tensor.dtype, offset=1).view(tensor.shape)
    if how == "type":
        return tensor.to(draw(st.sampled_from(TYPES)))
    if how == "cut":
        return tensor[: draw(st.integers(0, len(tensor)))]
    if how == "empty":
        return tensor[:0]
    return tensor.T if how == "transposed" and tensor.ndim == 2 else tensor


@st.composite
def _geometries(draw: Any) -> tuple[Geometry, torch.Tensor, torch.Tensor]:
    """A geometry, derivatives by features, and displacements; up to two tensors damaged."""
    counts = draw(st.lists(st.integers(0, 3), max_size=3))
    geometry = surroundings(counts, ELEMENTS, seed=draw(st.integers(0, 9)), width=3.0)
    if draw(st.booleans()) and len(geometry.pair_i):
        order = torch.tensor(draw(st.permutations(range(len(geometry.pair_i)))))
        of_pairs = ("pair_i", "neighbour_numbers", "pair_vectors")
        geometry = replace(geometry, **{name: getattr(geometry, name)[order] for name in of_pairs})
    weights = random_like(torch.empty(len(counts), _backends()[0].n_features), 1)
    moved = random_like(geometry.pair_vectors, 2)
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from((*(field.name for field in fields(Geometry)), "weights", "moved")))
        if name == "weights":
            weights = draw(damaged_tensor(weights))
        elif name == "moved":
            moved = draw(damaged_tensor(moved))
        elif isinstance(getattr(geometry, name), torch.Tensor):
            geometry = replace(geometry, **{name: draw(damaged_tensor(getattr(geometry, name)))})
    return geometry, weights, moved


def _check_features(case: tuple[Geometry, torch.Tensor, torch.Tensor], folder: Path) -> None:
    geometry, weights, moved = case
    native, definition = _backends()
    try:
        found = [
            native.forward(geometry),
            native.vjp(geometry, weights),
            native.jvp(geometry, moved),
            native.hvp(geometry, weights, moved),
        ]
    except ValueError as error:  # a caller's mistake, not a user's
        raise InputError(str(error)) from None
    if not (_is_of_a_run(weights) and _is_of_a_run(moved)):
        return
    plain = replace(geometry, pair_vectors=geometry.pair_vectors.double().contiguous())
    weights, moved = weights.double().contiguous(), moved.double().contiguous()
    expected = [
        definition.forward(plain),
        definition.vjp(plain, weights),
        definition.jvp(plain, moved),
        definition.hvp(plain, weights, moved),
    ]
    for values, others in zip(found, expected, strict=True):
        assert values.shape == others.shape
        scale = max(1.0, float(others.abs().max()) if others.numel() else 0.0)
        assert torch.isfinite(values).all(), "not finite"
        assert torch.allclose(values, others, rtol=0.0, atol=LARGEST * scale), float((values - others).abs().max())


@st.composite
def _sums(draw: Any) -> list[torch.Tensor]:
    """Arguments of the sums over pairs: pairs, vectors, frames, and the gradients of the pairs."""
    n_atoms, n_pairs = draw(st.integers(1, 4)), draw(st.integers(0, 5))
    seed = torch.Generator().manual_seed(draw(st.integers(0, 9)))
    index = [torch.randint(n_atoms, (n_pairs,), generator=seed) for _ in range(2)]
    vectors = [torch.randn(n_pairs, 3, generator=seed, dtype=torch.float64) for _ in range(2)]
    given = [*index, vectors[0], torch.randint(2, (n_atoms,), generator=seed), vectors[1]]
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, 4))
        given[place] = draw(damaged_tensor(given[place]))
    return given


def _check_sums(case: list[torch.Tensor], folder: Path) -> None:
    *pairs, gradients = case
    try:
        found = NativeBackend.pair_sums(*pairs, 2)(gradients)
    except ValueError as error:
        raise InputError(str(error)) from None
    if not all(_is_of_a_run(values) for values in (pairs[2], gradients)):
        return
    pairs[2] = pairs[2].double()
    expected = TorchBackend.pair_sums(*pairs, 2)(gradients)
    for values, others in zip(found, expected, strict=True):
        assert values.shape == others.shape
        assert torch.allclose(values.double(), others.double(), rtol=1e-5, atol=1e-5)


def _is_of_a_run(values: torch.Tensor) -> bool:
    """Whether sums do not depend on their order, nor products on an infinity. Other numbers are only to be survived."""
    return bool((values.double().abs() < 1e3).all())


@st.composite
def _networks(draw: Any) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Features and species, and the parameters of a network, some damaged."""
    network = make_network(4, (3,))
    n_atoms = draw(st.integers(0, 3))
    given = [random_like(torch.empty(n_atoms, 4)), torch.zeros(n_atoms, dtype=torch.int64), *network.parameters]
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(given) - 1))
        given[place] = draw(damaged_tensor(given[place].detach()))
    return given[:2], given[2:]


def _check_network(case: tuple[list[torch.Tensor], list[torch.Tensor]], folder: Path) -> None:
    (features, species), (first, last, first_bias, last_bias, linear, offset) = case
    network = replace(
        make_network(4, (3,)), weights=[first, last], biases=[first_bias, last_bias], linear=linear, offset=offset
    )
    try:
        found = NativeBackend.values_and_gradients(features, species, network)
    except ValueError as error:
        raise InputError(str(error)) from None
    if not all(_is_of_a_run(tensor) for tensor in (*case[0], *case[1])):
        return
    expected = TorchBackend.values_and_gradients(features, species, network)
    for values, others in zip(found, expected, strict=True):
        assert values.shape == others.shape
        scale = max(1.0, float(others.detach().abs().max()) if others.numel() else 0.0)
        assert torch.allclose(values, others, rtol=0.0, atol=1e-5 * scale)


SAME = "the numbers of torch"

KINDS = (
    Kind("kernels: features", SAME, 2_000, _geometries, _check_features),
    Kind("kernels: sums of pairs", SAME, 4_000, _sums, _check_sums),
    Kind("kernels: networks", SAME, 4_000, _networks, _check_network),
)
