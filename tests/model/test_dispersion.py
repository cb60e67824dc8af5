"""Damped dispersion, with coefficients from all three sources: its formula, and what every term has to pass."""

import math

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.none import NoFeatures
from mliap_hybrid.fitting.checkpoint import load_model
from mliap_hybrid.lammps.check import check_model
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.single_points import lammps_result
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.term_section import TermContext
from mliap_hybrid.model.terms.dispersion import DispersionSettings, free_atom_c6
from mliap_hybrid.physics.slater_overlap import slater_damping_argument
from mliap_hybrid.physics.switching import switch
from mliap_hybrid.physics.tang_toennies import tang_toennies
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.labelled import small_settings
from mliap_hybrid.testing.models import sodium_chloride_model, with_term
from mliap_hybrid.testing.term_tests import TermTests
from mliap_hybrid.units import BOHR, HARTREE

pytestmark = pytest.mark.usefixtures("undrawn_figures")

ARGON = 18
STRONG = {"Na": 900.0, "Cl": 400.0}
"""eV Å^6: large enough to matter beside a network of random weights."""


def with_dispersion(settings: DispersionSettings) -> HybridModel:
    """The model of the tests, with dispersion."""
    model = sodium_chloride_model(None)
    return with_term(model, settings.make(TermContext(model.elements, model.cutoff)))


class TestConstantCoefficients(TermTests):
    kind = "dispersion"
    test_lammps_says_what_python_says = None  # as below, where it needs more

    def model(self):
        return with_dispersion(DispersionSettings(coefficients="constant", c6=STRONG))


class TestPredictedCoefficients(TermTests):
    kind = "dispersion"

    def model(self):
        return with_dispersion(DispersionSettings(coefficients="predicted", c6=STRONG, hidden=[8, 8]))

    @pytest.mark.slow
    @pytest.mark.mpi
    def test_forces_are_derivatives_of_what_lammps_says(self, tmp_path):
        """Three components and one strain, by differences of energies on two ranks."""
        export_model(self.model(), tmp_path / "model.pt", allow_small_box=True)
        atoms, step = self.box(), 1e-4

        def energy(moved: Atoms) -> float:
            return lammps_result(tmp_path / "model.pt", moved, 2).energy * len(atoms)

        found = lammps_result(tmp_path / "model.pt", atoms, 2)
        for i, x in ((0, 0), (5, 1), (11, 2)):
            ends = []
            for sign in (1.0, -1.0):
                moved = atoms.copy()
                moved.positions[i, x] += sign * step
                ends.append(energy(moved))
            assert -(ends[0] - ends[1]) / (2.0 * step) == pytest.approx(found.forces[i, x], rel=1e-6, abs=2e-6)
        ends = []
        for sign in (1.0, -1.0):
            strained = atoms.copy()
            strained.set_cell(atoms.cell.array @ np.diag([1.0 + sign * step, 1.0, 1.0]), scale_atoms=True)
            ends.append(energy(strained))
        virial = -(ends[0] - ends[1]) / (2.0 * step)
        assert found.virial[0] * len(atoms) == pytest.approx(virial, rel=1e-6, abs=1e-5)

    @pytest.mark.slow
    @pytest.mark.mpi
    def test_any_number_of_ranks_is_like_one(self, tmp_path):
        export_model(self.model(), tmp_path / "model.pt", allow_small_box=True)
        alone = lammps_result(tmp_path / "model.pt", self.box(), 1)
        for ranks in (2, 4):
            found = lammps_result(tmp_path / "model.pt", self.box(), ranks)
            assert found.energy == pytest.approx(alone.energy, abs=1e-10)
            np.testing.assert_allclose(found.forces, alone.forces, rtol=0, atol=1e-10)
            np.testing.assert_allclose(found.virial, alone.virial, rtol=0, atol=1e-10)


class TestExponentsOfAtoms(TermTests):
    kind = "dispersion"

    def model(self):
        damping = {"Na": 2.4, "Cl": 3.1}
        return with_dispersion(DispersionSettings(coefficients="predicted", c6=STRONG, damping=damping, hidden=[8]))


def argon(c8: float = 1e-9, **changes) -> HybridModel:
    """Dispersion of argon and nothing else, with a cutoff of 20 Å."""
    settings = DispersionSettings(coefficients="constant", c8={"Ar": c8}, **changes)
    made = settings.make(TermContext((ARGON,), 20.0))
    return HybridModel(NoFeatures([ARGON], 20.0), [made.term], made.parameters).double()


def energies(model: HybridModel, distances) -> np.ndarray:
    dimers = [Atoms("Ar2", positions=[[0, 0, 0], [0, 0, r]]) for r in distances]
    return np.array([float(Evaluator(model).predict(frame_to_batch(d, model.cutoff)).energies[0]) for d in dimers])


def test_two_atoms_attract_as_their_coefficients_say():
    """At 8 Å damping is over: -C6/r^6 - C8/r^8 with C6 of argon, 64.2 Ha bohr^6."""
    c6 = 64.2 * HARTREE * BOHR**6
    assert energies(argon(), [8.0])[0] == pytest.approx(-c6 / 8.0**6, rel=1e-6)
    assert energies(argon(c8=250.0), [10.0])[0] == pytest.approx(-c6 / 10.0**6 - 250.0 / 10.0**8, rel=1e-6)


def test_the_tail_falls_as_the_sixth_power():
    r = np.linspace(12.0, 16.0, 9)
    slope = np.polyfit(np.log(r), np.log(-energies(argon(), r)), 1)[0]
    assert slope == pytest.approx(-6.0, abs=0.05)


def test_nothing_is_left_at_the_cutoff():
    assert abs(energies(argon(), [20.0 - 1e-6])[0]) < 1e-18
    model, batch = argon(), frame_to_batch(Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 19.5]]), 20.0)
    found = Evaluator(model).predict(batch)
    derivative = np.diff(energies(model, [19.5 - 1e-4, 19.5 + 1e-4]))[0] / 2e-4
    assert float(found.forces[1, 2]) == pytest.approx(-derivative, rel=1e-6)
    assert (switch(torch.linspace(0.0, 21.0, 500), 20.0, 1.0).diff() <= 0).all()


def test_damping_is_the_function_of_tang_and_toennies():
    x = torch.linspace(0.1, 30.0, 40, dtype=torch.float64)
    for n, found in zip((6, 8), tang_toennies(x), strict=True):
        terms = sum(x**k / math.factorial(k) for k in range(n + 1))
        torch.testing.assert_close(found, 1.0 - torch.exp(-x) * terms, rtol=0, atol=1e-13)
        torch.testing.assert_close(found, torch.special.gammainc(torch.tensor(n + 1.0).double(), x), rtol=0, atol=1e-13)


def test_ranges_of_atoms_damp_by_the_slope_of_their_overlap():
    """-E r^6 / C6 is f_6 of x = B r - (2 (B r)^2 + 3 B r) / ((B r)^2 + 3 B r + 3)."""
    r, b = np.array([2.5, 3.5, 5.0]), 3.2
    model = argon(damping={"Ar": b})
    x = torch.from_numpy(b * r - (2 * (b * r) ** 2 + 3 * b * r) / ((b * r) ** 2 + 3 * b * r + 3))
    torch.testing.assert_close(slater_damping_argument(torch.from_numpy(b * r)), x, rtol=1e-14, atol=0)
    expected = torch.special.gammainc(torch.tensor(7.0).double(), x).numpy()
    np.testing.assert_allclose(-energies(model, r) * r**6 / model.table("c6")[ARGON], expected, rtol=1e-9)
    of_atom = argon(damping="atoms").table("dispersion_exponent")[ARGON]
    assert of_atom == pytest.approx(2.0 * (2.0 * 15.7596 / HARTREE) ** 0.5 / BOHR, rel=1e-5)  # I of argon, eV


def test_overlapping_atoms_do_not_fall_into_each_other():
    deep = energies(argon(c8=250.0), [0.5, 1.0, 2.0])
    assert np.abs(deep).max() < 20.0  # undamped: 64 keV
    assert free_atom_c6()[1] == pytest.approx(6.5 * HARTREE * BOHR**6)


@pytest.mark.parametrize("coefficients", ["fitted", "predicted"])
def test_a_training_with_dispersion(tmp_path, coefficients):
    """Coefficients move, stay within their bounds, and the exported model says what the trained one says."""
    features = {"set": "gmp-classic", "cutoff": 4.5, "widths": [0.5, 1.0]}
    dispersion = {"coefficients": coefficients, "c6": STRONG, "hidden": [8]}
    settings = small_settings(tmp_path, features=features, electrostatics={"charges": "none"}, dispersion=dispersion)
    with Display() as display:
        train(settings, display)
    model = load_model(settings.run)
    start = torch.tensor([STRONG["Na"], STRONG["Cl"]], dtype=torch.float64)
    c6 = model.parameter("c6")
    if coefficients == "fitted":
        assert (c6.values - start).abs().max() > 1e-4
        assert (c6.values < 3.0 * start).all()
    else:
        assert (c6.typical - start).abs().max() > 1e-4
    export_model(model, tmp_path / "model.pt", allow_small_box=True)
    for comparison in check_model(tmp_path / "model.pt", ranks=(1,), atoms=TestPredictedCoefficients().box()):
        assert comparison.ok, comparison


def test_mistakes_in_the_settings_are_told(tmp_path):
    with pytest.raises(ValueError, match="settings but no term"):
        DispersionSettings(damping=2.0)
    with pytest.raises(InputError, match=r"weak_supervision does not work with dispersion\.coefficients fitted"):
        small_settings(tmp_path, weak_supervision={"taylor": "first"}, dispersion={"coefficients": "fitted"})
    settings = DispersionSettings(coefficients="constant", c6={"Na": 1.0})
    with pytest.raises(InputError, match=r"dispersion\.c6: expected a positive coefficient for Cl, found none"):
        settings.make(TermContext((11, 17), 5.0))
