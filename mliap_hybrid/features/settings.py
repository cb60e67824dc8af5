"""Checks of the features' settings, so that a slip is told as what it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mliap_hybrid.errors import InputError, did_you_mean
from mliap_hybrid.features.density import CHANNELS
from mliap_hybrid.features.harmonics import MAX_ORDER
from mliap_hybrid.features.normalization import NORMALIZATIONS
from mliap_hybrid.features.triples import RULES, couplings_up_to

RADIAL_FORMS = ("spline", "exact")
PRODUCTS = ("diagonal", "all")


def check_orders_and_widths(orders: Sequence[int], widths: Sequence[float]) -> None:
    """Orders are different integers from -1 to 9, widths different positive lengths.

    Raises
    ------
    InputError
    """
    in_range = all(n == int(n) and -1 <= n <= MAX_ORDER for n in orders)
    if not orders or not in_range or len(set(orders)) < len(orders):
        raise InputError(
            f"orders of the features: expected different integers from -1 to {MAX_ORDER}, found {list(orders)}"
        )
    positive = all(math.isfinite(s) and s > 0.0 for s in widths)
    if not positive or len(set(widths)) < len(widths) or (max(orders) >= 0 and not widths):
        raise InputError(
            f"widths of the features: expected one or more different lengths above 0 Å, found {list(widths)}"
        )


def check_range(cutoff: float, taper_width: float) -> None:
    """The cutoff is a positive length, and the taper lies within it.

    Raises
    ------
    InputError
    """
    if not (math.isfinite(cutoff) and cutoff > 0.0):
        raise InputError(f"cutoff of the features: expected a positive length in Å, found {cutoff}")
    if not 0.0 <= taper_width <= cutoff:
        raise InputError(f"taper_width of the features: expected 0 Å to the cutoff, {cutoff} Å, found {taper_width}")


def check_elements(elements: Sequence[int]) -> None:
    """Elements are different atomic numbers; whether a density exists is the table's to say.

    Raises
    ------
    InputError
    """
    if not elements or len(set(elements)) < len(elements) or any(z != int(z) for z in elements):
        raise InputError(f"elements of the features: expected different atomic numbers, found {list(elements)}")


def check_form(normalization: str, root_offset: float | None, radial: str) -> None:
    """Normalisation and radial form are known names, the offset of the root is none or not negative.

    Raises
    ------
    InputError
    """
    if normalization not in NORMALIZATIONS:
        hint = did_you_mean(normalization, NORMALIZATIONS)
        raise InputError(f"unknown normalization '{normalization}' of the features: {hint}")
    if radial not in RADIAL_FORMS:
        raise InputError(f"unknown radial form '{radial}' of the features: {did_you_mean(radial, RADIAL_FORMS)}")
    if root_offset is not None and not (math.isfinite(root_offset) and root_offset >= 0.0):
        raise InputError(f"root_offset of the features: expected none or a number from 0, found {root_offset}")


def check_channels(channels: Sequence[str], products: str, root_offset: float | None) -> None:
    """Channels and products are known, and only squares have a root.

    Raises
    ------
    InputError
    """
    unknown = next((channel for channel in channels if channel not in CHANNELS), None)
    if unknown is not None:
        raise InputError(f"unknown density channel '{unknown}' of the features: {did_you_mean(unknown, CHANNELS)}")
    if not channels or len(set(channels)) < len(channels):
        raise InputError(f"density channels of the features: expected different names, found {list(channels)}")
    if products not in PRODUCTS:
        raise InputError(f"unknown products '{products}' of the features: {did_you_mean(products, PRODUCTS)}")
    if products == "all" and root_offset is not None:
        raise InputError("root_offset of the features: only squares (products 'diagonal') have a root")


def check_third_order(rule: str, orders: Sequence[int], root_offset: float | None) -> None:
    """The rule is known, the orders couple, and there is no root, which products of three cannot have.

    Raises
    ------
    InputError
    """
    if rule not in RULES:
        raise InputError(f"unknown third_order '{rule}' of the features: {did_you_mean(rule, RULES)}")
    if rule == "none":
        return
    if not couplings_up_to(orders):
        raise InputError(
            f"third_order '{rule}' of the features: expected orders that couple, at least 1 and 2, "
            f"found {list(orders)}; raise the highest order to 2 or more, or set third_order to none"
        )
    if root_offset is not None:
        raise InputError(
            "root_offset of the features: products of three moments (third_order) can be negative and have no root; "
            "leave root_offset out, or set third_order to none"
        )
