"""Permanent and induced dipoles in models: what every term has to pass, training, files and settings."""

from __future__ import annotations

import pytest
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.fitting.explicit_terms import term_constants
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.heads import Head
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.term_section import MadeTerm, TermContext
from mliap_hybrid.model.terms.dipole_settings import DipoleSettings
from mliap_hybrid.structure import join_batches
from mliap_hybrid.testing.models import charge_predicting_model, network_of, sodium_chloride_model
from mliap_hybrid.testing.term_tests import TermTests

pytestmark = pytest.mark.usefixtures("undrawn_figures")

IONS = {"Na": 0.4, "Cl": 2.5}
"""Å^3: chloride in crystals has about three, sodium less."""
STRENGTHS = {"Na": 0.08, "Cl": -0.05}


def with_dipoles(base: HybridModel, **settings) -> HybridModel:
    """A model with dipoles, whose error of rounding is all that tests shall see."""
    given = {
        "permanent": {"strengths": STRENGTHS, "reach": 3.5},
        "induced": {"polarisabilities": IONS, "tolerance": 1e-12},
    }
    chosen = {
        name: value for part in settings for name, value in given.get(part, {}).items() if settings[part] != "none"
    }
    made = DipoleSettings(**(chosen | settings)).make(TermContext(base.elements, base.cutoff, smearing=0.8))
    random = torch.Generator().manual_seed(7)
    heads = [
        Head(name, [network_of(base.whitening.matrix.shape[1], random, hidden)]) for name, hidden in made.hidden.items()
    ]
    parameters = [*made.parameters, *base.all_parameters]
    names = [None, *(head.name for head in base.heads), *(head.name for head in heads)]
    return HybridModel(
        base.features,
        [*base.all_terms, made.term],
        sorted(parameters, key=lambda parameter: names.index(parameter.head)),
        [*base.heads, *heads],
        base.whitening,
    ).double()


class DipoleTests(TermTests):
    kind = "dipoles"

    def test_responses_are_in_the_gradients_of_training(self):
        """Of a loss of energies, forces and virials by all parameters, against differences: second derivatives."""
        model = self._alone(self.model())
        term, batch = (
            model.all_terms[0],
            join_batches([frame_to_batch(self.structure(p), model.cutoff) for p in (True, False)]),
        )
        evaluated = Evaluator(model).total(batch.geometry())
        names, values = term.takes, {name: evaluated.parameters[name] for name in term.takes}
        constants = term_constants(batch, [MadeTerm(term, tuple(model.all_parameters))], with_virials=True)
        made = constants.get("dipoles") or term.constants(batch.geometry(), True)
        generator = torch.Generator().manual_seed(3)

        def loss(of_atoms):
            found = term.contribution(batch.geometry(), ParameterValues(batch.geometry(), of_atoms), made)
            parts = (found.energies, found.pair_gradients, found.forces, found.virials, found.dipoles)
            parts = (*parts, *found.parameter_gradients.values())
            weights = torch.Generator().manual_seed(5)
            return sum((part * torch.randn(part.shape, generator=weights, dtype=part.dtype)).sum() for part in parts)

        leaves = {name: values[name].detach().clone().requires_grad_() for name in names}
        gradients = torch.autograd.grad(loss(leaves), list(leaves.values()))
        for name, gradient in zip(names, gradients, strict=True):
            direction = (
                torch.randn(gradient.shape, generator=generator, dtype=gradient.dtype) * values[name].abs().mean()
            )
            ends = [float(loss(values | {name: values[name] + step * direction})) for step in (1e-5, -1e-5)]
            assert float((gradient * direction).sum()) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=2e-6), name


class TestConstantDipoles(DipoleTests):
    def model(self):
        return with_dipoles(sodium_chloride_model(), permanent="constant", induced="constant")


class TestPredictedDipoles(DipoleTests):
    def model(self):
        return with_dipoles(charge_predicting_model(), permanent="predicted", induced="predicted", hidden=[8, 8])


class TestInducedAlone(DipoleTests):
    test_lammps_says_what_python_says = None  # as above, where it needs more

    def model(self):
        return with_dipoles(charge_predicting_model("increments"), induced="constant")


class TestPermanentAlone(DipoleTests):
    test_lammps_says_what_python_says = None

    def model(self):
        return with_dipoles(sodium_chloride_model(), permanent="predicted", hidden=[8, 8])
