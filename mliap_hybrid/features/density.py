"""Pseudo-densities of atoms, rho_Z(r) = sum_g B_g exp(-beta_g r^2): the element's only fingerprint in the features.

The file format (`.gpsp`) is that of the published GMP featuriser (Lei & Medford, J. Phys. Chem. Lett. 13, 7911 (2022)):
comment lines (`#`), `! N elements`, then for every element `****`, `symbol Z n_primitives` and one `B beta` a line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols

from mliap_hybrid.errors import InputError, did_you_mean


@dataclass(frozen=True)
class PseudoDensity:
    """Valence density of one spherical atom as a sum of Gaussians at its nucleus."""

    amplitudes: np.ndarray
    """(n_primitives,) float64, e/Å^3: B_g; may be negative."""
    exponents: np.ndarray
    """(n_primitives,) float64, 1/Å^2: beta_g."""

    def __call__(self, distances: np.ndarray) -> np.ndarray:
        """Density in e/Å^3 at `distances` (any shape, Å) from the nucleus."""
        squares = np.asarray(distances, dtype=np.float64)[..., None] ** 2
        return np.sum(self.amplitudes * np.exp(-self.exponents * squares), axis=-1)

    @property
    def charges(self) -> np.ndarray:
        """(n_primitives,) e: integral of each Gaussian over all space, B (pi / beta)^(3/2)."""
        return self.amplitudes * (math.pi / self.exponents) ** 1.5

    @property
    def n_electrons(self) -> float:
        """Integral of the density over all space, e."""
        return float(self.charges.sum())


@dataclass(frozen=True)
class DensityTable:
    """Pseudo-densities of many elements."""

    name: str
    """Name of a shipped table, or the path of a file."""
    densities: Mapping[int, PseudoDensity]
    """Atomic number -> its density."""

    def __getitem__(self, number: int) -> PseudoDensity:
        """Density of the element with atomic number `number`.

        Raises
        ------
        InputError
            If the table does not have the element.
        """
        if number not in self.densities:
            known = " ".join(_symbol(z) for z in sorted(self.densities))
            raise InputError(
                f"density table '{self.name}' has no {_symbol(number)} (Z = {number}); "
                f"its elements are: {known}. Use a table that has it, or remove the element"
            )
        return self.densities[number]

    def subset(self, elements: Iterable[int]) -> DensityTable:
        """The same table with only the given atomic numbers; raises as `table[number]` does."""
        return DensityTable(self.name, {int(z): self[int(z)] for z in elements})

    def padded(self, elements: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Amplitudes and exponents of several elements as rectangular arrays.

        Parameters
        ----------
        elements : sequence of int
            Atomic numbers, in the order of the rows.

        Returns
        -------
        amplitudes : array, shape (n_elements, n_primitives), e/Å^3
            Short rows are filled up with zeros.
        exponents : array, shape (n_elements, n_primitives), 1/Å^2
            Short rows are filled up with ones.

        Raises
        ------
        InputError
            If the table does not have one of the elements.
        """
        densities = [self[z] for z in elements]
        n_primitives = max((len(d.exponents) for d in densities), default=1)
        amplitudes = np.zeros((len(densities), n_primitives))
        exponents = np.ones((len(densities), n_primitives))
        for e, density in enumerate(densities):
            amplitudes[e, : len(density.amplitudes)] = density.amplitudes
            exponents[e, : len(density.exponents)] = density.exponents
        return amplitudes, exponents


COUNT_EXPONENT = 6.0
"""beta in 1/Å^2 of the Gaussian that stands for one atom in the count channel."""


def channel_densities(channel: str, table: DensityTable) -> DensityTable:
    """Densities of one channel of the features.

    Parameters
    ----------
    channel : {"valence", "count"}
        "valence" is the table itself; in "count" every atom has the same Gaussian of integral one.
    table : DensityTable
        Names the elements.
    """
    if channel == "valence":
        return table
    exponents = np.array([COUNT_EXPONENT])
    one = PseudoDensity((exponents / math.pi) ** 1.5, exponents)
    return DensityTable(channel, dict.fromkeys(table.densities, one))


def load_table(name_or_path: str | Path) -> DensityTable:
    """A density table by the name of a shipped one (``gth-pbe``) or by the path of a `.gpsp` file.

    Raises
    ------
    InputError
        If there is neither a shipped table nor a file of that name, or if the file is malformed.
    """
    tables = resources.files("mliap_hybrid.features") / "tables"
    shipped = {Path(entry.name).stem: entry for entry in tables.iterdir() if entry.name.endswith(".gpsp")}
    name = str(name_or_path)
    if name in shipped:
        return _parse_gpsp(shipped[name].read_text(encoding="utf-8"), name)
    if Path(name).is_file():
        return read_gpsp(Path(name))
    raise InputError(f"no density table '{name}': neither a file nor a shipped table; {did_you_mean(name, shipped)}")


def read_gpsp(path: str | Path) -> DensityTable:
    """Read a `.gpsp` file.

    Raises
    ------
    InputError
        If the file cannot be read or a line is not what the format asks for.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the density table '{path}': {error}") from error
    return _parse_gpsp(text, str(path))


def write_gpsp(path: str | Path, table: DensityTable, comments: Sequence[str] = ()) -> None:
    """Write `table` to a `.gpsp` file, with one `#` line for each of `comments` on top."""
    lines = [f"# {comment}" for comment in comments]
    lines.append(f"! {len(table.densities)} elements")
    for number, density in sorted(table.densities.items()):
        lines += ["****", f"{_symbol(number)} {number} {len(density.amplitudes)}"]
        lines += [f"{b:.15e} {beta:.15e}" for b, beta in zip(density.amplitudes, density.exponents, strict=True)]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _parse_gpsp(text: str, name: str) -> DensityTable:
    numbered = [(k, line.split()) for k, line in enumerate(text.splitlines(), start=1)]
    lines = iter([(k, words) for k, words in numbered if words and not words[0].startswith("#")])
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
        rows = []
        for _ in range(n_primitives):
            k, words = next(lines, (k, []))
            if len(words) != 2:
                raise _malformed(name, k, "B beta", words)
            rows.append([_number(float, word, name, k) for word in words])
        primitives = np.array(rows, dtype=np.float64).reshape(n_primitives, 2)
        if not np.isfinite(primitives).all() or (primitives[:, 1] <= 0.0).any():
            raise InputError(
                f"density table '{name}', line {k}: element Z = {number} needs finite B and beta > 0, "
                f"found {primitives.tolist()}"
            )
        densities[number] = PseudoDensity(primitives[:, 0], primitives[:, 1])
    if len(densities) != n_elements:
        raise InputError(
            f"density table '{name}' announces {n_elements} elements but has {len(densities)}; is it cut off?"
        )
    return DensityTable(name, densities)


def _number(kind: type, word: str, name: str, line: int):
    try:
        return kind(word)
    except ValueError as error:
        raise InputError(f"density table '{name}', line {line}: expected a number, found '{word}'") from error


def _malformed(name: str, line: int, expected: str, found: Sequence[str]) -> InputError:
    return InputError(f"density table '{name}', line {line}: expected '{expected}', found '{' '.join(found)}'")


def _symbol(number: int) -> str:
    return chemical_symbols[number] if 0 <= number < len(chemical_symbols) else f"element {number}"
