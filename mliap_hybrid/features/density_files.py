"""Files of pseudo-densities: `.gpsp` tables of many elements, and two-column `.g` files of one element each.

Both are formats of published GMP featurisers (Lei & Medford, J. Phys. Chem. Lett. 13, 7911 (2022)), and both hold B in
e/Å^3 and beta in 1/Å^2:

- `.gpsp` (GMP-Featurizer): comment lines (`#`), `! N elements`, then for every element `****`, `symbol Z n_primitives`
  and one `B beta` a line;
- `.g` (AMPtorch): one `B beta` a line and nothing else. The element stands in the file's name alone, before the first
  underscore: `Cu_pseudodensity.g`, `O_totaldensity_7.g`. A table is a folder of such files. They do not name their
  units; Å follows from the published carbon, whose four valence electrons have <r> = 0.88 in the unit of the file: the
  atom has 0.89 Å.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from mliap_hybrid.errors import InputError, did_you_mean, quoted
from mliap_hybrid.features.density import DensityTable, PseudoDensity

MOST_PRIMITIVES = 10_000
"""Of an element."""

NumberedLines = Iterator[tuple[int, list[str]]]
"""Line number and words of each line that says something."""


def load_table(name_or_path: str | Path) -> DensityTable:
    """A density table by its name or its place.

    Parameters
    ----------
    name_or_path : str or Path
        A shipped table (``gth-pbe``), a `.gpsp` file, a folder of `.g` files, or one `.g` file.

    Raises
    ------
    InputError
        If there is nothing of that name, or what there is is malformed.
    """
    tables = resources.files("mliap_hybrid.features") / "tables"
    shipped = {Path(entry.name).stem: entry for entry in tables.iterdir() if entry.name.endswith(".gpsp")}
    name, path = str(name_or_path), Path(name_or_path)
    if name in shipped:
        return _parse_gpsp(shipped[name].read_text(encoding="utf-8"), name)
    if path.is_dir():
        return read_g_folder(path)
    if path.is_file():
        return read_g(path) if path.suffix == ".g" else read_gpsp(path)
    raise InputError(
        f"no density table '{name}': neither a file, nor a folder of .g files, nor a shipped table; "
        f"{did_you_mean(name, shipped)}"
    )


def read_gpsp(path: str | Path) -> DensityTable:
    """Read a `.gpsp` file.

    Raises
    ------
    InputError
        If the file cannot be read or a line is not what the format asks for.
    """
    return _parse_gpsp(_read_text(path), str(path))


def write_gpsp(path: str | Path, table: DensityTable, comments: Sequence[str] = ()) -> None:
    """Write `table` to a `.gpsp` file, with one `#` line for each of `comments` on top."""
    lines = [f"# {comment}" for comment in comments]
    lines.append(f"! {len(table.densities)} elements")
    for number, density in sorted(table.densities.items()):
        lines += ["****", f"{chemical_symbols[number]} {number} {len(density.amplitudes)}", *_primitive_lines(density)]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_g(path: str | Path, element: str | None = None) -> DensityTable:
    """Read the `.g` file of one element.

    Parameters
    ----------
    path : str or Path
    element : str, optional
        Symbol; if not given, the file's name up to the first underscore or dot.

    Returns
    -------
    DensityTable
        Of this element alone.

    Raises
    ------
    InputError
        If the file cannot be read, names no element, or a line is not `B beta`.
    """
    path = Path(path)
    symbol = path.name.split(".")[0].split("_")[0] if element is None else element
    if atomic_numbers.get(symbol, 0) == 0:
        raise InputError(
            f"density file '{path}': '{symbol}' is no element; expected its symbol at the beginning of the name, "
            "as in Cu_pseudodensity.g"
        )
    lines = list(_numbered(_read_text(path)))
    if not lines:
        raise InputError(f"density file '{path}' has no Gaussian: expected one or more lines 'B beta'")
    density = _parse_primitives(iter(lines), len(lines), str(path))
    return DensityTable(str(path), {atomic_numbers[symbol]: density})


def read_g_folder(folder: str | Path) -> DensityTable:
    """Read a folder of `.g` files, one for each element, as one table.

    Raises
    ------
    InputError
        If there is no such file, two files are of one element, or a file is wrong.
    """
    files: dict[int, Path] = {}
    densities: dict[int, PseudoDensity] = {}
    for path in sorted(Path(folder).glob("*.g")):
        for number, density in read_g(path).densities.items():
            if number in files:
                raise InputError(
                    f"folder of densities '{folder}': {files[number].name} and {path.name} are both of "
                    f"{chemical_symbols[number]}; keep one of them"
                )
            files[number], densities[number] = path, density
    if not densities:
        raise InputError(f"folder of densities '{folder}': expected .g files such as Cu_pseudodensity.g, found none")
    return DensityTable(str(folder), densities)


def write_g(path: str | Path, density: PseudoDensity) -> None:
    """Write the density of one element to a `.g` file; whose it is, the name must say (`Cu_pseudodensity.g`)."""
    Path(path).write_text("\n".join(_primitive_lines(density)) + "\n", encoding="utf-8")


def write_g_folder(folder: str | Path, table: DensityTable) -> list[Path]:
    """Write `table` as a folder of `.g` files.

    Parameters
    ----------
    folder : str or Path
        Made if it does not exist.
    table : DensityTable

    Returns
    -------
    list of Path
        The files written, `<symbol>_pseudodensity.g`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, density in sorted(table.densities.items()):
        written.append(folder / f"{chemical_symbols[number]}_pseudodensity.g")
        write_g(written[-1], density)
    return written


def _primitive_lines(density: PseudoDensity) -> list[str]:
    return [f"{b:.15e} {beta:.15e}" for b, beta in zip(density.amplitudes, density.exponents, strict=True)]


def _read_text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the density table '{path}': {error}") from error


def _numbered(text: str) -> NumberedLines:
    numbered = ((k, line.split()) for k, line in enumerate(text.splitlines(), start=1))
    return ((k, words) for k, words in numbered if words and not words[0].startswith("#"))


def _parse_gpsp(text: str, name: str) -> DensityTable:
    lines = _numbered(text)
    k, words = next(lines, (0, []))
    if len(words) < 2 or words[0] != "!":
        raise _malformed(name, k, "! N elements", words)
    n_elements = _number(int, words[1], name, k)

    densities: dict[int, PseudoDensity] = {}
    for k, words in lines:
        if words != ["****"]:
            raise _malformed(name, k, "****", words)
        k, words = next(lines, (k, []))
        if len(words) != 3:
            raise _malformed(name, k, "symbol Z n_primitives", words)
        number, n_primitives = _number(int, words[1], name, k), _number(int, words[2], name, k)
        if not 0 <= number < len(chemical_symbols) or chemical_symbols[number] != words[0]:
            raise _malformed(name, k, "a symbol and its atomic number", words)
        if number in densities:
            raise InputError(f"density table '{name}', line {k}: {words[0]} is there twice; keep one of them")
        if n_primitives < 1:
            raise _malformed(name, k, "one or more primitives", words)
        densities[number] = _parse_primitives(lines, n_primitives, name, k)
    if len(densities) != n_elements:
        raise InputError(
            f"density table '{name}' announces {n_elements} elements but has {len(densities)}; is it cut off?"
        )
    return DensityTable(name, densities)


def _parse_primitives(lines: NumberedLines, n_primitives: int, name: str, k: int = 0) -> PseudoDensity:
    """The next `n_primitives` lines, each `B beta`; `k` is the number of the line before."""
    if n_primitives > MOST_PRIMITIVES:
        raise InputError(
            f"density table '{name}', line {k}: an element has {quoted(n_primitives)} primitives; expected up to "
            f"{MOST_PRIMITIVES}"
        )
    primitives = np.empty((n_primitives, 2))  # B, beta
    for g in range(n_primitives):
        k, words = next(lines, (k, []))
        if len(words) != 2:
            raise _malformed(name, k, "B beta", words)
        primitives[g] = [_number(float, word, name, k) for word in words]
        if not np.isfinite(primitives[g]).all() or primitives[g, 1] <= 0.0:
            raise _malformed(name, k, "finite B and beta > 0", words)
    try:
        return PseudoDensity(primitives[:, 0], primitives[:, 1])
    except InputError as error:
        raise InputError(f"density table '{name}', up to line {k}: {error}") from None


def _number(kind: type, word: str, name: str, line: int):
    try:
        return kind(word)
    except ValueError as error:
        raise InputError(f"density table '{name}', line {line}: expected a number, found '{quoted(word)}'") from error


def _malformed(name: str, line: int, expected: str, found: Sequence[str]) -> InputError:
    return InputError(f"density table '{name}', line {line}: expected '{expected}', found '{quoted(' '.join(found))}'")
