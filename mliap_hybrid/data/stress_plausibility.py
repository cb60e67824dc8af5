"""Are stresses and virials what the training file says? Three tests, each of which may warn.

1. The entries off the diagonal of a virial, sum_p r_p f_p, are about as large as a force times an Å times the root of
   the number of atoms, in crystals, liquids and alloys alike.
2. The energy changes with the cell by the work of the stress, with its sign (data/stress_work.py).
3. Shear stresses follow shear strains: of another order of six numbers, they follow others.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch

from mliap_hybrid.data.stress_work import EnergyAndStress, compare_energy_and_stress, falls_with_volume
from mliap_hybrid.structure import Batch
from mliap_hybrid.units import STRESS_UNITS

USUAL_SHEAR = 0.25
"""Å: entries off the diagonal over force times root of the number of atoms, the median of many sets, 0.12 to 0.51."""

FACTOR_OF_SHEAR = 25.0
"""How much larger or smaller the quarter of the frames that speaks most for the labels may be."""

LEAST_FORCE = 0.05
"""Root mean square of a frame's forces, eV/Å, below which they say nothing of its virial."""

LEAST_FRAMES = 5

CLOSE = 0.3
"""Lower end of the range of ratios of comparisons between frames, which are closer than those over volumes."""

LARGEST_VIRIAL = 20.0
"""Root mean square of entries of the virial, eV/atom: more is in no crystal, however pressed."""

CLEAR_SHEAR = 0.6
"""Correlation of each shear stress with its strain, in another order, that tells the order to be wrong."""

UNCLEAR_SHEAR = 0.3
"""Where one of the three correlations in the order read is below this."""

ORDERS: dict[tuple[int, ...], str] = {(1, 2, 0): "vasp", (2, 1, 0): "lammps"}
"""Where yz, xz and xy are found among the three that were read as yz, xz, xy -> the order that the file has."""


def implausible_stresses(batches: Sequence[Batch], read_as: str = "eV/Å^3") -> list[str]:
    """Sentences on stresses or virials that do not look like those of the energies and forces beside them.

    Parameters
    ----------
    batches : sequence of Batch
        One structure each, with labels in eV and Å; those without a virial are left out.
    read_as : str
        Unit that the stresses were read as, or "virial" where they were virials.

    Returns
    -------
    list of str
        Empty where nothing is conspicuous.
    """
    labelled = [batch for batch in batches if batch.virials is not None]
    if not labelled:
        return []
    what = "virials" if read_as == "virial" else f"stresses, read as {read_as},"
    if all(float(batch.virials.abs().max()) == 0.0 for batch in labelled if batch.virials is not None):
        forces = [batch.forces for batch in labelled if batch.forces is not None]
        zero = not forces or float(torch.cat(forces).abs().max()) == 0.0
        return [] if zero else [f"the {what.rstrip(',')} are zero in all {len(labelled)} frames: nobody has set them"]
    of_size, of_work = _size(labelled), compare_energy_and_stress(labelled)
    sentences = [_told_size(of_size, of_work, labelled, what, read_as), _told_order(labelled)]
    return [sentence for sentence in sentences if sentence is not None]


def _size(batches: Sequence[Batch]) -> float | None:
    """How many times larger virials are than the forces let expect, where that is far from one; None: all is well."""
    ratios = []
    for batch in batches:
        if batch.forces is None or batch.virials is None:
            continue
        force = float(batch.forces.square().sum(1).mean().sqrt())
        if force > LEAST_FORCE:
            shears = batch.virials[0].numpy()[[1, 0, 0], [2, 2, 1]]  # (3,): yz, xz, xy
            ratios.append(float(np.sqrt(np.square(shears).mean())) / (force * math.sqrt(batch.n_atoms) * USUAL_SHEAR))
    if len(ratios) >= LEAST_FRAMES:
        low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
        if low > FACTOR_OF_SHEAR or (0 < high < 1.0 / FACTOR_OF_SHEAR):
            return float(middle)
    entries = np.stack([batch.virials[0].numpy() / batch.n_atoms for batch in batches if batch.virials is not None])
    rms = float(np.sqrt(np.square(entries).mean()))
    return rms if rms > LARGEST_VIRIAL and len(ratios) < LEAST_FRAMES else None


def _told_size(
    size: float | None, work: EnergyAndStress | None, batches: Sequence[Batch], what: str, read_as: str
) -> str | None:
    """One sentence on unit and sign."""
    turned = falls_with_volume(batches) if work is None else work.ratio < 0
    is_virial = read_as == "virial"
    ends = (
        "a stress belongs under data.keys.stress"
        if is_virial
        else "check data.units.stress and the sign, or name a virial under data.keys.virial"
    )
    sign = (
        " Their sign is the opposite of -dE/d(strain), that of a stress: turn it in the file."
        if is_virial
        else " Their sign is the opposite of ASE's dE/d(strain)/V, a pressure's (a minus before the unit turns it)."
    )
    if size is not None:
        # Where energies follow the stresses closely, they tell the factor better than the size of forces.
        sharp = size if work is None or work.range[0] < CLOSE or work.ratio == 0.0 else 1.0 / abs(work.ratio)
        return (
            f"the {what} are about {size:.2g} times what the forces let expect: they look like "
            f"{_likely_unit(sharp, batches, read_as)}; {ends}.{sign if turned else ''}"
        )
    if work is None:
        return f"the {what} fall as cells grow, where pressures do.{sign}" if turned else None
    told = f"{work.words} the energy changes by {work.ratio:.3g} times the work of the {what.rstrip(',')}"
    smallest, largest = work.range
    fits = smallest <= abs(work.ratio) <= largest
    if fits and not turned:
        return None
    return f"{told}, where about 1 was expected{'' if fits else f': {ends}'}.{sign if turned else ''}"


def _likely_unit(size: float, batches: Sequence[Batch], read_as: str) -> str:
    """Unit, or kind of label, that explains best that all are `size` times too large."""
    volume = float(np.median([abs(float(torch.det(batch.cells[0]))) for batch in batches]))  # Å^3
    n_atoms = float(np.median([batch.n_atoms for batch in batches]))
    if read_as == "virial":
        factors = {"stresses (data.keys.stress)": 1.0 / volume, "virials per atom": 1.0 / n_atoms}
        factors |= {f"stresses in {name} times an Å^3": 1.0 / value for name, value in STRESS_UNITS.items()}
    else:
        value = STRESS_UNITS.get(read_as.removeprefix("-"), 1.0)
        factors = {f"stresses in {name}": value / other for name, other in STRESS_UNITS.items() if other != value}
        factors |= {"virials in eV": value * volume, "virials per atom in eV": value * volume / n_atoms}
    distance = {name: abs(math.log(size / factor)) for name, factor in factors.items()}
    best = min(distance.values())
    likely = sorted((name for name in factors if distance[name] < best + math.log(3.0)), key=distance.__getitem__)
    return " or ".join(likely[:2])


def _told_order(batches: Sequence[Batch]) -> str | None:
    """Shear stresses that follow the strains of other planes, in cells that differ a little from a mean one."""
    groups: dict[int, list[Batch]] = {}
    for batch in batches:
        groups.setdefault(batch.n_atoms, []).append(batch)
    group = max(groups.values(), key=len)
    if len(group) < 2 * LEAST_FRAMES:
        return None
    cells = np.stack([batch.cells[0].numpy() for batch in group])  # (n_frames, 3, 3)
    mean = np.median(cells, axis=0)
    if abs(np.linalg.det(mean)) < 1e-6:
        return None
    sizes = np.cbrt(np.abs(np.linalg.det(cells) / np.linalg.det(mean)))[:, None, None]  # (n_frames, 1, 1)
    strains = np.linalg.inv(mean) @ cells / sizes - np.eye(3)
    strains = ((strains + strains.transpose(0, 2, 1)) / 2)[:, [1, 0, 0], [2, 2, 1]]  # (n_frames, 3)
    stresses = np.stack([-batch.virials[0].numpy() for batch in group if batch.virials is not None])
    stresses = stresses[:, [1, 0, 0], [2, 2, 1]] / np.abs(np.linalg.det(cells))[:, None]
    if (np.abs(strains) > 0.2).any() or (strains.std(0) < 1e-4).any() or (stresses.std(0) == 0.0).any():
        return None
    table = np.corrcoef(stresses.T, strains.T)[:3, 3:]  # (3, 3): stress as read, strain
    orders = list(itertools.permutations(range(3)))
    of_orders = {order: min(table[read, place] for place, read in enumerate(order)) for order in orders}
    best = max(of_orders, key=of_orders.__getitem__)
    if of_orders[best] < CLEAR_SHEAR or min(np.diag(table)) > UNCLEAR_SHEAR:
        return None
    right = ORDERS.get(best, "another one")
    return (
        "the shear stresses follow shear strains of other planes than their own: six numbers of a stress are not in "
        f"the order read; set data.units.stress_order ({right})"
    )
