"""A section of the training file that asks for a term, and what it needs to make one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from mliap_hybrid.model.parameters import Parameter
from mliap_hybrid.model.term import Term
from mliap_hybrid.section import Section


@dataclass(frozen=True)
class TermContext:
    """What is known before a term is made."""

    elements: tuple[int, ...]
    """Atomic numbers, ascending."""
    cutoff: float
    """Å, of the neighbour pairs."""
    start: Mapping[str, Tensor] = field(default_factory=dict)
    """Parameter -> values (n_elements,) that the frames say, constant or to start from."""


@dataclass(frozen=True)
class MadeTerm:
    """A term before the training, with its parameters."""

    term: Term
    parameters: tuple[Parameter, ...] = ()
    """All that the term takes."""
    hidden: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Hidden layers of the heads of those that are predicted."""

    @property
    def is_trained(self) -> bool:
        """Whether a parameter is fitted or predicted."""
        return any(parameter.source != "constant" for parameter in self.parameters)


class TermSection(Section):
    """A section of a term."""

    @abstractmethod
    def make(self, context: TermContext) -> MadeTerm | None:
        """The term that the section asks for; None if it asks for none."""
