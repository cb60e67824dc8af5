"""Pair terms of a physical force field: formulas against integrals and hand-computed values, and what all pass."""

import itertools
import math

import numpy as np
import pytest
import torch
from ase import Atoms
from scipy.integrate import quad

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.none import NoFeatures
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.parameters import ElementParameter, PredictedParameter
from mliap_hybrid.model.term_section import MadeTerm, TermContext
from mliap_hybrid.model.terms.buffered_14_7 import Buffered147Settings
from mliap_hybrid.model.terms.charge_penetration import ChargePenetrationSettings
from mliap_hybrid.model.terms.charge_transfer import ChargeTransferSettings
from mliap_hybrid.model.terms.electrostatics import Electrostatics
from mliap_hybrid.model.terms.exchange_repulsion import ExchangeRepulsionSettings
from mliap_hybrid.model.terms.free_atoms import density_exponents, valence_electrons
from mliap_hybrid.physics.buffered_14_7 import buffered_14_7
from mliap_hybrid.physics.combining import cubic_mean, harmonic_mean_of_means, waldman_hagler
from mliap_hybrid.physics.penetration import penetration_energy, valence_damping
from mliap_hybrid.physics.slater_overlap import slater_damping_argument, slater_overlap
from mliap_hybrid.testing.models import apart_molecules, charge_predicting_model, sodium_chloride_model, with_term
from mliap_hybrid.testing.term_tests import TermTests
from mliap_hybrid.units import COULOMB_CONSTANT

EXPONENTS = {"Na": 2.1, "Cl": 2.9}
STRENGTHS = {"Na": 60.0, "Cl": 240.0}


def made_for(settings, model: HybridModel):
    """The term that a section makes for a model, which may have charges."""
    charge = model.parameter("charge")
    others = {} if charge is None else {"electrostatics": MadeTerm(model.term(Electrostatics), (charge,))}
    return settings.make(TermContext(model.elements, model.cutoff, made=others))


class TestExchangeRepulsion(TermTests):
    kind = "exchange_repulsion"
    tolerance = 1e-7

    def model(self):
        settings = ExchangeRepulsionSettings(
            coefficients="predicted", strength=STRENGTHS, exponent=EXPONENTS, hidden=[8]
        )
        return with_term(sodium_chloride_model(None), made_for(settings, sodium_chloride_model(None)))


class TestChargeTransfer(TermTests):
    kind = "charge_transfer"
    tolerance = 1e-7

    def model(self):
        settings = ChargeTransferSettings(coefficients="predicted", strength=STRENGTHS, exponent=EXPONENTS, hidden=[8])
        return with_term(sodium_chloride_model(None), made_for(settings, sodium_chloride_model(None)))


class TestSeparateChargeTransfer(TermTests):
    kind = "charge_transfer"
    tolerance = 1e-7
    test_lammps_says_what_python_says = None  # as above, where it needs more

    def model(self):
        settings = ChargeTransferSettings(
            coefficients="constant", combining="separate", strength=STRENGTHS, exponent=EXPONENTS
        )
        return with_term(sodium_chloride_model(None), made_for(settings, sodium_chloride_model(None)))


class TestBuffered147(TermTests):
    kind = "buffered_14_7"

    def model(self):
        settings = Buffered147Settings(
            coefficients="predicted",
            combining="waldman-hagler",
            radius={"Na": 2.4, "Cl": 3.0},
            depth={"Na": 0.05, "Cl": 0.1},
            hidden=[8],
        )
        return with_term(sodium_chloride_model(None), made_for(settings, sodium_chloride_model(None)))


PENETRATION = {"valence": {"Na": 1.0, "Cl": 7.0}, "exponent": EXPONENTS}


class TestPenetrationOfFixedCharges(TermTests):
    kind = "charge_penetration"
    tolerance = 1e-7
    test_lammps_says_what_python_says = None  # with others in tests/lammps/test_terms_between_molecules.py

    def model(self):
        settings = ChargePenetrationSettings(coefficients="constant", **PENETRATION)
        return with_term(sodium_chloride_model(), made_for(settings, sodium_chloride_model()))


class TestPenetrationBetweenMolecules(TermTests):
    """Without the Coulomb energy within molecules; charges follow from the own molecule alone."""

    kind = "charge_penetration"
    tolerance = 1e-7
    test_lammps_says_what_python_says = None  # with others in tests/lammps/test_terms_between_molecules.py

    def model(self):
        settings = ChargePenetrationSettings(
            coefficients="predicted", hidden=[8], pairs="between_molecules", **PENETRATION
        )
        model = charge_predicting_model("increments")
        return with_term(model, made_for(settings, model), "molecule")

    def structure(self, periodic=True):
        return apart_molecules(periodic)


class TestPenetrationOfPredictedCharges(TermTests):
    """All three parameters are predicted, and the charges are also those of the long-range term."""

    kind = "charge_penetration"
    tolerance = 1e-7

    def model(self):
        settings = ChargePenetrationSettings(coefficients="predicted", hidden=[8], **PENETRATION)
        model = charge_predicting_model("increments")
        return with_term(model, made_for(settings, model))


@pytest.mark.parametrize("smearing", [0.6, 1.1])
def test_between_molecules_is_the_dimer_less_its_molecules(smearing):
    """Of both terms together: cores and electrons of different molecules, by hand, whatever the smearing."""
    q, n, a = {"Na": 0.6, "Cl": -0.6}, {"Na": 1.2, "Cl": 6.8}, {"Na": 2.2, "Cl": 3.1}
    coulomb = MadeTerm(Electrostatics(smearing), (ElementParameter("charge", "e", numbers(0.6, -0.6)),))
    settings = ChargePenetrationSettings(coefficients="constant", pairs="between_molecules", valence=n, exponent=a)
    made = settings.make(TermContext((11, 17), CUTOFF, made={"electrostatics": coulomb}))
    model = HybridModel(NoFeatures([11, 17], CUTOFF), [coulomb.term, made.term], made.parameters).double()
    atoms = apart_molecules(False)
    found = Evaluator(model).predict(frame_to_batch(atoms, CUTOFF), ["electrostatics_energy"])
    symbols, expected = atoms.get_chemical_symbols(), 0.0
    for i, j in itertools.product((0, 1), (2, 3)):
        of_both = [(table[symbols[i]], table[symbols[j]]) for table in (q, n, a)]
        of_both[2] = (of_both[2][0], of_both[2][1] + 1e-7)  # Tinker's form has no equal exponents
        expected += by_tinker(atoms.get_distance(i, j), *of_both)
    assert float(found.energies[0]) == pytest.approx(expected, rel=1e-6)
    assert float(found.others["electrostatics_energy"][0]) == pytest.approx(expected, rel=1e-6)
    alone = Evaluator(model).predict(frame_to_batch(atoms[:2], CUTOFF))
    assert abs(float(alone.energies[0])) < 1e-12


ARGON = 18
CUTOFF = 20.0


def dimer_energies(settings, distances, symbol="Ar2"):
    """Of two atoms by a term alone, with a cutoff of 20 Å."""
    elements = tuple(sorted(set(Atoms(symbol).numbers.tolist())))
    made = settings.make(TermContext(elements, CUTOFF))
    model = HybridModel(NoFeatures(list(elements), CUTOFF), [made.term], made.parameters).double()
    dimers = [Atoms(symbol, positions=[[0, 0, 0], [0, 0, r]]) for r in distances]
    return np.array([float(Evaluator(model).predict(frame_to_batch(d, CUTOFF)).energies[0]) for d in dimers])


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def transformed(r: float, of_k, largest: float) -> float:
    """The integral of f(k) sin(k r) over k, by quadrature."""
    return quad(of_k, 0.0, largest, weight="sin", wvar=r, limit=4000)[0]


@pytest.mark.parametrize("r", [0.7, 1.9, 3.4])
def test_the_overlap_is_that_of_two_exponentials(r):
    """Through Fourier space, where exp(-B r) is 8 pi B / (B^2 + k^2)^2; in units of pi / B^3."""
    b = 2.3
    integral = transformed(r, lambda k: k * (8.0 * math.pi * b / (b**2 + k**2) ** 2) ** 2, 200.0)
    expected = integral / (2.0 * math.pi**2 * r) / (math.pi / b**3)
    assert float(slater_overlap(numbers(b * r))) == pytest.approx(expected, rel=1e-8)


def test_the_damping_argument_is_the_slope_of_the_overlap():
    x = torch.linspace(0.1, 12.0, 30, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(slater_overlap(x).log().sum(), x)
    torch.testing.assert_close(slater_damping_argument(x.detach()), -x.detach() * slope, rtol=1e-10, atol=1e-12)


def test_exchange_repulsion_by_hand():
    """A (1 + x + x^2 / 3) exp(-x) of 3.0 1/Å at 2 Å: x = 6, (1 + 6 + 12) exp(-6) = 0.0470963."""
    settings = ExchangeRepulsionSettings(coefficients="constant", strength={"Ar": 50.0}, exponent={"Ar": 3.0})
    assert dimer_energies(settings, [2.0])[0] == pytest.approx(50.0 * 19.0 * math.exp(-6.0), rel=1e-12)
    mixed = ExchangeRepulsionSettings(
        coefficients="constant", strength={"H": 4.0, "O": 9.0}, exponent={"H": 2.0, "O": 4.5}
    )
    x = 3.0 * 1.5  # sqrt(2 4.5) = 3, sqrt(4 9) = 6
    expected = 6.0 * (1.0 + x + x**2 / 3.0) * math.exp(-x)
    assert dimer_energies(mixed, [1.5], "OH")[0] == pytest.approx(expected, rel=1e-12)


def test_where_nothing_is_said_atoms_in_contact_repel_each_other_a_little():
    """By 0.03 eV at twice the van der Waals radius of argon, 1.88 Å."""
    found = dimer_energies(ExchangeRepulsionSettings(coefficients="fitted"), [3.76])[0]
    assert found == pytest.approx(0.03, rel=1e-6)
    assert dimer_energies(ChargeTransferSettings(coefficients="fitted"), [3.76])[0] == pytest.approx(-0.003, rel=1e-6)
    assert density_exponents([1])[1] == pytest.approx(2.0 / 0.529177, rel=1e-3)  # hydrogen: 2 1/bohr
    assert valence_electrons([1, 2, 6, 8, 17, 22]) == {1: 1.0, 2: 2.0, 6: 4.0, 8: 6.0, 17: 7.0, 22: 4.0}


@pytest.mark.parametrize(
    ("combining", "expected"),
    [
        ("combined", -6.0 * math.exp(-2.75 * 1.5)),
        ("separate", -(4.0 * math.exp(-3.5 * 1.5) + 9.0 * math.exp(-2.0 * 1.5))),
    ],
)
def test_charge_transfer_by_hand(combining, expected):
    """H: 4 eV, 2 1/Å; O: 9 eV, 3.5 1/Å, at 1.5 Å, as Tinker's CHGTRN combines them."""
    settings = ChargeTransferSettings(
        coefficients="constant", combining=combining, strength={"H": 4.0, "O": 9.0}, exponent={"H": 2.0, "O": 3.5}
    )
    assert dimer_energies(settings, [1.5], "OH")[0] == pytest.approx(expected, rel=1e-12)


def test_the_buffered_potential_is_that_of_halgren():
    """-eps at R, where the slope is 7 eps (1/1.07 - 1/1.12) / R; the minimum is beside it."""
    r = torch.tensor([3.4], dtype=torch.float64, requires_grad=True)
    energy = buffered_14_7(r, numbers(3.4), numbers(0.01))
    (slope,) = torch.autograd.grad(energy.sum(), r)
    assert float(energy.detach()) == pytest.approx(-0.01, rel=1e-14)
    assert float(slope) == pytest.approx(0.07 * (1.0 / 1.07 - 1.0 / 1.12) / 3.4, rel=1e-12)
    around = torch.linspace(0.95, 1.05, 1001, dtype=torch.float64)
    lowest = buffered_14_7(around, torch.ones_like(around), torch.ones_like(around))
    assert float(lowest.min()) == pytest.approx(-1.0, abs=1.1e-3)
    outer, inner = (1.07 / 0.57) ** 7, 1.12 / (0.0078125 + 0.12) - 2.0
    assert float(buffered_14_7(numbers(1.7), numbers(3.4), numbers(0.01))) == pytest.approx(0.01 * outer * inner)


def test_combining_rules_by_hand():
    """Water in AMOEBA: O 3.405 Å, 0.11 kcal/mol; H 2.655 Å, 0.0135 kcal/mol (Ren and Ponder 2003)."""
    r_o, r_h, eps_o, eps_h = map(numbers, (3.405, 2.655, 0.11, 0.0135))
    assert float(cubic_mean(r_o, r_h)) == pytest.approx(3.12143, abs=1e-4)
    assert float(harmonic_mean_of_means(eps_o, eps_h)) == pytest.approx(0.029616, abs=1e-6)
    expected = 2.0 * math.sqrt(0.11 * 0.0135) * (3.405 * 2.655) ** 3 / (3.405**6 + 2.655**6)
    assert float(waldman_hagler(eps_o, eps_h, r_o, r_h)) == pytest.approx(expected, rel=1e-12)
    for rule in (cubic_mean, harmonic_mean_of_means):
        assert float(rule(r_o, r_o)) == pytest.approx(3.405, rel=1e-14)
    assert float(waldman_hagler(eps_o, eps_o, r_o, r_o)) == pytest.approx(0.11, rel=1e-14)


@pytest.mark.parametrize(("a_i", "a_j"), [(3.0, 4.1), (3.3, 3.3), (2.0, 2.0 + 1e-9)])
@pytest.mark.parametrize("r", [0.8, 2.1, 3.5])
def test_valence_electrons_repel_each_other_as_their_densities_do(a_i, a_j, r):
    """1 - D = 2/pi int sin(k r)/k rho_i rho_j dk, where a^2 exp(-a r) / (4 pi r) has the transform 1/(1 + k^2/a^2)."""

    def less_one(k: float) -> float:
        """The product of the transforms less one, over k: what is left has no pole; int sin(k r)/k dk is pi/2."""
        product = 1.0 / ((1.0 + (k / a_i) ** 2) * (1.0 + (k / a_j) ** 2))
        return (product - 1.0) / k if k > 1e-12 else 0.0

    near = transformed(r, less_one, 400.0)
    beyond = -quad(lambda k: 1.0 / k, 400.0, math.inf, weight="sin", wvar=r)[0]  # the product is 1e-9 there
    found = valence_damping(numbers(r), numbers(a_i), numbers(a_j))
    assert -float(found) == pytest.approx(2.0 / math.pi * (near + beyond), abs=1e-7)


def by_tinker(r, q, n, a):
    """[Z Z + Z v (1 - e) + Z v (1 - e) + v v L] / r with v = q - Z, as AMOEBA+ is written (GORDON2)."""
    z, v = [q[k] + n[k] for k in (0, 1)], [-n[0], -n[1]]
    e = [math.exp(-a[k] * r) for k in (0, 1)]
    t = a[1] ** 2 / (a[1] ** 2 - a[0] ** 2)
    damped = 1.0 - t * e[0] - (1.0 - t) * e[1]
    total = z[0] * z[1] + z[0] * v[1] * (1.0 - e[1]) + z[1] * v[0] * (1.0 - e[0]) + v[0] * v[1] * damped
    return COULOMB_CONSTANT * total / r


def test_penetration_is_the_difference_to_point_charges():
    q, n, a, r = (0.3, -0.4), (3.7, 6.4), (3.4, 3.9), 2.2
    found = penetration_energy(numbers(r), *(tuple(map(numbers, each)) for each in (q, n, a)))
    expected = by_tinker(r, q, n, a) - COULOMB_CONSTANT * q[0] * q[1] / r
    assert float(found) == pytest.approx(expected, rel=1e-10)


def test_neutral_atoms_that_overlap_attract_each_other():
    """The electrons of each see the core of the other: attraction for x = a r > 2, k_e N^2 (1 - x / 2) exp(-x) / r."""
    r = torch.linspace(1.0, 6.0, 20, dtype=torch.float64)
    n, a = torch.full_like(r, 4.0), torch.full_like(r, 3.4)
    found = penetration_energy(r, (0.0 * r, 0.0 * r), (n, n), (a, a))
    expected = COULOMB_CONSTANT * 16.0 * (1.0 - 1.7 * r) * torch.exp(-3.4 * r) / r
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=0)
    assert (found < 0.0).all()


def test_penetration_vanishes_exponentially():
    r = numbers(16.0, 20.0, 24.0)
    ones = torch.ones_like(r)
    found = penetration_energy(r, (0.4 * ones, -0.4 * ones), (4.0 * ones, 6.0 * ones), (3.4 * ones, 3.0 * ones))
    slopes = (found * r).abs().log().diff() / r.diff()
    torch.testing.assert_close(slopes, torch.full_like(slopes, -3.0), rtol=1e-3, atol=0)
    assert float(found[2].abs()) < 1e-28


@pytest.mark.parametrize("difference", [0.0, 1e-7, 1e-3, 0.05])
def test_like_exponents_cost_no_digits(difference):
    """In single precision, with two derivatives."""
    r = torch.tensor([2.5], requires_grad=True)
    a_i, a_j = torch.tensor([3.3]), torch.tensor([3.3 + difference])
    found = valence_damping(r, a_i, a_j)
    (slope,) = torch.autograd.grad(found.sum(), r, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), r)
    a, x = 3.3 + difference / 2, (3.3 + difference / 2) * 2.5
    for value, expected in (
        (found, (1.0 + x / 2) * math.exp(-x)),
        (slope, -0.5 * a * (1.0 + x) * math.exp(-x)),
        (curvature, 0.5 * a**2 * x * math.exp(-x)),
    ):
        assert float(value.detach()) == pytest.approx(expected, rel=1e-5 + 2.0 * difference**2)


def test_both_terms_together_are_the_energy_of_cores_and_electrons():
    """Smeared charges of the long-range term and the penetration, of an isolated pair, whatever the smearing."""
    q, n, a = {"Na": 0.6, "Cl": -0.6}, {"Na": 1.2, "Cl": 6.8}, {"Na": 2.2, "Cl": 3.1}
    for smearing, r in ((0.8, 1.4), (0.8, 2.6), (1.5, 2.6)):
        charge = ElementParameter("charge", "e", numbers(q["Na"], q["Cl"]))
        coulomb = MadeTerm(Electrostatics(smearing), (charge,))
        settings = ChargePenetrationSettings(coefficients="constant", valence=n, exponent=a)
        made = settings.make(TermContext((11, 17), CUTOFF, made={"electrostatics": coulomb}))
        both = HybridModel(NoFeatures([11, 17], CUTOFF), [coulomb.term, made.term], made.parameters).double()
        atoms = Atoms("NaCl", positions=[[0, 0, 0], [0, r, 0]])
        found = float(Evaluator(both).predict(frame_to_batch(atoms, CUTOFF)).energies[0])
        # The long-range term has the energies of smeared charges with themselves.
        found -= sum(COULOMB_CONSTANT * x**2 / (math.sqrt(2.0 * math.pi) * smearing) for x in q.values())
        expected = by_tinker(r, (0.6, -0.6), (1.2, 6.8), (2.2, 3.1))
        assert found == pytest.approx(expected, rel=1e-8), (smearing, r)


SETTINGS = {
    "exchange_repulsion": ExchangeRepulsionSettings(coefficients="predicted"),
    "charge_transfer": ChargeTransferSettings(coefficients="predicted"),
    "buffered_14_7": Buffered147Settings(coefficients="predicted"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_parameters_stay_within_their_bounds_whatever_networks_say(name):
    """10^4 atoms of random heads up to 1e3, and the sign of the energy with them."""
    made = SETTINGS[name].make(TermContext((1, 6, 8), 12.0))
    random = torch.Generator().manual_seed(1)
    species = torch.randint(3, (10_000,), generator=random)
    r = 1.0 + 10.0 * torch.rand(10_000, generator=random, dtype=torch.float64)
    for parameter in made.parameters:
        assert isinstance(parameter, PredictedParameter)
        head = torch.randn(10_000, generator=random, dtype=torch.float64) * 10.0 ** torch.randint(
            -2, 4, (10_000,), generator=random
        )
        values, _ = parameter(None, species, head)
        ratios = values / parameter.start[species]
        largest = parameter.bound.largest
        assert ratios.min() >= 1.0 / largest * (1 - 1e-12)
        assert ratios.max() <= largest * (1 + 1e-12)
        assert (values > 0.0).all()
        assert values.isfinite().all()
    assert r.isfinite().all()


@pytest.mark.parametrize("name", SETTINGS)
def test_nothing_is_left_at_the_cutoff(name):
    settings = SETTINGS[name].model_copy(update={"coefficients": "fitted", "switch_width": 3.0})
    r = np.linspace(16.5, 19.999, 30)
    energies = dimer_energies(settings, r)
    assert abs(energies[-1]) < 1e-10 * abs(energies[0])
    assert (np.abs(energies[1:]) < np.abs(energies[:-1])).all()


@pytest.mark.parametrize("name", SETTINGS)
def test_slopes_are_differences(name):
    """By fourth-order differences to 1e-7, up to where the switch works."""
    settings = SETTINGS[name].model_copy(update={"coefficients": "fitted", "switch_width": 17.0})
    made = settings.make(TermContext((ARGON,), CUTOFF))
    model = HybridModel(NoFeatures([ARGON], CUTOFF), [made.term], made.parameters).double()
    for r in (2.2, 3.4, 5.0):
        ends = dimer_energies(settings, [r + k * 1e-3 for k in (-2, -1, 1, 2)])
        slope = (ends[0] - 8.0 * ends[1] + 8.0 * ends[2] - ends[3]) / 12e-3
        dimer = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, r]])
        force = float(Evaluator(model).predict(frame_to_batch(dimer, CUTOFF)).forces[1, 2])
        assert force == pytest.approx(-slope, rel=1e-7)


def test_mistakes_in_the_settings_are_told():
    with pytest.raises(ValueError, match="settings but no term"):
        ExchangeRepulsionSettings(strength={"C": 1.0})
    with pytest.raises(InputError, match=r"charge_transfer\.strength: expected a positive coefficient for O, found -1"):
        ChargeTransferSettings(coefficients="constant", strength={"O": -1.0}).make(TermContext((8,), 5.0))
