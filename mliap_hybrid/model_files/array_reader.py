"""Arrays of a record, taken by name: each of the kind, shape and range that its reader can work with, or refused.

What reads memory by these numbers need not ask again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from mliap_hybrid.errors import InputError, quoted

LONGEST = 1 << 24
"""Most rows, columns and so on of an array, and the largest whole number: products of two of them fit into 64 bits."""


class ArrayReader:
    """Arrays of a record by name.

    Parameters
    ----------
    arrays : mapping of str to array
    source : str
        Name of the file, for messages.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], source: str):
        self._arrays = arrays
        self._source = source
        self._prefix = ""
        self._taken: set[str] = set()

    def part(self, name: str) -> ArrayReader:
        """The arrays whose names begin with this name and a stop."""
        of_part = ArrayReader(self._arrays, self._source)
        of_part._prefix, of_part._taken = f"{self._prefix}{name}.", self._taken
        return of_part

    def has(self, name: str) -> bool:
        """Whether there is an array of the name, or a part."""
        full = self._prefix + name
        return any(each == full or each.startswith(f"{full}.") for each in self._arrays)

    def floats(self, name: str, *shape: int | None) -> NDArray[np.float64]:
        """Finite float64 numbers of a shape, in which None is any length."""
        array = self._array(name, np.float64, shape)
        self.require(bool(np.isfinite(array).all()), name, "finite numbers")
        return array

    def indices(self, name: str, *shape: int | None, least: int = 0, below: int = LONGEST) -> NDArray[np.int32]:
        """Numbers of int32 from `least` to `below` - 1, of a shape, in which None is any length."""
        array = self._array(name, np.int32, shape)
        inside = bool(((array >= least) & (array < below)).all())
        self.require(inside, name, f"numbers from {least} to {below - 1}")
        return array

    def number(self, name: str, above: float = -math.inf) -> float:
        """One finite float64 above another."""
        value = float(self.floats(name))
        self.require(value > above, name, f"a number above {above:g}")
        return value

    def whole(self, name: str, least: int = 0, most: int = LONGEST) -> int:
        """One int32 from `least` to `most`."""
        return int(self.indices(name, least=least, below=most + 1))

    def flag(self, name: str) -> bool:
        """One int32 that is 0 or 1."""
        return bool(self.whole(name, 0, 1))

    def text(self, name: str) -> str:
        """ASCII text, as uint8."""
        array = self._array(name, np.uint8, (None,))
        self.require(bool((array < 128).all()), name, "ASCII text")
        return array.tobytes().decode("ascii")

    def end(self) -> None:
        """Refuse arrays that nobody has taken."""
        for name in sorted(self._arrays.keys() - self._taken):
            self._refuse(name, "no such array", "one")

    def require(self, holds: bool, name: str, expected: str) -> None:
        """Refuse an array that does not hold what is expected.

        Raises
        ------
        InputError
            As all the functions above.
        """
        if not holds:
            self._refuse(self._prefix + name, expected, "others")

    def _array(self, name: str, kind: type, shape: tuple[int | None, ...]) -> NDArray[Any]:
        full = self._prefix + name
        array = self._arrays.get(full)
        wanted = f"{np.dtype(kind)} of shape ({', '.join('any' if n is None else str(n) for n in shape)})"
        if array is None:
            self._refuse(full, wanted, "none")
        fits = len(array.shape) == len(shape) and all(
            n <= LONGEST and expected in (None, n) for n, expected in zip(array.shape, shape, strict=True)
        )
        if array.dtype != kind or not fits:
            self._refuse(full, wanted, f"{array.dtype} of shape ({', '.join(map(str, array.shape))})")
        self._taken.add(full)
        return array

    def _refuse(self, name: str, expected: str, found: str) -> NoReturn:
        raise InputError(
            f"{self._source}: the native record is damaged at '{quoted(name)}' (expected {expected}, found "
            f"{quoted(found)}); export the model again"
        )
