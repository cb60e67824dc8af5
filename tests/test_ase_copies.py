"""Copies of the ASE calculator, in this process and in others, give the same numbers and know nothing of each other."""

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from ase.mep import NEB
from ase.optimize import FIRE

from mliap_hybrid.ase import HybridCalculator
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.member_models import committee_model
from mliap_hybrid.testing.gdml_molecules import box_of_ammonia, molecule_model
from mliap_hybrid.testing.models import charge_predicting_model, direct_force_model, sodium_chloride_model
from mliap_hybrid.testing.structures import rock_salt

MODELS = {
    "fixed charges": sodium_chloride_model,
    "predicted charges": charge_predicting_model,
    "total charge as input": lambda: charge_predicting_model(total_charge_input=True),
    "direct forces": direct_force_model,
    "committee": lambda: committee_model([sodium_chloride_model(seed=seed) for seed in range(3)]),
    "molecules": molecule_model,
}
WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda calculator: pickle.loads(pickle.dumps(calculator)),
}


def _calculator(directory, name, **options):
    """A calculator whose file is gone, and a structure for it."""
    path = directory / "model.pt"
    export_model(MODELS[name](), path, allow_non_conservative=True)
    calculator = HybridCalculator(path, **options)
    path.unlink()
    return calculator, box_of_ammonia(2) if name == "molecules" else rock_salt(1, rattle=0.1)


def _numbers(calculator, atoms):
    """All numbers of the calculator, as another process is asked for them."""
    calculator.reset()
    return calculator.get_property("energy", atoms), calculator.get_property("forces", atoms)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODELS)
def test_a_copy_gives_the_same_numbers(tmp_path, name, way):
    calculator, atoms = _calculator(tmp_path, name)
    energy, forces = _numbers(calculator, atoms)
    again = WAYS[way](calculator)
    assert again.get_property("energy", atoms, allow_calculation=False) == energy  # results came along
    del calculator  # what the copy uses must not go with it
    found = _numbers(again, atoms)
    assert found[0] == energy
    np.testing.assert_array_equal(found[1], forces)
    assert again.implemented_properties == HybridCalculator.implemented_properties + (
        ["energy_spread", "force_spread"] if name == "committee" else []
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_keeps_its_settings_and_goes_its_own_way(tmp_path, way):
    calculator, atoms = _calculator(tmp_path, "total charge as input", total_charge=1.0)
    energy, _ = _numbers(calculator, atoms)
    again = WAYS[way](calculator)
    moved = atoms.copy()
    moved.rattle(0.1, seed=5)
    of_moved = again.get_property("energy", moved)
    assert of_moved != pytest.approx(energy)
    assert again.get_property("charges", moved).sum() == pytest.approx(1.0)
    assert calculator.get_property("energy", atoms, allow_calculation=False) == energy
    again.total_charge = -1.0  # what was computed with the other one is forgotten
    assert again.get_property("energy", moved) != pytest.approx(of_moved)
    assert _numbers(calculator, atoms)[0] == energy


def test_an_evaluator_can_be_copied_too(tmp_path):
    """Copies of the native kernels have memory of their own."""
    calculator, atoms = _calculator(tmp_path, "predicted charges")
    expected = _numbers(calculator, atoms)
    for way in WAYS.values():
        evaluator = Evaluator(calculator.model)
        again = way(evaluator)
        again.backend = way(evaluator.backend)
        del evaluator
        calculator._evaluator = again
        found = _numbers(calculator, atoms)
        assert found[0] == expected[0]
        np.testing.assert_array_equal(found[1], expected[1])


def test_other_processes_give_the_same_numbers(tmp_path):
    """Started anew, as on all systems but Linux: each calculator travels in a pickle."""
    given = [_calculator(tmp_path, name) for name in ("predicted charges", "committee", "molecules")]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        answers = list(pool.map(_numbers, *zip(*given, strict=True)))
    for (calculator, atoms), (energy, forces) in zip(given, answers, strict=True):
        expected = _numbers(calculator, atoms)
        assert energy == pytest.approx(expected[0], abs=1e-10)
        np.testing.assert_allclose(forces, expected[1], atol=1e-10)


def test_images_of_a_path_have_copies_or_share_one(tmp_path):
    """NEB between two places of an ion: five images with copies end where five that share a calculator end."""
    calculator, first = _calculator(tmp_path, "fixed charges")
    last = first.copy()
    last.positions[0] += [0.3, 0.2, 0.0]
    ends = []
    for shares in (False, True):
        images = [first.copy() for _ in range(4)] + [last.copy()]
        for image in images:
            image.calc = calculator if shares else copy.deepcopy(calculator)
        path = NEB(images, allow_shared_calculator=shares, method="improvedtangent")
        path.interpolate()
        FIRE(path, logfile=None).run(fmax=0.0, steps=3)
        ends.append([image.get_potential_energy() for image in images])
    assert len(set(ends[0])) == 5
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-10)


def test_atoms_with_a_calculator_can_be_copied_and_pickled(tmp_path):
    calculator, atoms = _calculator(tmp_path, "predicted charges")
    atoms.calc = calculator
    energy = atoms.get_potential_energy()
    for way in WAYS.values():
        assert way(atoms).get_potential_energy() == energy
