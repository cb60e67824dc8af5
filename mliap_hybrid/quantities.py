"""The table of quantities: all that frames may be labelled with and models may predict, one row each.

Reading, batches, training frames, masks, loss, metrics, error tables, plots, fingerprints and the command line iterate
over it. A new label is a row here, its key in `config/data.py` and its weight in `config/fitting.py`, and a model that
gives it (`Prediction.others`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Quantity:
    """One row: what a quantity is, where files and settings name it, and how its errors are weighed and shown."""

    name: str
    """Of the label in a `Batch`, in messages and in names of files."""
    keys: Mapping[str, str]
    """Setting under `data.keys` -> what it names, in the words of the command line. Several are several forms of it."""
    weight: str
    """Setting under `loss` that holds its weight."""
    column: str
    """What tables and metrics files call its errors."""
    title: str
    """Of its plots."""
    symbol: str
    """Of its errors in a line of progress."""
    unit: str
    """In a `Batch` and a `Prediction`."""
    of_atoms: bool = False
    """Whether each atom has one, or each structure."""
    shape: tuple[int, ...] = ()
    """Of that of one atom or structure."""
    energy_power: int = 0
    """Power of the energy in its unit, by which labels are converted from the unit of the files."""
    length_power: int = 0
    """The same of the length."""
    only_of: Literal["crystals", "molecules"] | None = None
    """What it has a meaning for: frames that are periodic in three directions, or in none; None: any."""
    noun: str = ""
    """What messages call one that only molecules can have."""
    in_crystals: str = ""
    """What crystals can be labelled with in its place."""
    field: str | None = None
    """Of `Prediction`; None: it is one of `Prediction.others`."""
    parameter: str | None = None
    """Parameter of atoms whose values it is (model/parameters.py): then nothing else needs to compute it."""
    is_sum_of_terms: bool = False
    """Whether it is a sum over the terms of the model: then the network is trained on what fixed terms leave of it."""
    has_baseline: bool = False
    """Whether the sum of the elements' energies is a part of it, without which it is trained on and compared."""
    is_component: bool = False
    """Whether it is the energy of some of the terms, which name it as their component."""
    has_wall: bool = False
    """Whether its errors count less where `loss.wall` turns a frame down."""
    follows: str | None = None
    """Parameter of atoms that it follows from: it is trained on where that is predicted."""
    per_atom: bool = False
    """Whether errors are those of the value divided by the number of atoms."""
    loss_scale: float = 1.0
    """Brings squared errors to the size of (eV/Å)^2 at usual errors; part of the definition of the weight."""
    transition: str | None = None
    """Setting under `loss` that says from which error on errors count linearly."""
    has_direction: bool = False
    """Whether the angle between prediction and label is reported, of vectors."""

    @property
    def error_unit(self) -> str:
        """Unit of its errors."""
        return f"{self.unit}/atom" if self.per_atom else self.unit


def _component(name: str, symbol: str) -> Quantity:
    """The row of a component of the interaction of molecules, as symmetry-adapted perturbation theory has them."""
    return Quantity(
        f"{name}_energy",
        keys={f"{name}_energy": f"the label of the {name} energy of molecules"},
        weight="components",
        column=name,
        title=f"{name.capitalize()} energy of molecules",
        symbol=symbol,
        unit="eV",
        energy_power=1,
        is_sum_of_terms=True,
        is_component=True,
        per_atom=True,
        has_wall=True,
        loss_scale=1000.0,
    )


QUANTITIES: dict[str, Quantity] = {
    quantity.name: quantity
    for quantity in (
        Quantity(
            "energy",
            keys={"energy": "the energy label"},
            weight="energy",
            column="energy",
            title="Energy without element energies",
            symbol="E",
            unit="eV",
            energy_power=1,
            field="energies",
            is_sum_of_terms=True,
            has_baseline=True,
            per_atom=True,
            has_wall=True,
            loss_scale=1000.0,
            transition="energy_transition",
        ),
        Quantity(
            "forces",
            keys={"forces": "the force label"},
            weight="forces",
            column="force",
            title="Force components",
            symbol="F",
            unit="eV/Å",
            of_atoms=True,
            shape=(3,),
            energy_power=1,
            length_power=-1,
            field="forces",
            is_sum_of_terms=True,
            transition="force_transition",
            has_direction=True,
        ),
        Quantity(
            "virial",
            keys={"stress": "the stress label", "virial": "the virial label, in place of a stress"},
            weight="virial",
            column="virial",
            title="Virial components",
            symbol="W",
            unit="eV",
            shape=(3, 3),
            energy_power=1,
            only_of="crystals",
            field="virials",
            is_sum_of_terms=True,
            per_atom=True,
            loss_scale=10.0,
        ),
        Quantity(
            "charges",
            keys={"charges": "the charge label"},
            weight="charges",
            column="charge",
            title="Charges",
            symbol="q",
            unit="e",
            of_atoms=True,
            field="charges",
            parameter="charge",
            follows="charge",
            loss_scale=100.0,
        ),
        Quantity(
            "dipole",
            keys={"dipole": "the dipole label, in e times the length unit"},
            weight="dipole",
            column="dipole",
            title="Components of the dipole moment",
            symbol="dipole",
            unit="e Å",
            shape=(3,),
            length_power=1,
            only_of="molecules",
            noun="dipole moment",
            in_crystals="Born effective charges",
            follows="charge",
            loss_scale=10.0,
        ),
        Quantity(
            "born_charges",
            keys={"born_charges": "the label of Born effective charges"},
            weight="born_charges",
            column="Born charge",
            title="Components of Born effective charges",
            symbol="Z*",
            unit="e",
            of_atoms=True,
            shape=(3, 3),
            follows="charge",
        ),
        Quantity(
            "polarisability",
            keys={"polarisability": "the label of polarisabilities"},
            weight="polarisability",
            column="polarisability",
            title="Components of the polarisability",
            symbol="alpha",
            unit="Å^3",
            shape=(3, 3),
            length_power=3,
            follows="polarisability",
        ),
        _component("electrostatics", "E_es"),
        _component("exchange", "E_ex"),
        _component("induction", "E_ind"),
        _component("dispersion", "E_disp"),
    )
}
"""Name -> row, in the order of tables, files and sums."""

OF_INTERACTIONS = ("energy", *(name for name, quantity in QUANTITIES.items() if quantity.is_component))
"""What the interaction of molecules has: its energy, and the components; each is named by a key of its own name."""


def quantity_of_key() -> dict[str, Quantity]:
    """Setting under `data.keys` -> the quantity that it names a label of, in the order of the table."""
    return {key: quantity for quantity in QUANTITIES.values() for key in quantity.keys}
