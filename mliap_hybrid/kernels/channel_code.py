"""Writes invariants of a channel (features/channel_invariants.py) and their gradients as straight-line C++.

    python -m mliap_hybrid.kernels.channel_code

Loops over lists of coefficients take several times as long as code in which the coefficients stand. The headers,
native/channel_products.h and channel_invariants.h, are kept in the repository; a test compares them with what this
module writes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from mliap_hybrid.features.channel_invariants import BODY_ORDERS, MAX_ORDER, N_COMPONENTS, ChannelInvariants
from mliap_hybrid.features.couplings import Coupling, gaunt

ALL = ChannelInvariants(max(BODY_ORDERS))

OF_TRIPLES = ALL.triples
"""Products of two factors that body order 4 asks for."""

OF_QUARTETS_ALONE = tuple(
    dict.fromkeys(coupling for pair in ALL.quartets for coupling in pair if coupling not in OF_TRIPLES)
)
"""Those that body order 5 asks for besides."""

LARGEST_DENOMINATOR = 1000
"""Of the squares of the coefficients; those of the orders up to 3 are far below."""

NATIVE = Path(__file__).parent / "native"

PRODUCTS = """\
// Written by kernels/channel_code.py: do not edit.
//
// Products of two multipoles of one channel, p = (A_1 A_1)_2 and so on, and the way back: what a function of a product
// has for a gradient by the multipoles, g, from that by the product, d. The coefficients are those of
// features/couplings.py. N is a vector of numbers or of dual numbers of type T.
#pragma once

#include "dual.h"

namespace MLIAP_SIMD {

// What the product of components k1 and k2 adds to g; e is the derivative by it.
template <class N> MLIAP_INLINE void channel_product_adjoint(const N *a, int k1, int k2, const N &e, N *g)
{
  g[k1] = g[k1] + e * a[k2];
  if (k1 != k2) g[k2] = g[k2] + e * a[k1];
}

%(products)s
}  // namespace MLIAP_SIMD
"""

TEMPLATE = "template <class T, class N> MLIAP_INLINE"

INVARIANTS = """\
// Written by kernels/channel_code.py: do not edit.
//
// Rotation invariants of one channel, b, from its multipoles, a, and what a function of b has for a gradient by a. The
// definition is features/channel_invariants.py. N is a vector of numbers or of dual numbers of type T.
#pragma once

#include "channel_products.h"
#include "plan.h"

namespace MLIAP_SIMD {

using mliap::channel_invariants_size;
using mliap::kChannelComponents;

%(checks)s

template <class T, int BODY, class N>
void channel_invariants(const N *a, N *b)
{
%(invariants)s
}

// g = sum over q of w_q db_q/da.
template <class T, int BODY, class N>
void channel_adjoint(const N *a, const N *w, N *g)
{
%(adjoint)s
}

}  // namespace MLIAP_SIMD
"""


def headers() -> dict[Path, str]:
    """Both headers: their places and their texts."""
    sizes = {f"channel_invariants_size({body})": ChannelInvariants(body).n for body in BODY_ORDERS}
    known = {"kChannelComponents": N_COMPONENTS, **sizes}
    checks = "\n".join(f'static_assert({name} == {n}, "plan.h");' for name, n in known.items())
    products = "\n".join(line for coupling in (*OF_TRIPLES, *OF_QUARTETS_ALONE) for line in _product(coupling))
    parts = {"invariants": "\n".join(_indented(_invariants())), "adjoint": "\n".join(_indented(_adjoint()))}
    return {
        NATIVE / "channel_products.h": PRODUCTS % {"products": products},
        NATIVE / "channel_invariants.h": INVARIANTS % {"checks": checks, **parts},
    }


def _invariants() -> Iterator[str]:
    yield "b[0] = a[0];"
    for n in range(1, MAX_ORDER + 1):
        yield f"b[{n}] = {_sum(f'a[{k}] * a[{k}]' for k in _components(n))};"
    place = 1 + MAX_ORDER
    yield "if constexpr (BODY >= 4) {"
    yield from _indented(_products(OF_TRIPLES))
    for coupling in ALL.triples:
        terms = (f"{_name(coupling)}[{m}] * a[{k}]" for m, k in enumerate(_components(coupling[2])))
        yield f"  b[{place}] = {_sum(terms)};"
        place += 1
    yield "  if constexpr (BODY >= 5) {"
    yield from _indented(_indented(_products(OF_QUARTETS_ALONE)))
    for first, second in ALL.quartets:
        terms = (f"{_name(first)}[{m}] * {_name(second)}[{m}]" for m in range(2 * first[2] + 1))
        yield f"    b[{place}] = {_sum(terms)};"
        place += 1
    yield from ("  }", "}")


def _adjoint() -> Iterator[str]:
    """The way back; d112 and so on are the derivatives by the products p112 and so on."""
    yield "g[0] = w[0];"
    for n in range(1, MAX_ORDER + 1):
        yield f"const N w{n} = T(2) * w[{n}];"
        yield from (f"g[{k}] = w{n} * a[{k}];" for k in _components(n))
    place = 1 + MAX_ORDER
    yield "if constexpr (BODY >= 4) {"
    yield from _indented(_products(OF_TRIPLES))
    for coupling in ALL.triples:
        components = list(_components(coupling[2]))
        yield f"  N d{_digits(coupling)}[] = {{{', '.join(f'w[{place}] * a[{k}]' for k in components)}}};"
        yield from (f"  g[{k}] = g[{k}] + w[{place}] * {_name(coupling)}[{m}];" for m, k in enumerate(components))
        place += 1
    yield "  if constexpr (BODY >= 5) {"
    yield from _indented(_indented(_products(OF_QUARTETS_ALONE)))
    for coupling in OF_QUARTETS_ALONE:
        zeros = ", ".join("T(0) * a[0]" for _ in range(2 * coupling[2] + 1))
        yield f"    N d{_digits(coupling)}[] = {{{zeros}}};"
    for first, second in ALL.quartets:
        for m in range(2 * first[2] + 1):
            for one, other in ((first, second), (second, first)):
                d = f"d{_digits(one)}[{m}]"
                yield f"    {d} = {d} + w[{place}] * {_name(other)}[{m}];"
        place += 1
    yield from _indented(_indented(_back_through(OF_QUARTETS_ALONE)))
    yield "  }"
    yield from _indented(_back_through(OF_TRIPLES))
    yield "}"


def _back_through(couplings: Sequence[Coupling]) -> Iterator[str]:
    """From derivatives by products to those by their factors."""
    for coupling in couplings:
        yield f"channel_adjoint_{_digits(coupling)}<T>(a, d{_digits(coupling)}, g);"


def _product(coupling: Coupling) -> Iterator[str]:
    """Functions of the product (A_a A_b)_c: its values, and the way back to its factors."""
    components: list[list[str]] = [[] for _ in range(2 * coupling[2] + 1)]
    of_factors: dict[tuple[int, int], list[str]] = {}
    for k1, k2, m, value in _terms(coupling):
        components[m].append(f"T({value!r}) * (a[{k1}] * a[{k2}])")
        slope = 2.0 * value if k1 == k2 else value
        of_factors.setdefault((k1, k2), []).append(f"T({slope!r}) * d[{m}]")
    yield from (TEMPLATE, f"void channel_product_{_digits(coupling)}(const N *a, N *p)")
    yield "{"
    yield from (f"  p[{m}] = {_sum(terms)};" for m, terms in enumerate(components))
    yield from ("}", "")
    yield from (TEMPLATE, f"void channel_adjoint_{_digits(coupling)}(const N *a, const N *d, N *g)")
    yield "{"
    for (k1, k2), terms in of_factors.items():
        yield f"  channel_product_adjoint<N>(a, {k1}, {k2}, {_sum(terms)}, g);"
    yield from ("}", "")


def _products(couplings: Sequence[Coupling]) -> Iterator[str]:
    """Values of the products (A_a A_b)_c, p112 and so on."""
    for coupling in couplings:
        yield f"N {_name(coupling)}[{2 * coupling[2] + 1}];"
        yield f"channel_product_{_digits(coupling)}<T>(a, {_name(coupling)});"


def _terms(coupling: Coupling) -> list[tuple[int, int, int, float]]:
    """Components k1 and k2 of the factors, component m of the product, and the coefficient of each term."""
    n1, n2, _ = coupling
    coefficients = gaunt(*coupling)  # (2 n1 + 1, 2 n2 + 1, 2n + 1)
    found = []
    for m1, m2, m in np.argwhere(coefficients):
        if n1 == n2 and m2 < m1:
            continue  # the same product as that with m1 and m2 exchanged
        value = exact(float(coefficients[m1, m2, m])) * (2.0 if n1 == n2 and m1 != m2 else 1.0)
        found.append((n1 * n1 + int(m1), n2 * n2 + int(m2), int(m), value))
    return found


def exact(coefficient: float) -> float:
    """A Gaunt coefficient without the rounding of its quadrature, which differs between machines: a root of a fraction.

    Raises
    ------
    ValueError
        If it is none.
    """
    square = Fraction(coefficient * coefficient).limit_denominator(LARGEST_DENOMINATOR)
    value = math.copysign(math.sqrt(square), coefficient)
    if abs(value - coefficient) > 1e-13:
        raise ValueError(f"expected the root of a fraction, got {coefficient!r}")
    return value


def _components(n: int) -> range:
    return range(n * n, (n + 1) ** 2)


def _digits(coupling: Coupling) -> str:
    return "".join(map(str, coupling))


def _name(coupling: Coupling) -> str:
    return f"p{_digits(coupling)}"


def _sum(terms: Iterable[str]) -> str:
    return " + ".join(terms)


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


if __name__ == "__main__":
    for header, text in headers().items():
        header.write_text(text)
