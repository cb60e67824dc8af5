"""The faults: a structure, a model, an input, and how the stand-ins are set up for the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from mliap_hybrid.lammps.data_file import in_lammps_orientation
from mliap_hybrid.lammps.unified import open_unified
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model_files.model_file import Manifest
from mliap_hybrid.testing.gdml_molecules import box_of_ammonia, molecule_model
from mliap_hybrid.testing.lammps_instance import StandInInstance
from mliap_hybrid.testing.mliap_data import UpstreamData
from mliap_hybrid.testing.models import ION_CHARGES, charge_predicting_model, sodium_chloride_model
from mliap_hybrid.testing.rank_arrays import rank_arrays
from mliap_hybrid.testing.structures import rock_salt

CHARGES = {"Na": ION_CHARGES[11], "Cl": ION_CHARGES[17]}


@dataclass
class Fault:
    """One way in which a run can go wrong, or must not."""

    name: str
    atoms: Atoms
    model: Callable[[], HybridModel]
    export: dict[str, Any] = field(default_factory=dict)
    connected: bool = True
    """Whether the input has the lines of `lammps-input --connect`."""
    ranks: int = 1
    """With 2, the box is cut in half along x."""
    units: str = "metal"
    charges: dict[str, float] | None = field(default_factory=lambda: CHARGES)
    """Of the data file; None for `atom_style atomic`."""
    kspace: bool = True
    """Whether the input has coul/long and a k-space solver."""
    wrong_atom: int | None = None
    """ID of an atom that gets another charge."""
    second_charge: float | None = None
    """Charge that atoms of the first type get between two runs."""
    hidden: bool = False
    """Whether pairs of sodium are excluded from the neighbour lists."""
    dielectric: float = 1.0
    moved: float = 0.0
    """Å by which all atoms are carried along x in the course of the run."""
    elements: tuple[str, ...] = ("Na", "Cl")
    manifest: Manifest | None = None

    def in_lammps(self) -> Atoms:
        """The structure of the data file."""
        return in_lammps_orientation(self.atoms)

    def script(self, block: str) -> str:
        """The LAMMPS input."""
        lines = [line for line in block.splitlines() if not line.startswith("set ")]
        if not self.kspace:
            lines = [line.replace(" coul/long 9.0", "") for line in lines]
            lines = [line for line in lines if not line.startswith("kspace") and "* * coul/long" not in line]
        potential = "\n".join(lines)
        return f"""
units {self.units}
atom_style {"charge" if self.charges else "atomic"}
atom_modify map array
processors {self.ranks} 1 1
{"read_data structure.data" if self.charges else _as_atomic(self.in_lammps(), self.elements)}
{"" if self.wrong_atom is None else f"set atom {self.wrong_atom} charge 0.5"}
{potential}
dielectric {self.dielectric}
{"neigh_modify exclude type 1 1" if self.hidden else ""}
compute model all pair mliap evdwl
thermo_style custom step pe c_model
fix carry all move linear {self.moved / 10.0 / TIME_STEP[self.units]} 0 0
timestep {TIME_STEP[self.units]}
neigh_modify every 1 delay 0 check yes
run 10
{"" if self.second_charge is None else f"set type 1 charge {self.second_charge}"}
{"" if self.second_charge is None else "run 10"}
print "ENERGY $(c_model:%.13g)"
"""

    def energy_of_stand_ins(self, path: Path) -> float:
        """Energy of all ranks, as the last step of the run has it."""
        atoms = self.in_lammps()
        if self.second_charge is not None and self.charges:
            return self._energy_of_two_runs(atoms, path, {**self.charges, self.elements[0]: self.second_charge})
        before = self._owned(atoms)
        atoms.positions[:, 0] += self.moved
        atoms.wrap()
        energy = 0.0
        for rank, owned in enumerate(self._owned(atoms)):
            unified = open_unified(str(path))
            cutoff, elements = unified.model.cutoff, unified.element_types
            arrays = rank_arrays(atoms, cutoff, elements, owned=owned)
            if self.connected:
                unified.connect(self._instance(arrays, atoms))
            if self.hidden:
                both = (arrays.elems[arrays.pair_i] == 0) & (arrays.elems[arrays.pair_j] == 0)
                arrays.pair_i, arrays.pair_j, arrays.rij = (
                    a[~both] for a in (arrays.pair_i, arrays.pair_j, arrays.rij)
                )
            data = UpstreamData(arrays, had_rows=bool(len(before[rank])))
            unified.compute_forces(data)
            energy += data.result(len(atoms))[0]
        return energy

    def _energy_of_two_runs(self, atoms: Atoms, path: Path, second: dict[str, float]) -> float:
        unified = open_unified(str(path))
        arrays = rank_arrays(atoms, unified.model.cutoff, unified.element_types)
        data = UpstreamData(arrays)
        for charges in (self.charges, second):
            if self.connected:
                self.charges = charges
                unified.connect(self._instance(arrays, atoms))
            unified.compute_forces(data)
        return data.result(len(atoms))[0]

    def _owned(self, atoms: Atoms) -> list[np.ndarray]:
        # Stand-ins do not talk to each other, as ranks do to sum charges.
        half = np.floor((1 if self.charges else self.ranks) * atoms.get_scaled_positions()[:, 0]).astype(int)
        return [np.flatnonzero(half == rank) for rank in range(half.max() + 1 if self.charges else self.ranks)]

    def _instance(self, arrays: Any, atoms: Atoms) -> StandInInstance:
        q = None if self.charges is None else np.array([self.charges[s] for s in atoms.symbols])
        if q is not None and self.wrong_atom is not None:
            q[self.wrong_atom - 1] = 0.5
        return StandInInstance(arrays, atoms, q, self.units, "pppm" if self.kspace else None, self.dielectric)


TIME_STEP = {"metal": 0.001, "real": 1.0, "lj": 0.001}
"""One femtosecond, where there is one."""


def _as_atomic(atoms: Atoms, elements: tuple[str, ...]) -> str:
    """Lines that make the structure without a data file, whose atoms have charges."""
    lengths = atoms.cell.lengths()
    lines = [
        f"region box block 0 {lengths[0]} 0 {lengths[1]} 0 {lengths[2]} units box",
        f"create_box {len(elements)} box",
    ]
    for symbol, position in zip(atoms.symbols, atoms.positions, strict=True):
        place = " ".join(f"{x:.15g}" for x in position)
        lines.append(f"create_atoms {elements.index(symbol) + 1} single {place} units box")
    return "\n".join([*lines, "mass * 20.0"])


def half_empty() -> Atoms:
    """A block of salt in the left half of a box."""
    atoms = rock_salt(1)
    atoms.set_cell([40.0, 14.0, 14.0])
    atoms.positions += 3.0
    return atoms


def far_apart() -> Atoms:
    """Two ions, one on either side, beyond the cutoff of one another."""
    return Atoms("NaCl", positions=[[5.0, 7, 7], [25.0, 7, 7]], cell=[40.0, 14.0, 14.0], pbc=True)


def ion_lost() -> Atoms:
    """A crystal that lacks one ion."""
    atoms = rock_salt(2)
    del atoms[0]
    return atoms


neutral = partial(sodium_chloride_model, None)
ionic = sodium_chloride_model

AMMONIA = box_of_ammonia(3), molecule_model

FAULTS = [
    Fault("rank without atoms", half_empty(), neutral, connected=False, ranks=2, charges=None),
    Fault("rank without atoms, connected", half_empty(), neutral, ranks=2, charges=None),
    Fault("rank that loses its atoms", half_empty(), neutral, connected=False, ranks=2, charges=None, moved=20.0),
    Fault("atoms without pairs", far_apart(), neutral, connected=False, charges=None),
    Fault("atoms without pairs, two ranks", far_apart(), neutral, connected=False, ranks=2, charges=None),
    Fault("units real", rock_salt(2), neutral, connected=False, charges=None, units="real"),
    Fault("units real, connected", rock_salt(2), neutral, charges=None, units="real"),
    Fault("units lj, connected", rock_salt(2), neutral, charges=None, units="lj"),
    Fault("wrong charges", rock_salt(2), ionic, connected=False, charges={"Na": 1.0, "Cl": -1.0}),
    Fault("wrong charges, connected", rock_salt(2), ionic, charges={"Na": 1.0, "Cl": -1.0}),
    Fault("one wrong charge of two ranks, connected", rock_salt(2), ionic, ranks=2, wrong_atom=64),
    Fault("charges of another sum, connected", ion_lost(), ionic),
    Fault("charges changed between runs", rock_salt(2), ionic, connected=False, second_charge=1.0),
    Fault("charges changed between runs, connected", rock_salt(2), ionic, second_charge=1.0),
    Fault("no charges", rock_salt(2), ionic, connected=False, charges=None, kspace=False),
    Fault("no k-space solver", rock_salt(2), ionic, connected=False, kspace=False),
    Fault("no k-space solver, connected", rock_salt(2), ionic, kspace=False),
    Fault("dielectric, connected", rock_salt(2), ionic, dielectric=78.0),
    Fault("hidden pairs", rock_salt(2), neutral, connected=False, charges=None, hidden=True),
    Fault("hidden pairs, connected", rock_salt(2), neutral, charges=None, hidden=True),
    Fault("small box", rock_salt(1), neutral, connected=False, charges=None),
    Fault("small box, connected", rock_salt(1), neutral, charges=None),
    Fault("nothing wrong, connected", rock_salt(2), ionic, ranks=2),
    Fault("predicted charges by k-space", rock_salt(2), charge_predicting_model, connected=False),
    Fault(
        "predicted charges by exact sum",
        rock_salt(2),
        charge_predicting_model,
        {"coulomb_engine": "exact"},
        connected=False,
    ),
    Fault("molecules", *AMMONIA, connected=False, charges={"H": 0.0, "N": 0.0}, elements=("H", "N")),
]
