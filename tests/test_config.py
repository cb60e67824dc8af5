"""The training file: what is accepted comes back, and every mistake is one sentence."""

from pathlib import Path
from typing import get_args

import pytest
import yaml

from mliap_hybrid.config import (
    Section,
    TrainingFile,
    parse_training_file,
    read_training_file,
    write_training_file,
)
from mliap_hybrid.errors import InputError

MINIMAL = {"data": {"files": ["a.extxyz"]}}


def test_minimal_file_and_its_defaults():
    settings = parse_training_file(MINIMAL, "f.yaml")
    assert settings.features.cutoff == 6.0
    assert settings.electrostatics.charges == "none"


def test_written_file_reads_as_the_same_settings(tmp_path):
    path = tmp_path / "train.yaml"
    content = MINIMAL | {"electrostatics": {"charges": {"Na": 0.7, "Cl": -0.7}}, "seed": 3}
    path.write_text(yaml.safe_dump(content))
    settings = read_training_file(path)
    assert settings.data.files == [tmp_path / "a.extxyz"]  # relative to the training file
    write_training_file(settings, tmp_path / "other.yaml")
    assert read_training_file(tmp_path / "other.yaml") == settings


def test_numbers_as_yaml_1_1_reads_them(tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text("data: {files: [a.extxyz]}\noptimisation: {learning_rate: 4e-3}\n")  # a string for PyYAML
    assert read_training_file(path).optimisation.learning_rate == 4e-3


def test_density_table_is_a_name_or_a_file_beside(tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text("data: {files: [a.extxyz]}\nfeatures: {density_table: mine.gpsp}\n")
    assert read_training_file(path).features.density_table == "mine.gpsp"
    (tmp_path / "mine.gpsp").write_text("")
    assert read_training_file(path).features.density_table == str(tmp_path / "mine.gpsp")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimistion": {}}, "unknown key 'optimistion': did you mean 'optimisation'?"),
        ({"features": {"cutof": 5.0}}, "unknown key 'features.cutof': did you mean 'cutoff'?"),
        ({"data": {"files": ["a"], "keys": {"enrgy": "e"}}}, "unknown key 'data.keys.enrgy': did you mean 'energy'?"),
        (
            {"data": {"files": ["a"], "valid_file": "b"}},
            "unknown key 'data.valid_file': it is called data.validation_files here",
        ),
        ({"train_file": "a"}, "unknown key 'train_file': it is called data.files here"),
        (
            {"data": {"files": ["a"], "keys": {"stress": "s", "virial": "v"}}},
            "data.keys.stress and data.keys.virial are the same label twice: set one of them to null",
        ),
        (
            {"data": {"files": ["a"], "units": {"stress": "-kBar"}}},
            "data.units.stress: unknown unit of stress '-kBar': did you mean 'kbar'?",
        ),
        (
            {"data": {"files": ["a"], "split_key": "s", "test_files": ["b"]}},
            "data: split_key and validation_files or test_files exclude each other: leave one of them out",
        ),
        ({"data": {}}, "the key 'data.files' is missing"),
        ({"data": {"files": []}}, "data.files: list should have at least 1 item after validation, not 0 (found [])"),
        ({"data": 3}, "data: expected `key: value` lines, found 3"),
        ({"features": {"widths": [0.5, -1]}}, "features.widths.1: input should be greater than 0 (found -1)"),
        ({"optimisation": {"epochs": 0}}, "optimisation.epochs: input should be greater than or equal to 1 (found 0)"),
        (
            {"electrostatics": {"charges": "formall"}},
            "electrostatics.charges: unknown source of charges 'formall': did you mean 'formal'?",
        ),
        (
            {"electrostatics": {"charges": {"Na": "one"}}},
            "electrostatics.charges: the charge of Na must be a number in e, not 'one'",
        ),
        (
            {"electrostatics": {"charges": {"Na": 10**400}}},
            f"electrostatics.charges: the charge of Na must be a number in e, not 1{39 * '0'}",
        ),
        (
            {"electrostatics": {"charges": 1.0}},
            "electrostatics.charges: expected none, formal, reference, fitted, predicted or a table such as "
            "{Na: 1.0, Cl: -1.0}",
        ),
        (
            {"electrostatics": {"charges": "reference"}},
            "electrostatics.charges is reference, but data.keys.charges does not name a charge label",
        ),
        (
            {"electrostatics": {"charges": "predicted", "starting_charges": "reference"}},
            "electrostatics.starting_charges is reference, but data.keys.charges does not name a charge label",
        ),
        (
            {"electrostatics": {"charges": "predicted", "starting_charges": "formall"}},
            "electrostatics.starting_charges: unknown source of starting charges 'formall': did you mean 'formal'?",
        ),
        (
            {"electrostatics": {"charges": "predicted", "neutrality": "shfit"}},
            "electrostatics.neutrality: input should be 'shift' or 'increments' (found 'shfit')",
        ),
        (
            {"electrostatics": {"total_charge_input": True}},
            "electrostatics.total_charge_input has no effect unless charges are predicted",
        ),
        (
            {"electrostatics": {"charges": "predicted", "total_charge_input": True}},
            "electrostatics.total_charge_input is set, but data.keys.total_charge does not name the total charge",
        ),
        (
            {"network": {"body_order": 5}},
            "network.body_order has no effect with features.set gmp-2c3, whose products are fixed: leave it out, or "
            "set features.set to one of learned-small, learned, learned-large, learned-tied",
        ),
        (
            {"features": {"set": "learned"}, "network": {"forces": "direct"}},
            "network.forces direct does not work with features.set learned, whose moments turn with the atoms: "
            "expected conservative, or another set",
        ),
        (
            {"features": {"set": "learned", "selection": "fps", "n_selected": 5}},
            "features.selection fps does not work with features.set learned, which mixes all moments: expected none",
        ),
        (
            {"features": {"set": "learned-tied", "max_order": 2}},
            "features.max_order is 2, but features.set learned-tied has the orders up to 3: leave max_order out",
        ),
        (
            {"charge_penetration": {"coefficients": "constant"}},
            "charge_penetration needs charges that are fixed or predicted, but electrostatics.charges is none "
            "(there are none): expected formal, reference, predicted or a table",
        ),
        (
            {"dipoles": {"induced": "constant"}, "electrostatics": {"charges": "fitted"}},
            "dipoles needs charges that are fixed or predicted, but electrostatics.charges is fitted (fitted ones are "
            "trained as products): expected formal, reference, predicted or a table",
        ),
        (
            {"network": {"forces": "direct"}, "committee": {"n_members": 2}},
            "network.forces direct does not work with a committee: leave one of them out",
        ),
        ({"loss": {"virial": 1.0}}, "loss.virial has a weight, but data.keys.stress does not name a stress label"),
        (
            {"loss": {"energy": 0, "forces": 0}},
            "there is nothing to train on: every weight under loss is zero, or its label is null",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_mistake_is_one_sentence(change, message):
    with pytest.raises(InputError) as caught:
        parse_training_file(MINIMAL | change, "f.yaml")
    assert str(caught.value) == f"f.yaml: {message}"


def test_smearing_must_fit_the_cutoff():
    with pytest.raises(InputError, match=r"electrostatics.smearing 2.0 Å is too wide for features.cutoff 6.0 Å"):
        parse_training_file(MINIMAL | {"electrostatics": {"charges": "formal", "smearing": 2.0}}, "f.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [("data: [", "is not valid YAML"), ("- 1\n- 2\n", "expected `key: value` lines"), ("", "expected `key: value`")],
)
def test_file_that_is_no_training_file(tmp_path, text, message):
    path = tmp_path / "train.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_training_file(path)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="cannot read the training file"):
        read_training_file(tmp_path / "none.yaml")


def sections(section):
    yield section
    for field in section.model_fields.values():
        for annotation in (field.annotation, *get_args(field.annotation)):  # that of an optional section, too
            if isinstance(annotation, type) and issubclass(annotation, Section):
                yield from sections(annotation)


@pytest.mark.parametrize("section", list(sections(TrainingFile)), ids=lambda section: section.__name__)
def test_every_setting_is_described(section):
    undescribed = [
        name
        for name, field in section.model_fields.items()
        if not field.description and not (isinstance(field.annotation, type) and issubclass(field.annotation, Section))
    ]
    assert not undescribed


def test_committed_training_files_are_valid():
    for path in (Path(__file__).parents[1] / "training").glob("*/train*.yaml"):
        of_repository = [file for file in read_training_file(path).data.files if "runs" not in file.parts]
        assert all(file.exists() for file in of_repository)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"data: {files: [\xe4.xyz]}", "is not valid YAML: UnicodeDecodeError"),
        (b"data: {files: [2026-13-01]}", "is not valid YAML: ValueError"),
        (b"seed: !!bool maybe", "is not valid YAML: KeyError"),
        (b"data: " + 2000 * b"[", "is nested too deeply for a training file"),
        (b"data: &a {files: [*a]}", "or contains itself: expected a training file"),
    ],
)
def test_files_that_yaml_stumbles_over(tmp_path, content, message):
    (tmp_path / "train.yaml").write_bytes(content)
    with pytest.raises(InputError) as refused:
        read_training_file(tmp_path / "train.yaml")
    assert message in str(refused.value)


def test_aliases_count_at_each_place(tmp_path, monkeypatch):
    monkeypatch.setattr("mliap_hybrid.config.yaml_file.MOST_ENTRIES", 100)
    (tmp_path / "train.yaml").write_text("a: &a [1, 2, 3]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b, *b, *b, *b, *b, *b]\n")
    with pytest.raises(InputError, match="has more than 100 entries"):
        read_training_file(tmp_path / "train.yaml")
    (tmp_path / "train.yaml").write_text("data: {files: &files [a.xyz]}\nnetwork: {hidden: &h [8, 8]}\n")
    assert read_training_file(tmp_path / "train.yaml").network.hidden == [8, 8]
