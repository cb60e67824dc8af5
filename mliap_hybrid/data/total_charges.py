"""Total charges and spins of frames, under the names that people give them.

A spin is said as the multiplicity 2S + 1, as the number of unpaired electrons 2S, or as S. Names tell the first; what
`spin` means is found from the frames: a multiplicity is odd where the number of electrons is even, 2S is even there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mliap_hybrid.data.frames import Frame, has_entry, lookup
from mliap_hybrid.errors import InputError

CHARGES = (
    "total_charge",
    "charge",
    "Qtot",
    "qtot",
    "q_tot",
    "net_charge",
    "tot_charge",
    "totalcharge",
    "REF_charge",
    "molecular_charge",
)
"""Entries that hold a total charge in e, the preferred name first."""

MULTIPLICITIES = ("multiplicity", "spin_multiplicity", "mult", "spinmult", "spin_mult")
"""Entries that hold 2S + 1."""

SPINS = ("spin", "total_spin", "spin_state", "n_unpaired", "unpaired_electrons", "uhf")
"""Entries that hold one of the three."""


@dataclass(frozen=True)
class ChargesAndSpins:
    """What frames say of their charge and spin; None where a frame says nothing."""

    charges: list[float | None]
    """e."""
    multiplicities: list[int | None]
    sentences: list[str]
    """What was read as what, and what is odd about it."""


def find_charges_and_spins(frames: Sequence[Frame], charge_key: str | None = None) -> ChargesAndSpins:
    """Charges and spins of frames.

    Parameters
    ----------
    frames : sequence of Frame
    charge_key : str, optional
        Name of the total charge, where somebody says it.

    Raises
    ------
    InputError
        If two entries of a frame contradict each other, or one is no number.
    """
    sentences: list[str] = []
    names = CHARGES if charge_key is None else (charge_key,)
    charges, charge_names = _values(frames, names)
    multiplicities, multiplicity_names = _values(frames, MULTIPLICITIES)
    if charge_names:
        sentences.append(f"total charges from {_listed(charge_names)}")
    if not multiplicity_names:
        spins, multiplicity_names = _values(frames, SPINS)
        multiplicities, sentence = _as_multiplicities(frames, charges, spins, multiplicity_names)
        sentences += [sentence] if sentence else []
    else:
        sentences.append(f"multiplicities 2S + 1 from {_listed(multiplicity_names)}")
    whole = [None if value is None else round(value) for value in multiplicities]
    wrong = [
        i for i, m in enumerate(whole) if m is not None and not _is_multiplicity(m, _electrons(frames[i], charges[i]))
    ]
    if wrong:
        i = wrong[0]
        sentences.append(
            f"Warning: {len(wrong)} multiplicities do not fit the number of electrons; first {frames[i].source}: "
            f"{whole[i]} with {_electrons(frames[i], charges[i]):g} electrons: charges or spins are wrong"
        )
    return ChargesAndSpins(charges, whole, sentences)


def _values(frames: Sequence[Frame], names: Sequence[str]) -> tuple[list[float | None], list[str]]:
    """The entry of one of the names of each frame, and the names that were found."""
    values: list[float | None] = []
    found: list[str] = []
    for frame in frames:
        here = {name: _number(frame, name) for name in names if has_entry(frame, name)}
        here = {name: value for name, value in here.items() if value is not None}
        if len(set(here.values())) > 1:
            told = ", ".join(f"'{name}' {value:g}" for name, value in here.items())
            raise InputError(f"{frame.source}: {told} contradict each other: remove one, or name the right one")
        values.append(next(iter(here.values()), None))
        found += [name for name in here if name not in found]
    return values, found


def _number(frame: Frame, name: str) -> float | None:
    """A number of the frame; None where the entry is one for each atom, or NaN."""
    value = lookup(frame, name, "the total charge or spin")
    try:
        number = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{frame.source}: '{name}' is {value!r:.60}; expected a number") from None
    return float(number) if number.ndim == 0 and np.isfinite(number) else None


def _as_multiplicities(
    frames: Sequence[Frame], charges: Sequence[float | None], spins: Sequence[float | None], names: Sequence[str]
) -> tuple[list[float | None], str]:
    """Spins as multiplicities, by the one reading that fits the electrons of all frames, and what it was."""
    if not names:
        return list(spins), ""
    readings = {
        "multiplicities 2S + 1": lambda value: value,
        "numbers of unpaired electrons 2S": lambda value: value + 1.0,
        "spins S": lambda value: 2.0 * value + 1.0,
    }
    fitting: dict[tuple[float | None, ...], str] = {}
    for words, reading in readings.items():
        read = [None if value is None else reading(value) for value in spins]
        if all(
            m is None or _is_multiplicity(m, _electrons(f, q)) for f, q, m in zip(frames, charges, read, strict=True)
        ):
            fitting.setdefault(tuple(read), words)
    if len(fitting) == 1:
        ((only, words),) = fitting.items()
        return list(only), f"{words} from {_listed(names)}, the reading that fits the electrons of all frames"
    told = "none of 2S + 1, 2S and S fits" if not fitting else f"both {' and '.join(fitting.values())} fit"
    return [None] * len(frames), (
        f"Warning: {_listed(names)} is left out: {told} the electrons of the frames; rename it to multiplicity "
        "if it is 2S + 1"
    )


def _electrons(frame: Frame, charge: float | None) -> float:
    return float(frame.atoms.numbers.sum()) - (charge or 0.0)


def _is_multiplicity(value: float, n_electrons: float) -> bool:
    """Whether 2S + 1 can be that of so many electrons; of a fraction of electrons every one can."""
    if value < 1 or value != round(value):
        return False
    if n_electrons != round(n_electrons):
        return True
    return (round(value) + round(n_electrons)) % 2 == 1 and value <= n_electrons + 1


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
