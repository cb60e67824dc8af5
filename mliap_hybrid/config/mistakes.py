"""What is wrong in a file of settings, in one sentence for each mistake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import ValidationError

from mliap_hybrid.errors import did_you_mean, quoted
from mliap_hybrid.section import Section


def mistakes(error: ValidationError, file: type[Section], elsewhere: Mapping[str, str] | None = None) -> str:
    """All mistakes of a file, with the nearest known key where a key is unknown.

    Parameters
    ----------
    error : pydantic.ValidationError
        Of the content of the file.
    file : type of Section
        The whole file's settings.
    elsewhere : mapping of str to str, optional
        Key that users of other programs write at the top of the file or under `data` -> its name under `data`.
    """
    lines = [_describe(detail, file, elsewhere or {}) for detail in error.errors()]
    return "; ".join(dict.fromkeys(lines))


def _describe(detail: Any, file: type[Section], elsewhere: Mapping[str, str]) -> str:
    """One sentence for one mistake found by pydantic."""
    place = [str(part) for part in detail["loc"]]
    where = ".".join(place)
    if detail["type"] == "extra_forbidden":
        if place[-1] in elsewhere and place[:-1] in ([], ["data"]):
            return f"unknown key '{where}': it is called data.{elsewhere[place[-1]]} here"
        known = _section_at(place[:-1], file).model_fields
        return f"unknown key '{quoted(where)}': {did_you_mean(place[-1], known)}"
    if detail["type"] == "missing":
        return f"the key '{where}' is missing"
    if detail["type"] == "model_type":
        return f"{where}: expected `key: value` lines, found {quoted(repr(detail['input']))}"
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "value_error":  # our own sentences, which say what was found
        return f"{where}: {message}" if where else message
    return f"{where}: {message[0].lower() + message[1:]} (found {quoted(repr(detail['input']))})"


def _section_at(place: list[str], file: type[Section]) -> type[Section]:
    """The section of a file that stands at a place, which is a path of keys."""
    section = file
    for name in place:
        annotation = section.model_fields[name].annotation
        annotation = next(iter(get_args(annotation)), annotation)  # the section of an optional one
        if isinstance(annotation, type) and issubclass(annotation, Section):
            section = annotation
    return section
