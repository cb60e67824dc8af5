"""Reactions: molecules that give each other atoms from one frame to the next.

Molecules before and after are joined where they have an atom in common. Of the groups that come of it, those with more
than one molecule on a side are reactions; what happens inside of one molecule is not seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mliap_hybrid.joined import joined
from mliap_hybrid.reactions.molecules import Molecules

AVOGADRO_CM3 = 0.602214076
"""cm^3/mol of one Å^3: 1e-24 cm^3 times 6.02214076e23 /mol."""


@dataclass(frozen=True)
class Reaction:
    """One event."""

    reactants: tuple[str, ...]
    """Formulas, sorted."""
    products: tuple[str, ...]
    """The same."""
    atoms: tuple[int, ...]
    """Those that take part, from 0."""

    @property
    def equation(self) -> str:
        """Such as H + O2 -> HO2."""
        return " -> ".join(" + ".join(_with_numbers(side)) for side in (self.reactants, self.products))


def reactions_between(before: Molecules, after: Molecules) -> list[Reaction]:
    """The reactions from one frame to the next, of the same atoms."""
    n_before, n_after = len(before.formulas), len(after.formulas)
    edges = np.unique(np.stack([before.of_atom, n_before + after.of_atom], axis=1), axis=0)  # (n_edges, 2)
    n_groups, group = joined(n_before + n_after, edges)  # (n_before + n_after,)
    of_molecules = np.bincount(group, minlength=n_groups)  # (n_groups,)
    of_atoms = group[before.of_atom]  # (n_atoms,)
    reactions = []
    for changed in np.flatnonzero(of_molecules > 2):
        members = np.flatnonzero(group == changed)
        reactants = sorted(before.formulas[k] for k in members if k < n_before)
        products = sorted(after.formulas[k - n_before] for k in members if k >= n_before)
        atoms = np.flatnonzero(of_atoms == changed).tolist()
        reactions.append(Reaction(tuple(reactants), tuple(products), tuple(atoms)))
    return reactions


@dataclass(frozen=True)
class Rate:
    """How often a reaction was seen."""

    equation: str
    count: int
    constant: float | None
    """Count over the time integral of the ways to choose the reactants; None for three and more of them."""
    unit: str
    """1/ps for one reactant, cm^3/(mol s) for two."""


class RateCounter:
    """Counts events, and the chances that there were for them."""

    def __init__(self) -> None:
        """Begin before the first frame."""
        self._events: Counter[tuple[tuple[str, ...], tuple[str, ...]]] = Counter()
        self._chances: Counter[tuple[str, ...]] = Counter()

    def add(self, reactions: Sequence[Reaction]) -> None:
        """Count events."""
        self._events.update((each.reactants, each.products) for each in reactions)

    def pass_time(self, counts: Mapping[str, int], duration: float, volume: float) -> None:
        """Add what there was of each molecule for a time.

        Parameters
        ----------
        counts : mapping of str to int
            Formula -> number of molecules.
        duration : float, ps
        volume : float, Å^3
            That of the cell; zero where it has none.
        """
        present = sorted(counts)
        for k, one in enumerate(present):
            self._chances[(one,)] += counts[one] * duration  # type: ignore[assignment]
            for other in present[k:] if volume > 0.0 else ():
                pairs = counts[one] * (counts[one] - 1) / 2 if one == other else counts[one] * counts[other]
                self._chances[(one, other)] += pairs * duration / volume  # type: ignore[assignment]

    def rates(self) -> list[Rate]:
        """The most frequent first."""
        return list(self._rates())

    def _rates(self) -> Iterator[Rate]:
        ordered = sorted(self._events.items(), key=lambda item: (-item[1], item[0]))
        for (reactants, products), count in ordered:
            chances = self._chances.get(reactants, 0.0)  # ps, or ps/Å^3
            constant = count / chances if len(reactants) < 3 and chances > 0.0 else None
            unit = ""
            if constant is not None:
                unit = "1/ps" if len(reactants) == 1 else "cm^3/(mol s)"
                constant *= 1.0 if len(reactants) == 1 else AVOGADRO_CM3 * 1e12  # 1/ps is 1e12/s
            yield Rate(Reaction(reactants, products, ()).equation, count, constant, unit)


def _with_numbers(side: Sequence[str]) -> list[str]:
    counts = Counter(side)
    return [name if n == 1 else f"{n} {name}" for name, n in counts.items()]
