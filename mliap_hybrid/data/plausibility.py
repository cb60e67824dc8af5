"""Are the labels in the units that the training file says? Four tests of a data set, each of which may warn.

1. Total energies of all electrons are known well from the atomic numbers alone: where the labels agree with them in
   another unit, that is the unit.
2. Energies spread by less than some eV for each atom about a sum of element energies.
3. Forces are neither tiny nor huge.
4. Between similar structures the energy changes by minus the work of the forces (data/work.py).

All of them are blunt, and unusual data can be right: they warn, and refuse nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from ase.data import chemical_symbols

from mliap_hybrid.config import LabelUnits
from mliap_hybrid.data.baseline import compositions, fit_baseline
from mliap_hybrid.data.file_units import FileUnits, read_as
from mliap_hybrid.data.work import EnergyAndWork, compare_energy_and_work, median_displacement
from mliap_hybrid.structure import Batch
from mliap_hybrid.units import BOHR, ENERGY_UNITS, HARTREE, KCAL_PER_MOL, KJ_PER_MOL, LENGTH_UNITS

TOTAL_ENERGY_UNITS = {"eV": 1.0, "Ha": HARTREE, "kcal/mol": KCAL_PER_MOL, "kJ/mol": KJ_PER_MOL}
"""Units of energies that files come in -> value in eV."""

FORCE_UNITS = {
    "eV/Å": 1.0,
    "Ha/bohr": HARTREE / BOHR,
    "kcal/mol/Å": KCAL_PER_MOL,
    "kJ/mol/Å": KJ_PER_MOL,
    "meV/Å": 1e-3,
}
"""Units of forces that files come in -> value in eV/Å."""

TOTAL_ENERGY_TOLERANCE = 0.03
"""Relative error up to which energies are those of all electrons: that of the statistical atom, with some bonds."""

LARGEST_SPREAD = 5.0
"""Root mean square of the energy without element energies, eV/atom: atomisation energies are about as large."""

FORCE_RANGE = (0.03, 10.0)
"""Median lengths of forces, eV/Å, between structures close to a minimum and collisions."""

USUAL_FORCE = 1.3
"""eV/Å: about the median of molecules and crystals at 300 to 500 K."""

LEAST_DISPLACEMENT = 0.01
"""Between similar structures, Å: with less, or without any that are similar, each may be at its own minimum."""

RATIO_RANGE = (0.15, 5.0)
"""Change of the energy over minus the work of the forces: 1, but smaller where structures are far from each other."""

FORCE_SIZE_COUNTS = 0.3
"""How much the size of the forces says about their unit, against the ratio of energies and work: logarithms of both."""

LEAST_CORRELATION = 0.6
"""Between changes of the energy and work; below it the structures are too far apart to tell."""

LEAST_PAIRS = 5


def implausible_labels(batches: Sequence[Batch], said: LabelUnits, found: FileUnits | None = None) -> list[str]:
    """Sentences on labels that do not look like what the training file says.

    Parameters
    ----------
    batches : sequence of Batch
        One structure each, with labels in eV and Å.
    said : LabelUnits
        What the training file says of their units.
    found : FileUnits, optional
        What the files say of them; eV and Å where not given.

    Returns
    -------
    list of str
        Empty where nothing is conspicuous.
    """
    units = read_as(found or FileUnits(), said)
    median, seen = _median_force(batches), compare_energy_and_work(batches)
    beside_energies = _energies_beside_forces(seen, median, units)
    fit_energies = seen.correlation > LEAST_CORRELATION and beside_energies is None
    sentences = [
        _total_energies(batches, units),
        _spread_of_energies(batches, units),
        beside_energies or _length_of_forces(median, fit_energies, batches, units),
    ]
    return [sentence for sentence in sentences if sentence is not None]


def atomic_energy(number: int) -> float:
    """Energy of all electrons of an atom in eV, within 1 % but for the lightest and heaviest.

    The statistical atom, -0.768745 Z^(7/3) + Z^2 / 2 - 0.269900 Z^(5/3) Ha: Thomas and Fermi, the correction of the
    innermost electrons by Scott, and exchange and gradients by Schwinger (Englert and Schwinger, Phys. Rev. A 32, 26
    (1985)).
    """
    return HARTREE * (-0.768745 * number ** (7 / 3) + 0.5 * number**2 - 0.269900 * number ** (5 / 3))


def _total_energies(batches: Sequence[Batch], units: FileUnits) -> str | None:
    """Energies of all electrons in another unit, or energies below them."""
    labelled = [(batch, float(batch.energies[0])) for batch in batches if batch.energies is not None]
    if not labelled:
        return None
    of_atoms = torch.tensor([0.0] + [atomic_energy(z) for z in range(1, len(chemical_symbols))], dtype=torch.float64)
    ratios = [energy / float(of_atoms[batch.numbers].sum()) for batch, energy in labelled]
    ratio, spread = float(np.median(ratios)), float(np.std(ratios))
    read_as = ENERGY_UNITS[units.energy]
    for name, value in TOTAL_ENERGY_UNITS.items():
        factor = value / read_as
        if factor != 1.0 and abs(ratio * factor - 1.0) + spread * factor < TOTAL_ENERGY_TOLERANCE:
            return (
                f"the energies are, as numbers, the total energies of all electrons in {name} (to "
                f"{100 * abs(ratio * factor - 1.0):.1f} %), but they were read as {units.energy}: check "
                "data.units.energy"
            )
    if ratio > 1.0 + 3 * TOTAL_ENERGY_TOLERANCE:
        return (
            f"the energies, read as {units.energy}, are {ratio:.3g} times those of all electrons of the atoms, which "
            "no calculation gives: check data.units.energy"
        )
    return None


def _spread_of_energies(batches: Sequence[Batch], units: FileUnits) -> str | None:
    """Energies that differ by more than bonds can explain."""
    labelled = [batch for batch in batches if batch.energies is not None]
    if len(labelled) < 2:
        return None
    counts = compositions(labelled, torch.unique(torch.cat([batch.numbers for batch in labelled])).tolist())
    energies = torch.cat([batch.energies for batch in labelled if batch.energies is not None])  # (n_frames,)
    per_atom = (energies - counts @ fit_baseline(counts, energies)) / counts.sum(1)  # (n_frames,)
    rms = float(per_atom.square().mean().sqrt())
    if rms <= LARGEST_SPREAD:
        return None
    return (
        f"without element energies the energies, read as {units.energy}, have a root mean square of {rms:.3g} eV/atom; "
        f"below {LARGEST_SPREAD:g} eV/atom were expected: check data.units.energy, and look for broken calculations"
    )


def _median_force(batches: Sequence[Batch]) -> float | None:
    """Median length in eV/Å of the forces that are not zero; None where there are none."""
    forces = [batch.forces for batch in batches if batch.forces is not None]
    if not forces:
        return None
    lengths = torch.cat(forces).norm(dim=1)  # (n_atoms,)
    lengths = lengths[lengths > 0]
    return float(lengths.median()) if len(lengths) else None


def _length_of_forces(
    median: float | None, fit_energies: bool, batches: Sequence[Batch], units: FileUnits
) -> str | None:
    """Forces that are huge, or tiny though the energies do not bear that out and structures are not each relaxed."""
    smallest, largest = FORCE_RANGE
    if median is None or smallest <= median <= largest or (median < smallest and fit_energies):
        return None
    read_as = f"{units.energy}/{units.length}"
    value = ENERGY_UNITS[units.energy] / LENGTH_UNITS[units.length]
    if median < smallest and (median_displacement(batches) or 0.0) < LEAST_DISPLACEMENT:
        return None
    likely = min(FORCE_UNITS, key=lambda name: abs(math.log(median * FORCE_UNITS[name] / value / USUAL_FORCE)))
    if math.isclose(FORCE_UNITS[likely], value):
        return None
    size = "large" if median > largest else "small unless all structures are relaxed"
    return (
        f"the median force, read as {read_as}, is {median:.3g} eV/Å, which is unusually {size}; in {likely} it would "
        f"be {median * FORCE_UNITS[likely] / value:.2g} eV/Å: check data.units, and convert forces that are not in "
        "the unit of the energies per length"
    )


def _energies_beside_forces(seen: EnergyAndWork, median: float | None, units: FileUnits) -> str | None:
    """Forces with the wrong sign, or in another unit than the energies."""
    if seen.n_pairs < LEAST_PAIRS or abs(seen.correlation) < LEAST_CORRELATION:
        return None
    told = (
        f"between {seen.n_pairs} pairs of similar structures the energy changes by {seen.ratio:.3g} times minus the "
        "work of the forces, where about 1 was expected"
    )
    if seen.ratio < 0:
        return f"{told}: the forces have the wrong sign, they look like gradients of the energy"
    smallest, largest = RATIO_RANGE
    if smallest <= seen.ratio <= largest or median is None:
        return None
    return (
        f"{told}: energies and forces are not in units that belong together. It looks like "
        f"{_likely_units(seen, median, units)}; convert one of them"
    )


def _likely_units(seen: EnergyAndWork, median: float, units: FileUnits) -> str:
    """Units of forces and energies, one of them as read, that best explain the ratio and make the forces usual ones."""
    energy, read_as = ENERGY_UNITS[units.energy], f"{units.energy}/{units.length}"
    force = energy / LENGTH_UNITS[units.length]
    unlikely: dict[str, float] = {}

    def try_pair(name: str, ratio: float, size: float) -> None:
        # Anharmonicity lowers the ratio about as much as the correlation.
        of_ratio = abs(math.log(seen.ratio / (seen.correlation * ratio)))
        unlikely[name] = of_ratio + FORCE_SIZE_COUNTS * abs(math.log(size / USUAL_FORCE))

    for name, value in FORCE_UNITS.items():
        try_pair(f"forces in {name} beside energies in {units.energy}", value / force, median * value / force)
    for name, value in TOTAL_ENERGY_UNITS.items():
        try_pair(f"forces in {read_as} beside energies in {name}", energy / value, median)
    return min(unlikely, key=unlikely.__getitem__)
