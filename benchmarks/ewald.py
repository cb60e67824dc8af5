"""Time of the long-range term, energy and forces on one core, beside torch-pme's Ewald sum at the same accuracy.

    python benchmarks/ewald.py [--largest 1728] [--json FILE]

Rattled rock salt with random charges, smearing 1 Å. Both codes get the loosest setting whose largest error of a force
stays below 1e-6 of the largest force. torch-pme is timed twice: on the very same sum (its long-range half with our
smearing), and on point charges with the split between pairs and waves that suits it best, its list of pairs for free.
The smallest processor time of several repetitions counts.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.physics.coulomb import smearing_correction_energies
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.physics.interaction_matrices import interaction_matrices
from mliap_hybrid.structure import Batch, join_batches
from mliap_hybrid.testing.structures import random_structure, rock_salt
from mliap_hybrid.units import COULOMB_CONSTANT

try:
    import torchpme
except ImportError:
    sys.exit("benchmarks/ewald.py compares with torch-pme, which is not installed: pip install torch-pme")

SMEARING = 1.0
"""Å."""

ACCURACY = 1e-6
"""Largest error of a force over the largest force."""

TOLERANCES = tuple(10.0**-power for power in np.arange(4.0, 9.1, 0.5))
"""Truncation of a Gaussian, tried from the loosest on."""

CUTOFFS = (16.0, 12.0, 10.0, 8.0, 6.0, 5.0, 4.0)
"""Cutoffs of the pair sum tried with torch-pme, Å."""

MOST_PHASES = 1e8
"""torch-pme holds the phases of all atoms and wave vectors: larger cases are left out."""

Forces = Callable[[], Tensor]
"""Computes energy and forces; forces of shape (n_atoms, 3)."""


class Table:
    """Rows as they come, printed at once."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []

    def add(self, what: str, value: float, unit: str) -> None:
        """Print and keep a row."""
        print(f"{what:78s} {value:10.4g} {unit}", flush=True)
        self.rows.append({"what": what, "value": value, "unit": unit})


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=1728, help="most atoms")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = Table()
    for cells in (1, 2, 3, 4, 6, 8):
        if 8 * cells**3 <= options.largest:
            time_crystal(table, cells)
    time_batch(table)
    for cells in (1, 2, 3, 4):
        if 8 * cells**3 <= options.largest:
            time_matrices(table, cells)
    if options.json:
        options.json.write_text(json.dumps(table.rows, indent=1))


def time_crystal(table: Table, cells: int) -> None:
    """One size: ours, the same sum by torch-pme, and torch-pme's best split of point charges."""
    atoms = rock_salt(cells)
    batch = frame_to_batch(atoms, 1.0)
    charges = random_charges(batch.n_atoms)
    case = f"{batch.n_atoms} atoms"
    exact = gaussian_charge_energy(batch, charges, SMEARING).forces  # (n_atoms, 3)
    alone = best_time(lambda: gaussian_charge_energy(batch, charges, SMEARING))
    table.add(f"{case}, mliap_hybrid, exact", 1e3 * alone, "ms")

    def ours(tolerance: float) -> Forces:
        return lambda: gaussian_charge_energy(batch, charges, SMEARING, tolerance).forces

    own = time_at_accuracy(ours, exact)
    table.add(f"{case}, mliap_hybrid", 1e3 * own, "ms")
    same = time_at_accuracy(lambda tolerance: torch_pme(batch, charges, SMEARING, tolerance, with_pairs=False), exact)
    if same < math.inf:
        table.add(f"{case}, torch-pme, same sum", 1e3 * same, "ms")
        table.add(f"{case}, torch-pme, same sum, over mliap_hybrid", same / own, "x")

    reference = exact + correction_forces(frame_to_batch(atoms, 8.0 * SMEARING), charges)
    times: dict[float, float] = {}
    for cutoff in CUTOFFS:
        neighbours = frame_to_batch(atoms, cutoff)

        def point_charges(tolerance: float, neighbours: Batch = neighbours, cutoff: float = cutoff) -> Forces:
            width = cutoff / math.sqrt(-2.0 * math.log(tolerance))  # both sums are cut at the same tolerance
            return torch_pme(neighbours, charges, width, tolerance, with_pairs=True)

        times[cutoff] = time_at_accuracy(point_charges, reference, 2.0 * min(times.values(), default=math.inf))
    best = min(times, key=lambda cutoff: times[cutoff])
    table.add(f"{case}, torch-pme, point charges, best cutoff", best, "Å")
    table.add(f"{case}, torch-pme, point charges", 1e3 * times[best], "ms")
    table.add(f"{case}, torch-pme, point charges, over mliap_hybrid", times[best] / own, "x")


def time_batch(table: Table) -> None:
    """32 structures of 8 to 39 atoms: as one batch, and one after another with torch-pme."""
    cells = {n: np.eye(3) * (n / 0.045) ** (1.0 / 3.0) for n in range(8, 40)}  # the density of rock salt
    batches = [frame_to_batch(random_structure(n, ["Na", "Cl"], cell, n), 1.0) for n, cell in cells.items()]
    charges = [random_charges(batch.n_atoms) for batch in batches]
    together, all_charges = join_batches(batches), torch.cat(charges)
    tolerance = 1e-6
    own = best_time(lambda: gaussian_charge_energy(together, all_charges, SMEARING, tolerance))
    pairs = zip(batches, charges, strict=True)
    each = [torch_pme(batch, q, SMEARING, tolerance, with_pairs=False) for batch, q in pairs]
    theirs = best_time(lambda: [forces() for forces in each])
    table.add("32 structures of 8 to 39 atoms, mliap_hybrid", 1e3 * own, "ms")
    table.add("32 structures of 8 to 39 atoms, torch-pme, same sum", 1e3 * theirs, "ms")
    table.add("32 structures of 8 to 39 atoms, torch-pme, same sum, over mliap_hybrid", theirs / own, "x")


def time_matrices(table: Table, cells: int) -> None:
    """Interaction matrices of one size."""
    batch = frame_to_batch(rock_salt(cells), 1.0)
    for name, with_virial in (("A, B", False), ("A, B, V", True)):
        seconds = best_time(lambda with_virial=with_virial: interaction_matrices(batch, SMEARING, with_virial))
        table.add(f"{batch.n_atoms} atoms, interaction matrices {name}", 1e3 * seconds, "ms")


def torch_pme(batch: Batch, charges: Tensor, width: float, tolerance: float, with_pairs: bool) -> Forces:
    """Energy and forces by torch-pme and autograd; without pairs its long-range half alone."""
    # torch-pme takes wave vectors up to half of 2 pi / lr_wavelength on each axis.
    wavelength = math.pi * width / math.sqrt(-2.0 * math.log(tolerance))
    potential = torchpme.CoulombPotential(smearing=width)
    calculator = torchpme.EwaldCalculator(potential, lr_wavelength=wavelength, full_neighbor_list=True).double()
    pairs = torch.stack([batch.pair_i, batch.pair_j], dim=1) if with_pairs else torch.zeros(0, 2, dtype=torch.int64)
    none = torch.zeros(0, dtype=torch.float64)

    def forces() -> Tensor:
        positions = batch.positions.clone().requires_grad_()
        distances = batch.pair_vectors(positions).norm(dim=1) if with_pairs else none
        potentials = calculator(charges[:, None], batch.cells[0], positions, pairs, distances)  # (n_atoms, 1)
        energy = COULOMB_CONSTANT * (charges[:, None] * potentials).sum()
        return -torch.autograd.grad(energy, positions)[0]

    n_waves = float(batch.cells[0].det()) / wavelength**3
    return forces if n_waves * batch.n_atoms < MOST_PHASES else lambda: torch.full_like(batch.positions, math.nan)


def correction_forces(batch: Batch, charges: Tensor) -> Tensor:
    """What turns the forces of smeared charges into those of point charges: (n_atoms, 3)."""
    vectors = batch.pair_vectors().requires_grad_()  # (n_pairs, 3)
    products = charges[batch.pair_i] * charges[batch.pair_j]
    energy = smearing_correction_energies(vectors.norm(dim=1), products, SMEARING).sum()
    (gradients,) = torch.autograd.grad(energy, vectors)  # (n_pairs, 3)
    forces = torch.zeros_like(batch.positions)
    return forces.index_add(0, batch.pair_i, -gradients).index_add(0, batch.pair_j, gradients)


def time_at_accuracy(make: Callable[[float], Forces], exact: Tensor, limit: float = math.inf) -> float:
    """Seconds with the loosest tolerance that is accurate enough; infinite where none is within `limit` seconds."""
    for tolerance in TOLERANCES:
        forces = make(tolerance)
        start = time.process_time()
        error = float((forces() - exact).abs().max())
        if time.process_time() - start > max(limit, 0.1):
            return math.inf
        if error < ACCURACY * float(exact.abs().max()):
            return best_time(forces)
    return math.inf


def best_time(work: Callable[[], object]) -> float:
    """Processor seconds of the fastest repetition, of as many as fit in half a second and at least three."""
    work()
    times = []
    while len(times) < 3 or sum(times) < 0.5:
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def random_charges(n_atoms: int) -> Tensor:
    """Normal deviates that sum to zero: (n_atoms,) e."""
    charges = torch.from_numpy(np.random.default_rng(n_atoms).normal(size=n_atoms))
    return charges - charges.mean()


if __name__ == "__main__":
    main()
