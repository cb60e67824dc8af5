"""What a model says of one structure, taken apart: energies by term and by pair of molecules, and its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from ase.data import chemical_symbols

from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.report.interactions import Energies, Interactions, interactions
from mliap_hybrid.report.tables import Table
from mliap_hybrid.structure import Batch

MOST_PAIRS = 20
"""Rows of the table of pairs; those with the largest energies."""


@dataclass(frozen=True)
class ParameterOfElement:
    """Values of a parameter at the atoms of an element."""

    parameter: str
    unit: str
    source: str
    """constant or predicted."""
    element: str
    values: Sequence[float]
    """(n_atoms of the element,)."""
    lowest: float | None
    """What the parameter cannot fall below; None without such a bound."""
    highest: float | None


@dataclass(frozen=True)
class Explanation:
    """A structure as a model sees it."""

    interactions: Interactions
    parameters: Sequence[ParameterOfElement]
    components: dict[str, str]
    """Kind of a term -> the component of interactions that it is a part of, where it is one."""

    def tables(self, unit: float = 1.0, unit_name: str = "eV") -> dict[str, Table]:
        """Title -> table: terms, pairs of molecules, parameters.

        Parameters
        ----------
        unit : float, eV
            Of the energies.
        unit_name : str
        """
        tables = {"Energy by term": _terms(self, unit, unit_name)}
        if self.interactions.pairs:
            tables["Interaction of pairs of molecules"] = _pairs(self, unit, unit_name)
        if self.parameters:
            tables["Parameters by element"] = _parameters(self.parameters)
        return tables

    def content(self) -> dict[str, Any]:
        """All of it as plain numbers, energies in eV, for a JSON file."""
        return asdict(self)


def explain(model: HybridModel, batch: Batch) -> Explanation:
    """Take one structure apart.

    Parameters
    ----------
    model : HybridModel
    batch : Batch
        One structure, with all pairs up to the model's cutoff.

    Raises
    ------
    InputError
        If the model refuses the structure.
    """
    evaluator = Evaluator(model)
    found = interactions(evaluator, batch)
    values = evaluator.total(batch.geometry()).parameters
    species = model.species(batch.numbers)  # (n_atoms,)
    parameters = []
    for parameter in model.all_parameters:
        limits = parameter.limits()
        for element, z in enumerate(model.elements):
            chosen = values[parameter.name][species == element]
            if len(chosen):
                ends = (None, None) if limits is None else tuple(_finite(float(end[element])) for end in limits)
                row = (parameter.name, parameter.unit, parameter.source, chemical_symbols[z], chosen.tolist())
                parameters.append(ParameterOfElement(*row, *ends))
    components = {term.kind: term.component for term in model.all_terms if term.component is not None}
    return Explanation(found, parameters, components)


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def _terms(explanation: Explanation, unit: float, name: str) -> Table:
    """Energies of all terms, and their sums."""
    found = explanation.interactions

    def row(title: str, component: str, kinds: Sequence[str]) -> list[str]:
        parts = [found.energies] if found.between is None else [found.energies, found.between]
        sums = [_energy(sum(of_part[kind] for kind in kinds), unit) for of_part in parts]
        return [title, component, *sums, *["-"] * (2 - len(sums))]

    rows = [row(kind, explanation.components.get(kind, "-").removesuffix("_energy"), [kind]) for kind in found.energies]
    rows.append(row("sum", "-", list(found.energies)))
    columns = [("term", ""), ("component", ""), ("energy", name), ("between molecules", name)]
    return Table(columns, rows).without_empty_columns()


def _pairs(explanation: Explanation, unit: float, name: str) -> Table:
    """The strongest pairs, then all pairs together and what the molecules have beyond pairs."""
    found = explanation.interactions
    assert found.between is not None
    kinds = [kind for kind in found.energies if any(pair.energies[kind] != 0.0 for pair in found.pairs)]

    def cells(energies: Energies) -> list[str]:
        return [_energy(energies[kind], unit) for kind in kinds] + [_energy(sum(energies.values()), unit)]

    strongest = sorted(found.pairs, key=lambda pair: -abs(sum(pair.energies.values())))[:MOST_PAIRS]
    rows = [["{} - {}".format(*pair.molecules), f"{pair.distance:.3f}", *cells(pair.energies)] for pair in strongest]
    together = {kind: sum(pair.energies[kind] for pair in found.pairs) for kind in found.energies}
    beyond = {kind: found.between[kind] - together[kind] for kind in found.energies}
    rows.append([f"all {len(found.pairs)}", "-", *cells(together)])
    rows.append(["beyond pairs", "-", *cells(beyond)])
    columns = [("molecules", ""), ("distance", "Å"), *((kind, name) for kind in kinds), ("sum", name)]
    return Table(columns, rows).without_empty_columns()


def _parameters(parameters: Sequence[ParameterOfElement]) -> Table:
    """Lowest, mean and highest value, and how far it might go."""
    rows = []
    for each in parameters:
        values = torch.tensor(each.values, dtype=torch.float64)
        numbers = [float(values.min()), float(values.mean()), float(values.max()), each.lowest, each.highest]
        cells = ["-" if number is None else f"{number:.5g}" for number in numbers]
        rows.append([f"{each.parameter} ({each.unit})", each.source, each.element, str(len(values)), *cells])
    names = ("parameter", "source", "element", "atoms", "min", "mean", "max", "lower bound", "upper bound")
    return Table([(name, "") for name in names], rows).without_empty_columns()


def _energy(value: float, unit: float) -> str:
    return f"{value / unit + 0.0:.6f}"
