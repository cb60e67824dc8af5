"""What is in a data set: counts, elements, ranges, labels that are missing, and tests of signs and units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from ase.data import chemical_symbols

from mliap_hybrid.config import LabelKeys
from mliap_hybrid.data.baseline import compositions, fit_baseline
from mliap_hybrid.data.distances import shortest_distance
from mliap_hybrid.data.stress_work import compare_energy_and_stress
from mliap_hybrid.data.work import compare_energy_and_work
from mliap_hybrid.quantities import QUANTITIES
from mliap_hybrid.structure import Batch
from mliap_hybrid.units import STRESS_UNITS

LEAST_PAIRS, LEAST_CORRELATION = 5, 0.6
"""Of pairs of similar frames, below which a comparison tells nothing (as in data/plausibility.py)."""


def summary(batches: Sequence[Batch], keys: LabelKeys) -> list[tuple[str, str, str]]:
    """Rows of a table: what, value, remark.

    Parameters
    ----------
    batches : sequence of Batch
        One structure each, not empty, with labels in eV and Å.
    keys : LabelKeys
        Under which the labels were found.
    """
    return [*_structures(batches), *_labels(batches, keys), *_kinds(batches), *_tests(batches)]


def _structures(batches: Sequence[Batch]) -> list[tuple[str, str, str]]:
    sizes = np.array([batch.n_atoms for batch in batches])
    elements = Counter(number for batch in batches for number in batch.numbers.tolist())
    periodic = Counter(int(batch.periodic.sum()) for batch in batches)
    words = {3: "crystals", 2: "slabs", 1: "chains", 0: "molecules"}
    told = ", ".join(f"{n} {words[directions]}" for directions, n in sorted(periodic.items(), reverse=True))
    atoms = ", ".join(f"{chemical_symbols[number]} {n}" for number, n in sorted(elements.items()))
    rows = [("frames", str(len(batches)), told), ("atoms per frame", _range(sizes, "", "g"), f"{sizes.sum()} atoms")]
    rows.append(("elements", atoms, ""))
    volumes = [abs(float(np.linalg.det(b.cells[0].numpy()))) / b.n_atoms for b in batches if bool(b.periodic.all())]
    if volumes:
        rows.append(("volume per atom", _range(np.array(volumes), "Å^3", ".4g"), ""))
    distances = [distance for batch in batches if (distance := shortest_distance(batch)) is not None]
    if distances:
        rows.append(("shortest distance", _range(np.array(distances), "Å", ".3f"), "of each frame"))
    return rows


def _labels(batches: Sequence[Batch], keys: LabelKeys) -> list[tuple[str, str, str]]:
    rows = []
    for name, quantity in QUANTITIES.items():
        key = next((named for label in quantity.keys if (named := getattr(keys, label)) is not None), None)
        found = [batch for batch in batches if name in batch.labels]
        if key is None or (not found and name != "energy"):
            continue
        missing = len(batches) - len(found)
        remark = f"'{key}'" + (f"; {missing} frames lack it" if missing else "; no frame lacks it")
        rows.append((name, _values(name, found), remark))
    return rows


def _values(name: str, batches: Sequence[Batch]) -> str:
    if not batches:
        return "none"
    values = [batch.labels[name].numpy() for batch in batches]
    if name == "energy":
        counts = compositions(batches, sorted({z for batch in batches for z in batch.numbers.tolist()}))
        energies, sizes = np.concatenate(values), counts.sum(1).numpy()  # (n_frames,) each
        left = energies - (counts @ fit_baseline(counts, torch.tensor(energies))).numpy()
        rms = 1000 * float(np.sqrt(np.square(left / sizes).mean()))
        return f"{_range(energies / sizes, 'eV/atom', '.6g')}, RMS without element energies {rms:.3g} meV/atom"
    if name == "forces":
        lengths = np.concatenate([np.linalg.norm(value, axis=1) for value in values])
        rms = float(np.sqrt(np.concatenate([value.ravel() ** 2 for value in values]).mean()))
        return f"RMS component {rms:.3g} eV/Å, largest length {lengths.max():.3g} eV/Å"
    if name == "virial":
        volumes = [abs(float(np.linalg.det(batch.cells[0].numpy()))) for batch in batches]
        pressures = np.array([value[0].trace() / 3 / v for value, v in zip(values, volumes, strict=True)])
        return f"pressures {_range(pressures / STRESS_UNITS['GPa'], 'GPa', '.3g')}"
    entries = np.concatenate([value.ravel() for value in values])
    return _range(entries, QUANTITIES[name].unit, ".4g")


def _kinds(batches: Sequence[Batch]) -> list[tuple[str, str, str]]:
    """Total charges, and kinds of frames where they say one."""
    charges = Counter(float(batch.total_charges[0]) + 0.0 for batch in batches)
    kinds = Counter(kind for batch in batches for kind in batch.config_types)
    rows = []
    if set(charges) != {0.0}:
        rows.append(
            ("total charge", ", ".join(f"{charge:+g} e: {n}" for charge, n in sorted(charges.items())), "frames")
        )
    if len(kinds) > 1:
        rows.append(("kinds", ", ".join(f"{kind}: {n}" for kind, n in kinds.most_common(12)), "frames"))
    return rows


def _tests(batches: Sequence[Batch]) -> list[tuple[str, str, str]]:
    rows = []
    if any("forces" in batch.labels for batch in batches):
        work = compare_energy_and_work(batches)
        clear = work.n_pairs >= LEAST_PAIRS and abs(work.correlation) >= LEAST_CORRELATION
        told = f"{work.ratio:.3g}, correlation {work.correlation:.2f}, " if work.n_pairs else ""
        value = f"{told}{work.n_pairs} pairs of similar frames"
        remark = "about 1 is right" if clear else "too few similar frames, or too far apart, to tell"
        rows.append(("energy / work of forces", value, remark))
    if any("virial" in batch.labels for batch in batches):
        stress = compare_energy_and_stress([batch for batch in batches if "virial" in batch.labels])
        value = "" if stress is None else f"{stress.ratio:.3g}, {stress.words}"
        remark = "cells or energies too far apart to tell" if stress is None else "about 1 is right"
        rows.append(("energy / work of stress", value, remark))
    return rows


def _range(values: np.ndarray, unit: str, form: str) -> str:
    low, high = f"{values.min():{form}}", f"{values.max():{form}}"
    return f"{low if low == high else f'{low} to {high}'} {unit}".rstrip()
