"""A page for each section of the settings files: key, type, default, unit and text, from the classes themselves."""

from __future__ import annotations

import re
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mliap_hybrid.config import TrainingFile
from mliap_hybrid.learning.settings import LearningFile
from mliap_hybrid.section import Section

FILES = {"training": TrainingFile, "learning": LearningFile}
"""Kind of file -> its class."""

TITLES = {"training": "Training file", "learning": "File of `mliap-hybrid learn`"}

WORDS = {
    Path: "path",
    str: "word",
    bool: "true or false",
    int: "whole number",
    float: "number",
    Any: "anything",
}
"""Type -> what one writes for it."""

UNIT = re.compile(r"(?:^|\bin )(eV Å\^6|eV Å\^8|eV/atom|eV/Å|1/Å|Å\^3|Å|eV|ps|fs|K|e)(?=[\s.,:;]|$)")
"""The unit that a description names, at its beginning or after `in`."""


def settings_pages(docs: Path) -> dict[str, str]:
    """Name of each page -> its text; the pages of a file begin with that of its top level."""
    pages = {}
    for kind, top in FILES.items():
        for name, section in sections_of(top).items():
            file = f"{kind}.{name}".rstrip(".") + ".md"
            pages[file] = _page(kind, name, section)
    return pages


def sections_of(top: type[Section], name: str = "") -> dict[str, type[Section]]:
    """Dotted name -> section, of a section and of all below it; the name of the first is that given."""
    found = {name: top}
    for key, field in top.model_fields.items():
        if (below := section_of(field)) is not None:
            found |= sections_of(below, f"{name}.{key}".lstrip("."))
    return found


def section_of(field: FieldInfo) -> type[Section] | None:
    """The section that a setting holds; None for a plain value."""
    kinds = [field.annotation, *get_args(field.annotation)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)


def _page(kind: str, name: str, section: type[Section]) -> str:
    title = f"`{name}`" if name else TITLES[kind]
    parts = [f"# {title}", _safe((section.__doc__ or "").strip())]
    prefix = f"{kind}.{name}".rstrip(".")
    inner = {key: found for key, field in section.model_fields.items() if (found := section_of(field))}
    below = [f"- [`{key}`]({prefix}.{key}.md): {_first_line(found)}" for key, found in inner.items()]
    if below:
        parts.append("Sections:\n\n" + "\n".join(below))
    parts += [_entry(key, field) for key, field in section.model_fields.items() if section_of(field) is None]
    return "\n\n".join(_dedented(part) for part in parts) + "\n"


def _first_line(section: type[Section]) -> str:
    return _safe((section.__doc__ or "").strip().splitlines()[0])


def _entry(key: str, field: FieldInfo) -> str:
    """Heading, one line of facts, and the text of a setting."""
    facts = [type_in_words(field.annotation, field.metadata), default_in_words(field)]
    if unit := unit_of(field):
        facts.append(f"unit: {unit}")
    return f"## `{key}`\n\n*{' · '.join(facts)}*\n\n{_safe(field.description or '')}"


def type_in_words(annotation: Any, limits: list[Any]) -> str:
    """What may be written for a type, such as `number > 0`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        of_field = [limit for part in arguments[1:] for limit in (getattr(part, "metadata", None) or [part])]
        return type_in_words(arguments[0], of_field)
    if origin is Literal:
        return ", ".join(f"`{_value(choice)}`" for choice in arguments)
    if origin in (Union, UnionType):
        kinds = [type_in_words(kind, limits) for kind in arguments if kind is not NoneType]
        return " or ".join(kinds + ["null"] * (NoneType in arguments))
    if origin is list:
        return f"list of: {type_in_words(arguments[0], [])}"
    if origin is dict:
        return f"table of: {type_in_words(arguments[1], [])}"
    return " ".join([WORDS[annotation], *_limits(limits)])


def _limits(limits: list[Any]) -> list[str]:
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    named = [(sign, getattr(limit, name, None)) for limit in limits for name, sign in signs.items()]
    return [f"{sign} {bound}" for sign, bound in named if bound is not None]


def default_in_words(field: FieldInfo) -> str:
    """The default as one writes it in the file, or that there is none."""
    if field.default is PydanticUndefined:
        return "must be given"
    return f"default: `{_value(field.default)}`"


def _value(value: Any) -> str:
    plain = str(value) if isinstance(value, Path) else value
    return yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=1000).split("\n...")[0].strip()


def unit_of(field: FieldInfo) -> str:
    """Unit of a number, as its description names it first; empty for words and for numbers without a unit."""
    if "float" not in str(field.annotation):
        return ""
    found = UNIT.search((field.description or "").split(". ")[0])
    return found[1] if found else ""


def _safe(text: str) -> str:
    """A docstring as Markdown: what is no code stays as it is written."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<>\[\]|~])", r"\\\1", part) for part in parts)


def _dedented(text: str) -> str:
    return "\n".join(line.strip() if not line.startswith("- ") else line for line in text.splitlines())
