"""Terms of pairs between molecules: which pairs these are, in every place that evaluates them."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from mliap_hybrid.bonds import molecules_by_bonds
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.none import NoFeatures
from mliap_hybrid.fitting.residual_labels import frame_terms
from mliap_hybrid.fitting.training_frames import join_frames
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.term_section import MadeTerm, TermContext
from mliap_hybrid.model.terms.dispersion import DispersionSettings
from mliap_hybrid.model.terms.exchange_repulsion import ExchangeRepulsionSettings
from mliap_hybrid.physics.slater_overlap import slater_overlap
from mliap_hybrid.structure import join_batches
from mliap_hybrid.testing.models import apart_molecules, sodium_chloride_model, with_term
from mliap_hybrid.testing.term_tests import TermTests, _frame

CUTOFF = 9.0
BETWEEN = ExchangeRepulsionSettings(coefficients="constant", pairs="between_molecules")


def made(settings=BETWEEN, elements=(1, 8)) -> MadeTerm:
    return settings.make(TermContext(elements, CUTOFF))


def model_of(term: MadeTerm) -> HybridModel:
    return HybridModel(NoFeatures([1, 8], CUTOFF), [term.term], term.parameters).double()


def water(*shifts: float) -> Atoms:
    """One molecule of water for each shift along x, in Å."""
    atoms = Atoms()
    for shift in shifts:
        one = molecule("H2O")
        one.translate([shift, 0.1 * shift, 0.0])
        atoms += one
    return atoms


def energy(atoms: Atoms, term: MadeTerm | None = None) -> float:
    model = model_of(term or made())
    return float(Evaluator(model).predict(frame_to_batch(atoms, CUTOFF)).energies[0])


class TestBetweenMolecules(TermTests):
    """Molecules of NaCl, far enough apart that images of one do not meet."""

    kind = "exchange_repulsion"
    test_lammps_says_what_python_says = None  # with others in tests/lammps/test_terms_between_molecules.py

    def model(self):
        settings = ExchangeRepulsionSettings(
            coefficients="predicted", pairs="between_molecules", strength={"Na": 600.0, "Cl": 900.0}, hidden=[8]
        )
        model = sodium_chloride_model(None)
        return with_term(model, settings.make(TermContext(model.elements, model.cutoff)))

    def structure(self, periodic=True):
        return apart_molecules(periodic)


class TestParametersOfOwnMolecules(TestBetweenMolecules):
    """Parameters that follow from the own molecule alone."""

    def model(self):
        settings = ExchangeRepulsionSettings(
            coefficients="predicted", pairs="between_molecules", strength={"Na": 600.0, "Cl": 900.0}, hidden=[8]
        )
        model = sodium_chloride_model(None)
        return with_term(model, settings.make(TermContext(model.elements, model.cutoff)), "molecule")

    def test_other_molecules_change_neither_parameters_nor_the_energy_within(self):
        model = self.model()
        atoms = self.structure(False)
        together = Evaluator(model).total(frame_to_batch(atoms, model.cutoff).geometry())
        for part in (slice(0, 2), slice(2, 4)):
            alone = Evaluator(model).total(frame_to_batch(atoms[part], model.cutoff).geometry())
            for name in ("exchange_strength", "exchange_exponent", "energy"):
                found = together.parameters[name][part]
                torch.testing.assert_close(found, alone.parameters[name], rtol=1e-12, atol=0)
        of_all = TestBetweenMolecules().model()
        seen = Evaluator(of_all).total(frame_to_batch(atoms, of_all.cutoff).geometry())
        assert (seen.parameters["energy"] - together.parameters["energy"]).abs().max() > 1e-3


def test_molecules_are_what_bonds_hold_together():
    atoms = water(0.0, 3.0, 6.5)[[0, 3, 6, 1, 2, 4, 5, 7, 8]]
    batch = frame_to_batch(atoms, CUTOFF)
    geometry = batch.geometry()
    found = molecules_by_bonds(batch.numbers, batch.pair_i, batch.pair_j, geometry.distances)
    assert found.tolist() == [1, 2, 3, 1, 1, 2, 2, 3, 3]
    assert int(geometry.is_between_molecules.sum()) == int((found[batch.pair_i] != found[batch.pair_j]).sum())


def test_only_pairs_of_different_molecules_count():
    """The sum over these by hand, and nothing for one molecule."""
    atoms, term = water(0.0, 3.0), made()
    strengths, exponents = ({1: p.values[0], 8: p.values[1]} for p in term.parameters)
    expected = 0.0
    for a in range(3):
        for b in range(3, 6):
            z = atoms.numbers[[a, b]].tolist()
            exponent = torch.sqrt(exponents[z[0]] * exponents[z[1]])
            strength = torch.sqrt(strengths[z[0]] * strengths[z[1]])
            expected += float(strength * slater_overlap(exponent * atoms.get_distance(a, b)))
    assert energy(atoms) == pytest.approx(expected, rel=1e-10)
    assert energy(water(0.0)) == 0.0
    of_all = made(BETWEEN.model_copy(update={"pairs": "all"}))
    assert energy(atoms, of_all) > energy(atoms) + 0.1


@pytest.mark.parametrize("column", ["molecule", "mol_id", "mol-id"])
def test_what_frames_say_counts_for_more_than_bonds(column):
    atoms = water(0.0, 3.0)
    atoms.set_array(column, np.array([1, 1, 1, 2, 2, 2]))
    assert energy(atoms) == pytest.approx(energy(water(0.0, 3.0)), rel=1e-14)
    atoms.set_array(column, np.array([4, 4, 4, 4, 4, 4]))
    assert energy(atoms) == 0.0
    atoms.set_array(column, np.zeros(6, dtype=int))  # atoms of no molecule are one each
    of_all = made(BETWEEN.model_copy(update={"pairs": "all"}))
    assert energy(atoms) == pytest.approx(energy(water(0.0, 3.0), of_all), rel=1e-14)
    atoms = water(0.0, 3.0)
    atoms.set_array(column, np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0]))
    with pytest.raises(InputError, match=f"'{column}' is no molecule ID; expected one whole number"):
        energy(atoms)


def test_molecules_of_a_batch_stay_apart():
    """IDs begin anew in each structure; what has none beside them is found by bonds."""
    named, unnamed = water(0.0, 3.0), water(0.0, 2.8)
    named.set_array("molecule", np.array([1, 1, 1, 2, 2, 2]))
    model = model_of(made())
    for frames in ([named, named], [named, unnamed]):
        batches = [frame_to_batch(atoms, CUTOFF) for atoms in frames]
        together = Evaluator(model).predict(join_batches(batches)).energies
        expected = torch.tensor([energy(atoms) for atoms in frames])
        torch.testing.assert_close(together, expected.double(), rtol=1e-6, atol=0)
    joined = join_batches([frame_to_batch(named, CUTOFF)] * 2)
    assert joined.molecules.tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]


def test_training_frames_know_the_molecules():
    """In the geometry that terms see in training, of several frames together."""
    model = TestBetweenMolecules().model()
    atoms = [TestBetweenMolecules().structure(periodic) for periodic in (True, False)]
    batches = [frame_to_batch(each, model.cutoff) for each in atoms]
    term = MadeTerm(model.all_terms[-1], tuple(model.all_parameters))
    frames = join_frames([_frame(model, term, batch) for batch in batches])
    expected = join_batches(batches).geometry().is_between_molecules
    assert torch.equal(frames.geometry.is_between_molecules, expected)
    assert 0 < int(expected.sum()) < len(expected)


def test_dispersion_between_molecules_is_not_left_to_native_kernels():
    """Which know that of all pairs alone."""
    settings = DispersionSettings(coefficients="constant", pairs="between_molecules")
    of_all = DispersionSettings(coefficients="constant")
    atoms = water(0.0, 3.0)
    apart = energy(water(0.0), made(of_all))
    assert energy(atoms, made(settings)) == pytest.approx(energy(atoms, made(of_all)) - 2.0 * apart, rel=1e-9)
    assert frame_terms(frame_to_batch(atoms, CUTOFF), [made(settings)], (1, 8), False).fixed.energies < 0.0
