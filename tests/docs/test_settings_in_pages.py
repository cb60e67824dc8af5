"""Training files that the pages show are read as they stand."""

import re

import pytest
import yaml
from pages import DOCS, PAGES

from mliap_hybrid.config import TrainingFile, parse_training_file

BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, dict]]:
    """Name and content of each block of settings; those that are of another file are left out."""
    found = []
    for page in PAGES:
        for number, text in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
            content = yaml.safe_load(text)
            if isinstance(content, dict) and set(content) <= set(TrainingFile.model_fields):
                found.append((f"{page.stem}-{number}", content))
    return found


BLOCKS = blocks()


def test_there_are_some():
    assert len(BLOCKS) > 10


@pytest.mark.parametrize(("name", "content"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_settings_are_read(name, content):
    content.setdefault("data", {}).setdefault("files", ["frames.extxyz"])
    parse_training_file(content, name)


def test_examples_write_settings_that_are_read():
    found = []
    for script in (DOCS / "examples").iterdir():
        if script.suffix in (".py", ".sh"):
            text = script.read_text(encoding="utf-8")
            found += re.findall(r"(?:<<'YAML'\n|write_text\(\"\"\"\n)(run:.*?)(?:YAML|\"\"\")", text, re.DOTALL)
    assert len(found) == 2
    for text in found:
        parse_training_file(yaml.safe_load(text), "example")
