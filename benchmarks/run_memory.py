"""Memory of runs in LAMMPS on one rank: what a model takes beside atoms and lists, and how that grows with the atoms.

The largest resident memory of a run, minus that of the same run without the model, which has the same neighbour lists:
what grows from the smallest box on is divided by the atoms that are more. What predicted charges take holds PPPM's
meshes, which are measured alone, as `coul/long` with them minus `coul/cut`, and taken off.
"""

from __future__ import annotations

from collections.abc import Callable

from other_checkout import Row

Megabytes = Callable[[int, str], float]
"""A run's (about so many atoms, input lines of the potential) -> largest memory."""

SMALLEST = 32_000

LISTS = "pair_style zero 6.0 full\npair_coeff * *\n"
"""In place of a model: its neighbour lists alone."""

CUT = "pair_style coul/cut 6.0\npair_coeff * *\n"


def rows_of_memory(megabytes: Megabytes, n_atoms: Callable[[int], int], block: str, sizes: list[int]) -> list[Row]:
    """MB of the model in the smallest box, and kB that it takes for each atom more."""
    model = [megabytes(size, block) - megabytes(size, LISTS) for size in (SMALLEST, *sizes)]
    if "kspace_style" in block:
        solver = with_solver(block)
        pppm = [megabytes(size, solver) - megabytes(size, CUT) for size in (SMALLEST, *sizes)]
        model = [both - of_pppm for both, of_pppm in zip(model, pppm, strict=True)]
    else:
        pppm = []
    rows: list[Row] = []
    for name, values in (("model side", model), ("PPPM", pppm)):
        for size, value in zip(sizes, values[1:], strict=False):
            per_atom = 1024.0 * (value - values[0]) / (n_atoms(size) - n_atoms(SMALLEST))
            rows.append({"what": f"kB/atom, {name}, {size}", "value": per_atom, "unit": "kB"})
    start: Row = {"what": f"MB, model side, {SMALLEST}", "value": model[0], "unit": "MB"}
    return [start, *rows]


def with_solver(block: str) -> str:
    """`coul/long` with the solver of a model's input lines."""
    solver = [line for line in block.splitlines() if line.startswith("kspace_")]
    return "\n".join([CUT.replace("cut", "long", 1), *solver, ""])
