"""Permanent and induced dipoles in models: what every term has to pass, training, files and settings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import load_model
from mliap_hybrid.fitting.explicit_terms import term_constants
from mliap_hybrid.lammps.check import check_model
from mliap_hybrid.lammps.command import run_lammps
from mliap_hybrid.lammps.data_file import in_lammps_orientation, read_dump
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.single_points import lammps_result
from mliap_hybrid.model.bounds import VolumeRatio
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.term_section import MadeTerm
from mliap_hybrid.model.terms.dipole_settings import DipoleSettings, polarisabilities
from mliap_hybrid.model.terms.electrostatics_settings import ElectrostaticsSettings
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.structure import join_batches
from mliap_hybrid.testing.dipole_models import POLARISABILITIES, with_dipoles
from mliap_hybrid.testing.labelled import small_settings
from mliap_hybrid.testing.models import charge_predicting_model, sodium_chloride_model
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure
from mliap_hybrid.testing.term_tests import TermTests

pytestmark = pytest.mark.usefixtures("undrawn_figures")


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


class TestBetweenMolecules(DipoleTests):
    """Pairs of close ions stand for molecules, which bonds find."""

    test_lammps_says_what_python_says = None  # as below: it needs molecule IDs

    def model(self):
        settings = {"permanent": "constant", "induced": "constant", "between_molecules": True, "damping": "thole"}
        return with_dipoles(sodium_chloride_model(), **settings)

    def structure(self, periodic=True):
        return pairs_of_ions(TRICLINIC_CELL if periodic else None, n_pairs=3)


def pairs_of_ions(cell, n_pairs):
    """Pairs 2.4 Å long in random directions, at least 3.6 Å from each other."""
    middles = random_structure(n_pairs, ["Na"], cell, seed=5, closest=5.5 if cell is not None else 5.0)
    arms = np.random.default_rng(2).normal(size=(n_pairs, 3))
    arms *= 1.2 / np.linalg.norm(arms, axis=1, keepdims=True)
    positions = np.concatenate([middles.positions + arms, middles.positions - arms])
    return Atoms(["Na"] * n_pairs + ["Cl"] * n_pairs, positions=positions, cell=middles.cell, pbc=middles.pbc)


FULL = """\
units           metal
atom_style      full
atom_modify     map array
read_data       structure.data
pair_style      mliap unified model.pt 0
pair_coeff      * * Na Cl
dump            forces all custom 1 forces.dump id fx fy fz
dump_modify     forces sort id format float %.17g
run             0
variable        energy equal pe
print           "RESULT $(v_energy:%.17g)"
"""


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 3])
def test_lammps_takes_molecules_from_their_numbers(tmp_path, ranks):
    """The borders of three ranks cut some of them. Without numbers the run is refused."""
    atoms = in_lammps_orientation(pairs_of_ions(np.diag([16.0, 11.0, 11.0]), 6))
    model = TestBetweenMolecules().model()
    export_model(model, tmp_path / "model.pt", coulomb_engine="exact")
    lines = [f"{len(atoms)} atoms", "2 atom types", "0 16 xlo xhi", "0 11 ylo yhi", "0 11 zlo zhi", "", "Masses", ""]
    lines = ["#", "", *lines, "1 23", "2 35", "", "Atoms # full", ""]
    atoms.wrap()
    for k, (z, position) in enumerate(zip(atoms.numbers, atoms.positions, strict=True)):
        lines.append(f"{k + 1} {k % 6 + 1} {1 if z == 11 else 2} 0.0 {' '.join(map(repr, position.tolist()))}")
    (tmp_path / "structure.data").write_text("\n".join(lines) + "\n")
    (tmp_path / "in.test").write_text(FULL)
    output = run_lammps(tmp_path / "in.test", ranks)
    energy = float(next(line for line in output.splitlines() if line.startswith("RESULT")).split()[1])
    expected = Evaluator(model).predict(frame_to_batch(atoms, model.cutoff))
    assert energy == pytest.approx(float(expected.energies[0]), abs=1e-9)
    np.testing.assert_allclose(read_dump(tmp_path / "forces.dump"), expected.forces.numpy(), rtol=0, atol=1e-9)
    if ranks == 1:
        with pytest.raises(InputError, match="use an atom style with molecule IDs"):
            lammps_result(tmp_path / "model.pt", atoms, 1)


def settings_of(tmp_path, **dipoles):
    features = {"set": "gmp-classic", "cutoff": 4.5, "widths": [0.5, 1.0]}
    charges = {
        "charges": "predicted",
        "starting_charges": {"Na": 0.6, "Cl": -0.6},
        "smearing": 0.8,
        "charge_hidden": [8],
    }
    return small_settings(tmp_path, features=features, electrostatics=charges, dipoles=dipoles)


@pytest.mark.parametrize("source", [pytest.param("fitted", marks=pytest.mark.slow), "predicted"])
def test_a_training_with_dipoles(tmp_path, source):
    """Polarisabilities and strengths move and stay within their bounds; LAMMPS says what the trained model says."""
    dipoles = {
        "permanent": source,
        "reach": 3.5,
        "induced": source,
        "polarisabilities": POLARISABILITIES,
        "hidden": [8],
    }
    settings = settings_of(tmp_path, **dipoles)
    with Display() as display:
        train(settings, display)
    model = load_model(settings.run)
    start = torch.tensor(list(POLARISABILITIES.values()), dtype=torch.float64)
    alphas, strengths = model.parameter("polarisability"), model.parameter("bond_dipole")
    found = (alphas.values, strengths.values) if source == "fitted" else (alphas.typical, strengths.typical)
    assert (found[0] - start).abs().max() > 1e-4
    assert ((found[0] > 0.3 ** (4 / 3) * start) & (found[0] < 1.5 ** (4 / 3) * start)).all()
    assert 1e-5 < float(found[1].abs().max()) < 0.3
    export_model(model, tmp_path / "model.pt", allow_small_box=True, coulomb_engine="exact")
    for comparison in check_model(tmp_path / "model.pt", ranks=(1,), atoms=TestConstantDipoles().box()):
        assert comparison.ok, comparison


def test_fixed_charges_beside_dipoles_that_are_learned(tmp_path):
    """The charges are no parameter of the training, but a constant of its term."""
    settings = settings_of(tmp_path, induced="predicted", polarisabilities=POLARISABILITIES, hidden=[8])
    fixed = ElectrostaticsSettings(charges={"Na": 0.6, "Cl": -0.6}, smearing=0.8)
    with Display() as display:
        train(settings.model_copy(update={"electrostatics": fixed}), display)
    model = load_model(settings.run)
    assert model.table("charge") == {11: 0.6, 17: -0.6}
    assert [head.name for head in model.heads] == ["energy", "polarisability"]


def test_dipole_moments_hold_those_of_atoms():
    atoms = random_structure(6, ["Na", "Cl"], None, seed=6, closest=2.0)
    model = TestConstantDipoles().model()
    batch = frame_to_batch(atoms, model.cutoff)
    evaluator = Evaluator(model)
    prediction, total = evaluator.predict(batch, ("dipole",)), evaluator.total(batch.geometry())
    of_charges = prediction.charges @ batch.positions
    torch.testing.assert_close(prediction.others["dipole"][0], of_charges + total.dipoles.sum(0))
    assert total.dipoles.abs().max() > 0.05


def test_bounds_of_volumes():
    """From 0.3 to 1.5 times the free volume, the start with the slope of its power at a = 0."""
    bound, start = VolumeRatio(4.0 / 3.0), torch.full((200,), 1.3, dtype=torch.float64)
    a = torch.linspace(-50.0, 50.0, 200, dtype=torch.float64).requires_grad_()
    values = bound.values(start, a)
    (slopes,) = torch.autograd.grad(values.sum(), a)
    values = values.detach()
    torch.testing.assert_close(slopes, bound.derivatives(start, a).detach())
    assert float(values.min()) == pytest.approx(1.3 * 0.3 ** (4.0 / 3.0))
    assert float(values.max()) == pytest.approx(1.3 * 1.5 ** (4.0 / 3.0))
    zero = torch.zeros(200, dtype=torch.float64)
    torch.testing.assert_close(bound.values(start, zero), start)
    torch.testing.assert_close(bound.derivatives(start, zero), 4.0 / 3.0 * start)


def test_mistakes_in_the_settings_are_told(tmp_path):
    with pytest.raises(ValueError, match="reach has no effect without permanent dipoles"):
        DipoleSettings(reach=2.0, induced="constant")
    with pytest.raises(ValueError, match=r"damping_factor is 0.8, but expected from 0.2 to 0.5 with damping thole"):
        DipoleSettings(induced="constant", damping="thole", damping_factor=0.8)
    with pytest.raises(InputError, match=r"electrostatics\.charges is none \(there are none\)"):
        small_settings(tmp_path, dipoles={"induced": "constant"}, electrostatics={"charges": "none"})
    with pytest.raises(InputError, match=r"electrostatics\.charges is fitted"):
        small_settings(tmp_path, dipoles={"induced": "constant"}, electrostatics={"charges": "fitted"})
    with pytest.raises(InputError, match=r"expected a positive number in Å\^3 for H, found none"):
        polarisabilities({"O": 0.8}, (1, 8))
    assert polarisabilities(None, (1, 8)).tolist() == [0.496, 0.837]
    with pytest.raises(InputError, match="export it with `--coulomb exact`"):
        export_model(TestConstantDipoles().model(), tmp_path / "model.pt")
