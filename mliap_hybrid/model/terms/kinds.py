"""All kinds of terms that a model file may hold. A new kind is one more name in each of the two lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from torch import Tensor

from mliap_hybrid.model.term import Term, TermDescription
from mliap_hybrid.model.terms.baseline import Baseline, BaselineDescription
from mliap_hybrid.model.terms.buffered_14_7 import Buffered147, Buffered147Description
from mliap_hybrid.model.terms.charge_penetration import ChargePenetration, ChargePenetrationDescription
from mliap_hybrid.model.terms.charge_transfer import ChargeTransfer, ChargeTransferDescription
from mliap_hybrid.model.terms.dipoles import Dipoles, DipolesDescription
from mliap_hybrid.model.terms.dispersion import Dispersion, DispersionDescription
from mliap_hybrid.model.terms.electrostatics import Electrostatics, ElectrostaticsDescription
from mliap_hybrid.model.terms.exchange_repulsion import ExchangeRepulsion, ExchangeRepulsionDescription
from mliap_hybrid.model.terms.molecules import MoleculesDescription, MoleculeTerm
from mliap_hybrid.model.terms.network import NetworkDescription, NetworkEnergy
from mliap_hybrid.model.terms.repulsion import RepulsionDescription, ZBLRepulsion

KINDS: tuple[type[Term], ...] = (
    Baseline,
    NetworkEnergy,
    ZBLRepulsion,
    MoleculeTerm,
    Electrostatics,
    ChargePenetration,
    ExchangeRepulsion,
    ChargeTransfer,
    Dispersion,
    Buffered147,
    Dipoles,
)

AnyTermDescription = Annotated[
    BaselineDescription
    | NetworkDescription
    | RepulsionDescription
    | MoleculesDescription
    | ElectrostaticsDescription
    | ChargePenetrationDescription
    | ExchangeRepulsionDescription
    | ChargeTransferDescription
    | DispersionDescription
    | Buffered147Description
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
    return class_of(description).restore(description, arrays, cutoff)


def class_of(description: TermDescription) -> type[Term]:
    """The kind of term that a description is one of."""
    return next(kind for kind in KINDS if kind.kind == description.kind)
