"""Strategies that damage text, bytes and nested values which are sound before."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

NUMBERS = (
    *("nan", "-nan", "inf", "-inf", "1e308", "-1e308", "1e309", "1e200", "1e-320", "1e30", "0", "-0.0", "-1", "1", "2"),
    *("3", "17", "118", "119", "-9223372036854775809", "18446744073709551616", "4294967296", "9" * 400, "1_0", "0x10"),
    *("1e", "1d3", ".", "+", "1e-5", "0.5", "1,5", "１", "1/2"),
)
"""Words in the place of numbers."""

WORDS = (
    *("", "H", "X", "Na", "na", "Uuo", "Xx", "T", "F", "None", "true", "*", "#", "****", "!", ":", "::", "[", "]", "{"),
    *("}", "[[1]]", '"', "'", "=", "a=", "=a", 'a="', ",", "\\", "%s", "%", "&a", "*a", "é", "\u2028", "\x00", "\r"),
    *("energy=", "forces", "x" * 300, "ITEM:", "ITEM: ATOMS", "begin", "end", "Lattice=", "Properties=", "pbc="),
)
"""Other words."""

HOSTILE = st.sampled_from(NUMBERS) | st.sampled_from(WORDS)


def _edit(lines: list[list[str]], draw: Any) -> None:
    """One change of a text, in place."""
    if not lines:
        return
    place = draw(st.integers(0, len(lines) - 1))
    line = lines[place]
    how = draw(st.sampled_from(("replace", "replace", "replace", "character", "add", "drop", "line", "double", "swap")))
    if how == "line":
        del lines[place]
    elif how == "double":
        lines.insert(draw(st.integers(0, len(lines))), list(line))
    elif how == "swap":
        other = draw(st.integers(0, len(lines) - 1))
        lines[place], lines[other] = lines[other], line
    elif how == "add" or not line:
        line.insert(draw(st.integers(0, len(line))), draw(HOSTILE))
    else:
        at = draw(st.integers(0, len(line) - 1))
        if how == "replace":
            line[at] = draw(HOSTILE)
        elif how == "drop":
            del line[at]
        else:
            word, k = line[at], draw(st.integers(0, len(line[at])))
            line[at] = word[:k] + draw(st.characters(max_codepoint=0x2FF)) + word[k + draw(st.integers(0, 1)) :]


@st.composite
def damaged_text(draw: Any, texts: Sequence[str], most_edits: int = 3) -> bytes:
    """One of `texts` with words, characters or lines changed, taken away, doubled or swapped, or with its end cut off.

    Words are what spaces part, so that spaces within quotes part words as well.
    """
    lines = [line.split(" ") for line in draw(st.sampled_from(texts)).split("\n")]
    for _ in range(draw(st.integers(0, most_edits))):
        _edit(lines, draw)
    content = "\n".join(" ".join(line) for line in lines).encode("utf-8", errors="surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        content = draw(damaged_bytes(content))
    return content


@st.composite
def damaged_bytes(draw: Any, content: bytes) -> bytes:
    """The content with some bits flipped, or cut off."""
    if not content or draw(st.booleans()):
        return content[: draw(st.integers(0, len(content)))]
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        changed[draw(st.integers(0, len(content) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(changed)


VALUES = st.sampled_from(
    [
        *(None, True, False, -1, 0, 1, 2, 10**30, -(10**30), 10**400, 0.5, 1e308, -1e308, 1e-320),
        *(float("nan"), float("inf"), float("-inf"), "", "x", "Na", "none", "all", "predicted", "fitted", "1", "1e-5"),
        *("é\n", "../..", "x" * 300, [], [[]], [1], [0.7, 0.7], [-1], [10**30], ["Na"], [None], {}, {"Na": 1.0}),
        *({"Na": None}, {"Xx": 1.0}, {"": 0}, {1: 2}, {None: []}, {"a": {"b": {"c": [1]}}}, [[[[[1]]]]], b"\x00"),
    ]
)
"""In the place of any setting."""


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to all entries of nested mappings and lists, the value itself left out."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [here] if here else []
    for key, child in children:
        found += places(child, (*here, key))
    return found


@st.composite
def damaged_values(draw: Any, contents: Sequence[dict[str, Any]], most_edits: int = 3) -> Any:
    """One of `contents` with entries replaced, taken away, renamed, or put into others."""
    content = copy.deepcopy(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(0, most_edits))):
        found = places(content)
        if not found:
            break
        *outer, key = draw(st.sampled_from(found))
        parent = content
        for step in outer:
            parent = parent[step]
        how = draw(st.sampled_from(("replace", "replace", "replace", "drop", "rename", "nest")))
        if how == "drop":
            del parent[key]
        elif how == "rename" and isinstance(parent, dict):
            parent[draw(st.sampled_from(("unheard_of", f"{key}s", str(key)[:-1], str(key).upper())))] = parent[key]
        elif how == "nest":
            parent[key] = draw(st.sampled_from(([parent[key]], {str(key): parent[key]}, {"x": [parent[key]]})))
        else:
            parent[key] = copy.deepcopy(draw(VALUES))
    return content
