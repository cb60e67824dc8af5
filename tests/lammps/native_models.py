"""Models that native code knows wholly, one of each kind."""

from __future__ import annotations

from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.member_models import committee_model
from mliap_hybrid.model.term_section import TermContext
from mliap_hybrid.model.terms.dispersion import DispersionSettings
from mliap_hybrid.testing.models import (
    ION_CHARGES,
    charge_predicting_model,
    contracted_model,
    sodium_chloride_model,
)


def dispersive_model() -> HybridModel:
    model = sodium_chloride_model(None)
    made = DispersionSettings(coefficients="constant", c6={"Na": 900.0, "Cl": 400.0}).make(
        TermContext(model.elements, model.cutoff)
    )
    terms, parameters = [*model.all_terms, made.term], [*model.all_parameters, *made.parameters]
    return HybridModel(model.features, terms, parameters, list(model.heads), model.whitening).double()


MODELS = {
    "short-range": lambda: sodium_chloride_model(None),
    "dispersion": dispersive_model,
    "committee": lambda: committee_model([sodium_chloride_model(None, seed=seed) for seed in range(3)]),
    "fixed charges": lambda: sodium_chloride_model(ION_CHARGES),
    "shifted charges": lambda: charge_predicting_model("shift"),
    "charge increments": lambda: charge_predicting_model("increments"),
    "sees the total charge": lambda: charge_predicting_model("shift", total_charge_input=True),
    "contractions": lambda: contracted_model(predicts_charges=True),
}
