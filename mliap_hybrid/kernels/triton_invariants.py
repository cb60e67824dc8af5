"""The features of fixed product sets as sparse polynomials of the moments: which terms there are."""

from __future__ import annotations

from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.kernels.plan import Triples, n_probes, products_of
from mliap_hybrid.kernels.triton_polynomials import SparsePolynomials, with_derivatives

ProductTerms = list[tuple[tuple[int, ...], float]]
"""Moments that are multiplied, and a coefficient."""


def invariants(features: GaussianMultipoles) -> tuple[SparsePolynomials, SparsePolynomials, SparsePolynomials]:
    """The features and what their derivative does, there and back, as polynomials: see `with_derivatives`.

    The moments are those of `PairKernels`: component after component of all orders, and probe after probe of each.
    """
    probes = n_probes(features)
    n_components = sum(2 * n + 1 for n in features.orders)
    return with_derivatives(_second_order(features) + _third_order(features), n_components * probes)


def _second_order(features: GaussianMultipoles) -> list[ProductTerms]:
    """Products of two moments, and moments themselves, in the order of the features."""
    result: list[ProductTerms] = []
    probes, first = n_probes(features), _first_components(features)
    for (place, a, b), scale in zip(*products_of(features), strict=True):
        rows = [probes * component for component in range(first[place], first[place + 1])]
        result.append([((row + a,) if b < 0 else (row + a, row + b), scale) for row in rows])
    return result


def _third_order(features: GaussianMultipoles) -> list[ProductTerms]:
    """Products of three moments, in the order of the features."""
    result: list[ProductTerms] = []
    probes, first, triples = n_probes(features), _first_components(features), Triples(features)
    for (q, *abc), scale in zip(triples.triples, triples.scales, strict=True):
        begin = sum(triples.n_terms[:q])
        terms: ProductTerms = []
        for t in range(begin, begin + triples.n_terms[q]):
            places = zip(triples.coupling_orders[q], triples.components[t], abc, strict=True)
            moments = tuple((first[order] + component) * probes + probe for order, component, probe in places)
            terms.append((moments, scale * triples.values[t]))
        result.append(terms)
    return result


def _first_components(features: GaussianMultipoles) -> list[int]:
    """Where the components of each order begin, and where the last ones end."""
    return [sum(2 * n + 1 for n in features.orders[:k]) for k in range(len(features.orders) + 1)]
