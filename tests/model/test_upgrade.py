"""Models of older versions: described anew, they are the same, to the last number."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from pydantic import ValidationError

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.lammps.exporter import load_exported
from mliap_hybrid.model.evaluator import Evaluator, predict
from mliap_hybrid.model.member_models import committee_model
from mliap_hybrid.model_files.description import build, describe
from mliap_hybrid.model_files.model_description import ModelDescription
from mliap_hybrid.model_files.upgrade import FIRST_VERSION_FEATURES, upgraded
from mliap_hybrid.structure import with_total_charge
from mliap_hybrid.testing.gdml_molecules import molecule_model
from mliap_hybrid.testing.models import charge_predicting_model, direct_force_model, sodium_chloride_model

FIXTURES = Path(__file__).parents[1] / "fixtures"
OLD = json.loads((FIXTURES / "old_models.json").read_text())
"""What the package before version 6 wrote and computed (prepare_old_models.py)."""

MODELS = {
    "fixed charges": sodium_chloride_model,
    "no charges, whitening folded": lambda: sodium_chloride_model(None, whitened=False),
    "predicted charges, shift": lambda: charge_predicting_model(total_charge_input=True),
    "predicted charges, increments": lambda: charge_predicting_model("increments"),
    "direct forces": direct_force_model,
    "committee": lambda: committee_model([sodium_chloride_model(seed=seed) for seed in (0, 1)]),
    "molecules": lambda: molecule_model({1: 0.2, 7: -0.6}),
}


def old_description(name="fixed charges"):
    return copy.deepcopy(OLD["descriptions"][name])


@pytest.mark.parametrize("name", OLD["predictions"])
def test_stored_files_give_the_numbers_that_they_gave(name):
    model, _ = load_exported(FIXTURES / name)
    for expected in OLD["predictions"][name]:
        cell = expected["cell"]
        atoms = Atoms(expected["numbers"], expected["positions"], cell=cell, pbc=cell is not None)
        batch = with_total_charge(frame_to_batch(atoms, model.cutoff), 0.5)
        for found in (Evaluator(model).predict(batch), predict(model, batch)):
            assert float(found.energies[0]) == pytest.approx(expected["energy"], rel=0, abs=1e-10)
            np.testing.assert_allclose(found.forces, expected["forces"], rtol=0, atol=1e-10)
            np.testing.assert_allclose(found.virials[0], expected["virial"], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", MODELS)
def test_fifth_version(name):
    """Of every kind of model, the old description and today's tensors make the model of today."""
    model = MODELS[name]()
    today, tensors = describe(model)
    old = old_description(name)
    if old["molecules"] is not None:  # the last digit of a sum
        assert old["molecules"]["constant"] == pytest.approx(today.term("molecules").constant, abs=1e-9)
        old["molecules"]["constant"] = today.term("molecules").constant
    description = ModelDescription.model_validate(old)
    assert description == today
    restored, again = describe(build(description, tensors))
    assert restored == description
    assert again.keys() == tensors.keys()


def test_titles_stand_in_the_order_of_old():
    assert ModelDescription.model_validate(old_description("molecules")).titles() == [
        "baseline",
        "sGDML of N H H H",
        "ZBL repulsion",
        "long-range Coulomb, fixed smeared charges",
    ]
    titles = ModelDescription.model_validate(old_description("committee")).titles()
    assert titles[1].startswith("mean of 2 networks on ")
    titles = ModelDescription.model_validate(old_description("predicted charges, shift")).titles()
    assert titles[-1] == "long-range Coulomb, predicted smeared charges"


@pytest.mark.parametrize("version", [2, 3, 4])
def test_versions_that_knew_less(version):
    content = old_description()
    later = {"molecules": 5, "direct_forces": 4, "n_members": 4, "predicted_charges": 3, "total_charge_input": 3}
    for name, since in later.items():
        if version < since:
            del content[name]
    expected = ModelDescription.model_validate(old_description())
    assert ModelDescription.model_validate(content) == expected
    assert expected == describe(sodium_chloride_model())[0]


def test_first_version():
    """The settings of the multipoles stood among those of the model, and there were no third-order features."""
    content = old_description()
    expected = ModelDescription.model_validate(content)
    of_features = content.pop("features")
    content |= {name: of_features[name] for name in FIRST_VERSION_FEATURES}
    for name in ("molecules", "direct_forces", "n_members", "predicted_charges", "total_charge_input"):
        del content[name]
    description = ModelDescription.model_validate(content)
    features = expected.features.model_copy(update={"third_order": "none"})
    assert description == expected.model_copy(update={"features": features})


def test_a_model_without_network():
    content = old_description("molecules")
    assert content["n_members"] == 0
    assert upgraded(content)["heads"] == []
    assert "network" not in [term["kind"] for term in upgraded(content)["terms"]]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"surprise": 1}, "surprise"),
        ({"baseline": {"Na": 0.0}}, "baseline: expected an entry for each of Na Cl"),
        ({"charges": {"Na": 1.0, "Cl": -1.0, "K": 0.0}}, "charge: expected an entry for each of Na Cl"),
        ({"smearing": float("nan")}, "smearing"),
        ({"smearing": -1.0}, "smearing"),
        ({"hidden": [0]}, "hidden"),
        ({"repulsion": "hard"}, "repulsion"),
        ({"n_members": -1}, "n_members"),
    ],
)
def test_what_was_refused_is_refused(change, place):
    with pytest.raises(ValidationError, match=place):
        ModelDescription.model_validate(old_description() | change)
    without = {name: value for name, value in old_description().items() if name != "baseline"}
    with pytest.raises(ValidationError, match="baseline"):
        ModelDescription.model_validate(without)
