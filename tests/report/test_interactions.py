"""Energies by term and by pair of molecules, and the parameters of atoms, against what they are made of."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.data.whole_molecules import molecule_numbers
from mliap_hybrid.features.none import NoFeatures
from mliap_hybrid.model.bounds import Positive, Ratio, VolumeRatio, Within
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.parameters import ElementParameter
from mliap_hybrid.model.term_section import MadeTerm, TermContext
from mliap_hybrid.model.terms.dispersion import DispersionSettings
from mliap_hybrid.model.terms.electrostatics import Electrostatics
from mliap_hybrid.model.terms.exchange_repulsion import ExchangeRepulsionSettings
from mliap_hybrid.report.explanation import explain
from mliap_hybrid.report.interactions import interactions
from mliap_hybrid.testing.models import apart_molecules, charge_predicting_model, with_term

CUTOFF = 9.0
Q_O, Q_H = -0.8, 0.4


def water(n: int) -> Atoms:
    """Molecules in a row, each turned otherwise."""
    atoms, random = Atoms(), np.random.default_rng(2)
    for k in range(n):
        one = molecule("H2O")
        one.euler_rotate(*random.uniform(0.0, 360.0, 3))
        one.translate([3.3 * k, 0.2 * k, 0.0])
        atoms += one
    return atoms


def model() -> HybridModel:
    """Charges, dispersion of all pairs and exchange between molecules, all of elements."""
    context = TermContext((1, 8), CUTOFF)
    charge = ElementParameter("charge", "e", torch.tensor([Q_H, Q_O]).double())
    made = [
        MadeTerm(Electrostatics(0.5), (charge,)),
        DispersionSettings(coefficients="constant").make(context),
        ExchangeRepulsionSettings(coefficients="constant", pairs="between_molecules").make(context),
    ]
    parameters = [parameter for each in made for parameter in each.parameters]
    return HybridModel(NoFeatures([1, 8], CUTOFF), [each.term for each in made], parameters).double()


def test_terms_sum_to_the_energy_and_pairs_to_the_interaction():
    """Terms of pairs have nothing beyond pairs of molecules, and dispersion within molecules is taken off."""
    atoms, evaluator = water(3), Evaluator(model())
    batch = frame_to_batch(atoms, CUTOFF)
    found = interactions(evaluator, batch)
    assert sum(found.energies.values()) == pytest.approx(float(evaluator.predict(batch).energies[0]), rel=1e-12)
    assert [pair.molecules for pair in found.pairs] == [(1, 2), (1, 3), (2, 3)]
    centres = [atoms[k : k + 3].get_center_of_mass() for k in (0, 3, 6)]
    assert found.pairs[1].distance == pytest.approx(np.linalg.norm(centres[0] - centres[2]))
    assert set(found.between) == {"electrostatics", "dispersion", "exchange_repulsion"}
    for kind, energy in found.between.items():
        assert abs(energy) > 1e-5
        assert sum(pair.energies[kind] for pair in found.pairs) == pytest.approx(energy, abs=1e-12)
    assert found.between["exchange_repulsion"] == pytest.approx(found.energies["exchange_repulsion"], rel=1e-12)
    assert abs(found.between["dispersion"]) < abs(found.energies["dispersion"])


def test_charges_of_two_molecules_interact_as_points_do():
    """Far compared with the smearing: k_e q_i q_j / r of both molecules' atoms."""
    atoms = water(2)
    charges = np.where(atoms.numbers == 8, Q_O, Q_H)
    expected = sum(
        14.399645 * charges[i] * charges[j] / atoms.get_distance(i, j) for i in range(3) for j in range(3, 6)
    )
    found = interactions(Evaluator(model()), frame_to_batch(atoms, CUTOFF)).between
    assert found["electrostatics"] == pytest.approx(expected, rel=2e-3)


def test_molecules_across_the_box_are_made_whole():
    """Pairs interact as their closest images; those of wrapped molecules as those of others."""
    atoms = water(2)
    atoms.set_cell(np.eye(3) * 40.0)
    free = interactions(Evaluator(model()), frame_to_batch(atoms, CUTOFF))
    atoms.pbc = True
    atoms.translate([-1.6, 0.0, -0.1])
    atoms.wrap()
    found = interactions(Evaluator(model()), frame_to_batch(atoms, CUTOFF))
    assert found.molecules == free.molecules == [1, 1, 1, 2, 2, 2]
    assert found.pairs[0].distance == pytest.approx(free.pairs[0].distance, rel=1e-12)
    for kind in ("dispersion", "exchange_repulsion"):
        assert found.pairs[0].energies[kind] == pytest.approx(free.pairs[0].energies[kind], rel=1e-9)
        assert found.between[kind] == pytest.approx(free.between[kind], rel=1e-9)


def test_what_frames_say_of_molecules_counts():
    atoms = water(2)
    atoms.set_array("molecule", np.array([7, 7, 7, 2, 2, 0]))
    assert molecule_numbers(frame_to_batch(atoms, CUTOFF)).tolist() == [1, 1, 1, 2, 2, 3]
    one = interactions(Evaluator(model()), frame_to_batch(water(1), CUTOFF))
    assert one.between is None
    assert one.pairs == ()


def test_parameters_are_told_by_element_with_their_bounds():
    settings = ExchangeRepulsionSettings(
        coefficients="predicted", pairs="between_molecules", strength={"Na": 600.0, "Cl": 900.0}, hidden=[8]
    )
    bare = charge_predicting_model("shift")
    made = settings.make(TermContext(bare.elements, bare.cutoff))
    of_all = with_term(bare, made)
    batch = frame_to_batch(apart_molecules(False), bare.cutoff)
    explanation = explain(of_all, batch)
    rows = {(row.parameter, row.element): row for row in explanation.parameters}
    values = Evaluator(of_all).total(batch.geometry()).parameters["exchange_strength"]
    row = rows["exchange_strength", "Cl"]
    assert row.values == values[[1, 2]].tolist()
    assert (row.lowest, row.highest) == pytest.approx((90.0, 9000.0))
    assert row.lowest < min(row.values) <= max(row.values) < row.highest
    assert (rows["charge", "Na"].lowest, rows["charge", "Na"].source) == (None, "predicted")  # neutral, hence no bound
    tables = explanation.tables()
    assert "| exchange_strength (eV)" in tables["Parameters by element"].markdown()
    assert explanation.content()["interactions"]["pairs"][0]["molecules"] == (1, 2)


def test_bounds_are_where_any_number_leads():
    start, far = torch.tensor([2.0, -0.5]).double(), torch.tensor([1e4, 1e4]).double()
    for bound in (Within(0.7), Ratio(3.0), VolumeRatio(2.0)):
        low, high = bound.limits(start)
        ends = torch.stack([bound.values(start, a) for a in (-far, far)])
        torch.testing.assert_close(low, ends.min(0).values)
        torch.testing.assert_close(high, ends.max(0).values)
    assert [float(end[0]) for end in Positive().limits(start)] == [0.0, float("inf")]
