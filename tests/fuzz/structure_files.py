"""Files of labelled structures: extended xyz, n2p2, npz of molecules and of the sgdml package, folders of DeePMD."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from kind import Kind
from mutations import damaged_text

from mliap_hybrid.config import LabelKeys, LabelUnits
from mliap_hybrid.data.lammps_dump import is_dump
from mliap_hybrid.data.n2p2 import is_n2p2
from mliap_hybrid.data.reading import frame_to_batch, read_frames
from mliap_hybrid.errors import InputError
from mliap_hybrid.quantities import QUANTITIES
from mliap_hybrid.structure import Batch

CUTOFF = 3.0

KEYS = LabelKeys(stress="stress", charges="charges", total_charge=None)

UNITS = (LabelUnits(), LabelUnits(energy="Ha", length="bohr"), LabelUnits(energy="kcal/mol", stress="-kbar"))

EXTXYZ = (
    """3
Lattice="5.0 0 0 0 5.0 0 0.1 0 5.0" Properties=species:S:1:pos:R:3:forces:R:3:charges:R:1 energy=-1.5 """
    """stress="0.1 0 0 0 0.2 0 0 0 0.3" pbc="T T T" config_type=liquid
O 0.0 0.0 0.0 0.1 0.2 0.3 -0.8
H 0.96 0.0 0.0 -0.1 0.0 0.0 0.4
H -0.24 0.93 0.0 0.0 -0.2 -0.3 0.4
2
Properties=species:S:1:pos:R:3:forces:R:3 energy=2.5 pbc="F F F"
Na 0.0 0.0 0.0 0 0 0
Cl 2.36 0.0 0.0 0 0 0
""",
    """2
Properties=species:S:1:pos:R:3:Z:I:1:tags:I:1 virial=[[1,0,0],[0,1,0],[0,0,1]] stress={1 2 3 4 5 6} a=T b="x y"
C 0 0 0 6 1
O 1.1 0 0 8 0
""",
    "1\n\nHe 0 0 0\n\n1\nenergy=1\nHe 0 0 1\n",
)

N2P2 = (
    """begin
comment some words
lattice 9.0 0.0 0.0
lattice 0.0 9.0 0.0
lattice 0.5 0.0 9.0
atom 0.0 0.0 0.0 Na 0.5 0.0 0.1 0.2 0.3
atom 3.0 0.0 0.0 Cl -0.5 0.0 -0.1 -0.2 -0.3
energy -12.5
charge 0.0
end
begin
atom 0.0 0.0 0.0 H 0.0 0.0 0.0 0.0 0.0
atom 1.4 0.0 0.0 H 0.0 0.0 0.0 0.0 0.0
energy -1.1
charge 1.0
end
""",
)

DUMP = """\
ITEM: UNITS
{units}
ITEM: TIMESTEP
{step}
ITEM: NUMBER OF ATOMS
3
ITEM: BOX BOUNDS {box}
ITEM: ATOMS {columns}
3 2 {a} 0.0 0.0 0.1 0.0 -0.1
1 1 0.0 0.{step} 0.0 -0.1 0.2 0.0
2 2 0.{step} 0.0 {a} 0.0 -0.2 0.1
"""

PLAIN, TILTED, GENERAL = (
    "pp pp ff\n0.0 8.0\n0.0 8.0\n-1.0 8.0",
    "xy xz yz pp pp pp\n0.0 8.5 0.5\n0.0 8.0 0.0\n0.0 8.0 0.0",
    "abc origin pp pp pp\n8.0 0.5 0.0 0.0\n0.0 8.0 0.1 0.0\n0.2 0.0 8.0 1.0",
)

DUMPS = (
    DUMP.format(units="real", step=1, box=TILTED, columns="id type xs ys zs fx fy fz", a=0.9)
    + DUMP.format(units="real", step=2, box=PLAIN, columns="id type x y z fx fy fz", a=2.5),
    DUMP.format(units="metal", step=3, box=GENERAL, columns="id type xu yu zu fx fy fz", a=3.0),
    DUMP.format(units="electron", step=4, box=TILTED, columns="id type xsu ysu zsu q c_a c_b", a=0.5),
)


def labelled(cases: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, LabelUnits]]:
    """Cases with units that a training file may say of them."""
    return st.tuples(cases, st.sampled_from(UNITS))


def check_frames(path: Path, units: LabelUnits, by_ase: bool = False, elements: tuple[str, ...] = ()) -> None:
    """Read a file as for a training, and check what was read; what ASE cannot read is no answer of another reader."""
    try:
        frames = read_frames([path], elements)
    except InputError as error:
        if not by_ase and "ASE cannot" in str(error):
            raise AssertionError(str(error)) from error
        raise
    assert frames
    for frame in frames[:5]:
        check_batch(frame_to_batch(frame, CUTOFF, KEYS, units, allow_missing=True))


def check_batch(batch: Batch) -> None:
    """Finite numbers, known elements, pairs within the cutoff, labels of the right shapes."""
    n_atoms = len(batch.numbers)
    assert n_atoms > 0
    assert batch.positions.shape == (n_atoms, 3)
    assert int(batch.numbers.min()) >= 1
    assert int(batch.numbers.max()) <= 118
    for tensor in (batch.positions, batch.cells, batch.total_charges):
        assert torch.isfinite(tensor).all()
    vectors = batch.positions[batch.pair_j] + batch.pair_shifts.double() @ batch.cells[0]
    distances = (vectors - batch.positions[batch.pair_i]).norm(dim=1)  # (n_pairs,)
    assert len(distances) == 0 or 0.9e-3 < float(distances.min()) <= float(distances.max()) < CUTOFF * 1.001
    for name, label in batch.labels.items():
        expected = (n_atoms if QUANTITIES[name].of_atoms else 1, *QUANTITIES[name].shape)
        assert label.shape == expected, f"{name} has shape {tuple(label.shape)}"
        assert torch.isfinite(label).all(), f"{name} is not finite"


def _check(name: str, by_ase: bool) -> Any:
    def check(case: tuple[bytes, LabelUnits], folder: Path) -> None:
        (folder / name).write_bytes(case[0])
        check_frames(folder / name, case[1], by_ase or not is_n2p2(folder / name))

    return check


def _check_dump(case: tuple[bytes, LabelUnits], folder: Path) -> None:
    (folder / "run.dump").write_bytes(case[0])
    check_frames(folder / "run.dump", case[1], not is_dump(folder / "run.dump"), ("O", "H"))


SOUND = "elements known, finite, pairs within the cutoff, shapes of labels"

KINDS = (
    Kind("extended xyz", SOUND, 12_000, lambda: labelled(damaged_text(EXTXYZ)), _check("a.extxyz", True)),
    Kind("n2p2", SOUND, 10_000, lambda: labelled(damaged_text(N2P2)), _check("input.data", False)),
    Kind("dumps of LAMMPS", SOUND, 6_000, lambda: labelled(damaged_text(DUMPS)), _check_dump),
)
