"""A section of the training file that asks for a term, and what it needs to make one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

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
    made: Mapping[str, MadeTerm] = field(default_factory=dict)
    """Kind -> term of an earlier section, whose parameters a later one may share."""


@dataclass(frozen=True)
class MadeTerm:
    """A term before the training, with its parameters."""

    term: Term
    parameters: tuple[Parameter, ...] = ()
    """All that the term takes; terms may share some."""
    hidden: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Hidden layers of the heads of those that are predicted."""

    @property
    def is_trained(self) -> bool:
        """Whether a parameter is fitted or predicted."""
        return any(parameter.source != "constant" for parameter in self.parameters)


class TermSection(Section):
    """A section of a term."""

    source_key: ClassVar[str] = "kind"
    """The setting that says where the parameters come from."""
    parameters: ClassVar[tuple[str, ...]] = ()
    """What its term takes."""
    not_with: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Way to train (config/compatibility.py) -> sources that it does not know of this term, beside those of all."""

    @property
    def source(self) -> str:
        """Where the parameters come from: constant, fitted or predicted."""
        return "constant"

    def check(self, cutoff: float, labels: Collection[str]) -> None:
        """Refuse settings that do not fit the others of the file.

        Parameters
        ----------
        cutoff : float, Å
            Of the neighbour pairs.
        labels : collection of str
            Settings under `data.keys` that name a label.

        Raises
        ------
        ValueError
            Naming the setting and what was expected.
        """
        return None

    def options(self, excluded: Sequence[str]) -> str:
        """What the setting may say besides the excluded sources, for messages."""
        return "none"

    @abstractmethod
    def make(self, context: TermContext) -> MadeTerm | None:
        """The term that the section asks for; None if it asks for none."""
