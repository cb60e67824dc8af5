"""All kinds of terms that a model file may hold. A new kind is one more name in each of the two lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from torch import Tensor

from mliap_hybrid.model.term import Term, TermDescription
from mliap_hybrid.model.terms.baseline import Baseline, BaselineDescription
from mliap_hybrid.model.terms.dipoles import Dipoles, DipolesDescription
from mliap_hybrid.model.terms.dispersion import Dispersion, DispersionDescription
from mliap_hybrid.model.terms.electrostatics import Electrostatics, ElectrostaticsDescription
from mliap_hybrid.model.terms.molecules import MoleculesDescription, MoleculeTerm
from mliap_hybrid.model.terms.network import NetworkDescription, NetworkEnergy
from mliap_hybrid.model.terms.repulsion import RepulsionDescription, ZBLRepulsion

KINDS: tuple[type[Term], ...] = (
    Baseline,
    NetworkEnergy,
    ZBLRepulsion,
    MoleculeTerm,
    Electrostatics,
    Dispersion,
    Dipoles,
)

AnyTermDescription = Annotated[
    BaselineDescription
    | NetworkDescription
    | RepulsionDescription
    | MoleculesDescription
    | ElectrostaticsDescription
    | DispersionDescription
    | DipolesDescription,
    Field(discriminator="kind"),
]


def restore_term(description: TermDescription, arrays: Mapping[str, Tensor], cutoff: float) -> Term:
    """The term of a file.

    Parameters
    ----------
    description : TermDescription
    arrays : mapping of str to Tensor
        Its own.
    cutoff : float, Å
        That of the model.

    Raises
    ------
    InputError
        If the arrays do not fit.
    """
    kind = next(kind for kind in KINDS if kind.kind == description.kind)
    return kind.restore(description, arrays, cutoff)
