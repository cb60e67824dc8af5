"""Pages that are made from the code: settings, names, examples."""

from typing import Annotated, Literal

import pytest
from extension.api_pages import NAME, named
from extension.example_pages import LANGUAGES, page_of
from extension.settings_pages import FILES, default_in_words, sections_of, settings_pages, type_in_words, unit_of
from pages import DOCS
from pydantic import Field

from mliap_hybrid.config import TrainingFile
from mliap_hybrid.config.data import DataSettings
from mliap_hybrid.config.model import FeatureSettings
from mliap_hybrid.model.terms.dispersion import DispersionSettings


def test_every_key_of_every_section_has_its_entry():
    pages = settings_pages(DOCS)
    for kind, top in FILES.items():
        for name, section in sections_of(top).items():
            page = pages[f"{kind}.{name}".rstrip(".") + ".md"]
            for key, field in section.model_fields.items():
                assert f"## `{key}`\n" in page or f"[`{key}`](" in page, f"{name}.{key}"
                assert field.description or f"[`{key}`](" in page, f"{name}.{key} has no text in the code"


def test_facts_of_a_setting_are_those_of_the_code():
    page = settings_pages(DOCS)["training.features.md"]
    assert "## `cutoff`\n\n*number > 0 · default: `6.0` · unit: Å*" in page
    assert "*list of: number > 0 · default: `[0.25, 0.5, 1.0, 2.0]` · unit: Å*" in page


def test_types_in_words():
    assert type_in_words(Literal["a", "b"] | None, []) == "`a`, `b` or null"
    assert type_in_words(Annotated[float, Field(gt=0)], []) == "number > 0"
    assert type_in_words(dict[str, float], []) == "table of: number"
    assert default_in_words(DataSettings.model_fields["files"]) == "must be given"
    assert default_in_words(TrainingFile.model_fields["run"]) == "default: `runs/model`"


def test_units_are_of_numbers_alone():
    assert unit_of(FeatureSettings.model_fields["cutoff"]) == "Å"
    assert unit_of(DispersionSettings.model_fields["c6"]) == "eV Å^6"
    assert unit_of(FeatureSettings.model_fields["set"]) == ""


@pytest.mark.parametrize("name", NAME.findall((DOCS / "api.md").read_text(encoding="utf-8")))
def test_names_of_the_package_are_there(name):
    assert named(name).__doc__


def test_example_becomes_text_and_code(tmp_path):
    script = tmp_path / "short.py"
    script.write_text(
        '"""Not shown."""\n\n# %%\n# # Title\n#\n# Text.\nx = 1\n\n# of the code\ny = x\n\n# %%\n# End.\n'
    )
    assert page_of(script).startswith("# Title\n\nText.\n\n```python\nx = 1\n\n# of the code\ny = x\n```\n\nEnd.\n")


def test_all_examples_have_a_title():
    scripts = [path for path in (DOCS / "examples").iterdir() if path.suffix in LANGUAGES]
    assert len(scripts) >= 2
    assert all(page_of(script).startswith("# ") for script in scripts)
