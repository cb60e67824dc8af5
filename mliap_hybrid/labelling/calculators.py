"""ASE calculators by name: those of ASE, of any package, of a file of the user, or of an entry point."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import yaml
from ase.calculators.calculator import get_calculator_class, names

from mliap_hybrid.errors import InputError, did_you_mean

ENTRY_POINTS = "mliap_hybrid.calculators"
"""Group in which a package may offer a calculator under a short name."""


def plain_value(text: str) -> Any:
    """What a person means by a value: a number, true, false, null, a list or mapping in brackets, or else the text.

    YAML 1.1 takes 1e-5 for a text and 1:30 for ninety.

    Raises
    ------
    InputError
        If brackets are not closed.
    """
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if text in ("true", "false", "null") or text[:1] in ("[", "{"):
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(f"the value {text} cannot be read: {' '.join(str(error).split())}") from None
    return text


@dataclass(frozen=True)
class CalculatorSource:
    """How a calculator is made, in words that can be sent to another process."""

    name: str
    """`package.module:Class`, `file.py:function`, a name of `ENTRY_POINTS`, or one that ASE knows, such as emt."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What it is made with."""

    def in_words(self, further: Sequence[str] = ()) -> str:
        """The name, what it is made with, and what is asked for beside energy, forces and stress, without blanks."""
        options = [f"{name}={value}".replace(" ", "") for name, value in sorted(self.options.items())]
        return ",".join([self.name, *options, *sorted(further)])

    def make(self) -> Any:
        """A new calculator.

        Raises
        ------
        InputError
            If there is none of that name, it cannot be imported, or it does not take the options.
        """
        factory = self._factory()
        try:
            calculator = factory(**self.options)
        except Exception as error:  # whatever foreign code raises
            raise InputError(
                f"the calculator {self.name} cannot be made with {dict(self.options)}: {type(error).__name__}: {error}"
            ) from error
        if not hasattr(calculator, "get_property"):
            raise InputError(f"{self.name} makes a {type(calculator).__name__}, expected a calculator of ASE")
        return calculator

    def _factory(self) -> Any:
        place, _, attribute = self.name.rpartition(":")
        if place:
            return _attribute(place, attribute)
        offered = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
        try:
            if self.name in offered:
                return offered[self.name].load()
            if self.name.lower() in names:
                return get_calculator_class(self.name.lower())
        except Exception as error:
            raise InputError(
                f"the calculator {self.name} cannot be imported: {type(error).__name__}: {error}"
            ) from error
        if self.name.endswith(".py"):
            raise InputError(
                f"{self.name} is a file: name what makes the calculator, too, as in {self.name}:calculator"
            )
        raise InputError(
            f"there is no calculator {self.name!r}: {did_you_mean(self.name, [*offered, *names])}, or name it as "
            "package.module:Class or file.py:function"
        )


def _attribute(place: str, attribute: str) -> Any:
    """Something of a module, or of a file that ends with .py."""
    try:
        if place.endswith(".py"):
            path = Path(place)
            if not path.is_file():
                raise InputError(f"there is no file {path} to take a calculator from")
            spec = importlib.util.spec_from_file_location(path.stem, path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(place)
    except InputError:
        raise
    except Exception as error:  # whatever foreign code raises
        raise InputError(f"{place} cannot be imported: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        public = [name for name in vars(module) if not name.startswith("_")]
        raise InputError(f"{place} has no {attribute}: {did_you_mean(attribute, public)}")
    return getattr(module, attribute)
