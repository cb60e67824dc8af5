"""Models of the tests with permanent and induced dipoles."""

from __future__ import annotations

from typing import Any

from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.term_section import MadeTerm, TermContext
from mliap_hybrid.model.terms.dipole_settings import DipoleSettings
from mliap_hybrid.model.terms.electrostatics import Electrostatics
from mliap_hybrid.testing.models import with_term

POLARISABILITIES = {"Na": 0.4, "Cl": 2.5}
"""Å^3: chloride in crystals has about three, sodium less."""

STRENGTHS = {"Na": 0.08, "Cl": -0.05}
"""e, of permanent dipoles."""

REACH = 3.5
"""Å, of the same: farther than the atoms of these structures are from each other."""


def with_dipoles(base: HybridModel, **settings: Any) -> HybridModel:
    """A model with dipoles, so exact that tests see no error of the solver.

    Parameters
    ----------
    base : HybridModel
        Of Na and Cl, with charges.
    **settings
        Of `DipoleSettings`; those that are left out are the ones above.
    """
    usual: dict[str, Any] = {}
    if settings.get("permanent", "none") != "none":
        usual |= {"strengths": STRENGTHS, "reach": REACH}
    if settings.get("induced", "none") != "none":
        usual |= {"polarisabilities": POLARISABILITIES, "tolerance": 1e-12}
    electrostatics, charge = base.term(Electrostatics), base.parameter("charge")
    assert electrostatics is not None
    assert charge is not None
    of_charges = {"electrostatics": MadeTerm(electrostatics, (charge,))}
    made = DipoleSettings(**(usual | settings)).make(TermContext(base.elements, base.cutoff, made=of_charges))
    return with_term(base, made)
