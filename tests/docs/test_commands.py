"""Verbs and options of `mliap-hybrid` that the pages name are there."""

import re

import pytest
import typer
from pages import PAGES, code_in, name_of

from mliap_hybrid.cli.main import app

COMMANDS = typer.main.get_command(app)
VERBS = dict(COMMANDS.commands)
OPTION = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")
END = re.compile(r"\s#|->|\||;|&&|\$\(|, | > ")
"""What ends a command: comments, pipes, and words of a list."""


def commands_in(line: str) -> list[list[str]]:
    """Words of each call in a line of code: with `mliap-hybrid` before it, or a verb with its options alone."""
    calls = re.split(r"mliap-hybrid(?=\s)", line)[1:]
    if not calls and re.match(rf"({'|'.join(VERBS)}) --", line):
        calls = [line]
    return [words for call in calls if (words := END.split(call)[0].split())]


def problem(words: list[str]) -> str | None:
    """What is wrong with a call, if anything."""
    verb, command = words[0], VERBS.get(words[0])
    if verb.startswith("-"):
        command, words = COMMANDS, ["", *words]
    elif not re.fullmatch(r"[a-z-]+", verb):  # VERB, ...
        return None
    elif command is None:
        return f"no verb {verb}"
    if hasattr(command, "commands") and command is not COMMANDS:
        command = command.commands.get(words[1]) if len(words) > 1 else command
        if command is None:
            return f"{verb} has no {words[1]}"
    if verb == "lmp":  # its options are LAMMPS'
        return None
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    known |= {"-h", "--help"}
    unknown = [option for word in words[1:] for option in OPTION.findall(word)[:1] if word.startswith("-")]
    unknown = [option for option in unknown if option not in known]
    return f"{verb} has no {unknown[0]}" if unknown else None


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_are_there(page):
    calls = [words for line in code_in(page.read_text(encoding="utf-8")) for words in commands_in(line)]
    assert [found for words in calls if (found := problem(words))] == []


def test_mistakes_would_be_found():
    assert problem(commands_in("mliap-hybrid trian file.yaml")[0]) == "no verb trian"
    assert problem(commands_in("mliap-hybrid train file.yaml --resum  # --resume")[0]) == "train has no --resum"
    assert problem(commands_in("export --coulombs exact")[0]) == "export has no --coulombs"
    assert problem(commands_in("mliap-hybrid plot feature x")[0]) == "plot has no feature"
    assert problem(commands_in("mliap-hybrid plot features x -o a.png")[0]) is None
