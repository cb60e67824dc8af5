"""`data`: which frames, and the names and units of their labels."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from mliap_hybrid.errors import did_you_mean, quoted
from mliap_hybrid.file_formats import in_folder
from mliap_hybrid.section import Fraction, Section
from mliap_hybrid.units import ENERGY_UNITS, LENGTH_UNITS, STRESS_UNITS


class LabelKeys(Section):
    """Names under which the files hold their labels."""

    energy: str = "energy"
    """Total energy of a frame."""
    forces: str | None = "forces"
    """Forces on the atoms; null trains without them."""
    stress: str | None = None
    """Stress of a frame (ASE sign: dE/d(strain)/V); null trains without it."""
    virial: str | None = None
    """Virial of a frame in the unit of energies, in place of a stress: -V times the stress in ASE's sign, as DeePMD,
    GAP and MACE have it."""
    charges: str | None = None
    """Reference charges of the atoms in e, used by `charges: reference` and, with predicted charges, as labels."""
    dipole: str | None = None
    """Dipole moment of a molecule about the origin, in e times `units.length`; a label of predicted charges."""
    born_charges: str | None = None
    """Born effective charges of the atoms in e, 3 x 3 for each: dM_a/dr_b in row a, column b; a label of predicted
    charges."""
    polarisability: str | None = None
    """Polarisability of a frame whose atoms stay where they are, 3 x 3, in `units.length` cubed; a label of predicted
    induced dipoles."""
    electrostatics_energy: str | None = None
    """Electrostatic part of the interaction of the molecules of a frame, as symmetry-adapted perturbation theory has
    it. This and the three below are labels of the terms that are that part."""
    exchange_energy: str | None = None
    """Exchange part of the interaction: of `exchange_repulsion`."""
    induction_energy: str | None = None
    """Induction part of the interaction, with charge transfer and what is left of the Hartree-Fock energy."""
    dispersion_energy: str | None = None
    """Dispersion part of the interaction, with exchange dispersion."""
    total_charge: str | None = None
    """Total charge of a frame in e; null means that every frame is neutral."""
    electric_field: str | None = None
    """Uniform electric field that a frame was computed in, three numbers in `units.energy` per e and `units.length`,
    which is V/Å for eV and Å; null means that there is none. Energies, forces and stresses are then those in the field,
    of charges that are fixed or predicted."""
    molecules: str | None = None
    """IDs of the molecules that atoms are in, whole numbers from 1, for terms between molecules; null: the column
    `molecule` or `mol_id` of frames that have one, and what bonds hold together in others."""
    config_type: str | None = "config_type"
    """Kind of a frame, such as liquid or surface: the report has an error table by kind where frames say theirs. null
    leaves the table out."""

    @property
    def with_virials(self) -> bool:
        """Whether a stress or a virial is named."""
        return self.stress is not None or self.virial is not None


class LabelUnits(Section):
    """Units of the labels in the files; null: those that the files' format says.

    That is eV and Å for files that ASE reads and for folders of DeePMD, Ha and bohr for n2p2 and RuNNer, kcal/mol and Å
    for rMD17; data sets of the sgdml package may say their own.
    """

    energy: str | None = None
    """Unit of energies; forces are in this unit per `length`."""
    length: str | None = None
    """Unit of positions and cells."""
    stress: str | None = None
    """Unit of stresses (`eV/Å^3`, `GPa`, `kbar`, `bar`, ...); null: `energy` per `length` cubed. A minus before it
    (`-kbar`) is for the opposite sign, that of a pressure: VASP's OUTCAR and LAMMPS."""
    stress_order: Literal["ase", "vasp", "lammps"] = "ase"
    """Order of a stress of six numbers. ase: xx yy zz yz xz xy (Voigt); vasp: xx yy zz xy yz zx; lammps: xx yy zz xy xz
    yz."""

    @field_validator("energy", "length", "stress")
    @classmethod
    def _known_unit(cls, value: str | None, info: ValidationInfo) -> str | None:
        known = {"energy": ENERGY_UNITS, "length": LENGTH_UNITS, "stress": STRESS_UNITS}[str(info.field_name)]
        bare = value.removeprefix("-") if value is not None and info.field_name == "stress" else value
        if bare is not None and bare not in known:
            words = {"energy": "energy unit", "length": "length unit", "stress": "unit of stress"}
            raise ValueError(f"unknown {words[str(info.field_name)]} '{quoted(value)}': {did_you_mean(bare, known)}")
        return value


FILES = ("files", "validation_files", "test_files")
"""Settings of `data` that name files of frames."""


class DataSettings(Section):
    """Which frames to train on, and how to read them."""

    files: list[Path] = Field(min_length=1)
    """Files that ASE reads (extxyz, ASE db, OUTCAR, ...), input.data of n2p2, npz files of molecules (sgdml, rMD17,
    NequIP), ML_AB, outputs of CP2K, folders of DeePMD and ABACUS (docs/data.md); most also compressed. `FORMAT:path`
    says a format that cannot be told from the file. Relative to the training file."""
    validation_files: list[Path] = Field(default=[])
    """Files of frames that choose the best epoch; then none of `files` does, whatever `validation` is."""
    test_files: list[Path] = Field(default=[])
    """Files of frames for the error table; then none of `files` is kept for it, whatever `test` is."""
    elements: list[str] = Field(default=[])
    """Elements of the atom types of dumps of LAMMPS in the order of the types, such as [Na, Cl], for those among the
    files that have no column `element`; other files do not need them."""
    energies: Literal["total", "interaction"] = "total"
    """What energy labels are. total: of all atoms; interaction: of molecules with each other, such as that of a dimer
    less those of its molecules. Then there are no element energies and no energy of the network, and the terms sum to
    the label: those of pairs must be `between_molecules`."""
    split_key: str | None = None
    """Name of a frame's entry that says train, validation or test. Overrides the two fractions."""
    validation: Fraction = 0.1
    """Fraction of the frames used to choose the best epoch."""
    test: Fraction = 0.1
    """Fraction of the frames kept for the error table."""
    keys: LabelKeys = LabelKeys()
    """Names of the labels."""
    units: LabelUnits = LabelUnits()
    """Units of the labels."""
    missing_labels: Literal["refuse", "allow"] = "refuse"
    """What becomes of frames that lack some of the labels named under `keys`. refuse: nothing is trained, and a message
    says how many there are; allow: they are trained on with the labels that they have, at least one that the loss uses.
    An entry that is NaN throughout is a missing label, too, and so are the stress of a frame that is not periodic in
    three directions and the dipole moment of one that is periodic."""
    cache: Path | None = None
    """Folder of the feature cache, relative to the training file: features are computed once and read by all later
    runs. null computes them anew for each run. Of features that no native kernel knows (`acsf`, orders above 6) it
    holds the derivatives as well, and a training that is too large for the memory reads them from there."""
    cache_workers: int = Field(default=1, ge=1)
    """Processes that compute features for the cache."""

    @property
    def all_files(self) -> list[Path]:
        """Files of training, validation and test."""
        return [file for name in FILES for file in getattr(self, name)]

    def with_files_in(self, folder: Path) -> Self:
        """As in `Section`."""
        paths = {name: [in_folder(file, folder) for file in getattr(self, name)] for name in FILES}
        return self.model_copy(update=paths | {"cache": None if self.cache is None else folder / self.cache})

    @model_validator(mode="after")
    def _one_way_to_split(self) -> DataSettings:
        if self.split_key is not None and (self.validation_files or self.test_files):
            raise ValueError("split_key and validation_files or test_files exclude each other: leave one of them out")
        return self


NAMES_ELSEWHERE = {
    **dict.fromkeys(("file", "train_file", "train_files", "training_file", "training_files", "data_path"), "files"),
    **dict.fromkeys(
        ("valid_file", "valid_files", "val_file", "val_files", "validation_file", "validation_data"),
        "validation_files",
    ),
    **dict.fromkeys(("test_file", "test_data"), "test_files"),
    **dict.fromkeys(("valid_fraction", "val_fraction", "validation_fraction", "validation_split"), "validation"),
    **dict.fromkeys(("test_fraction", "test_split"), "test"),
    **dict.fromkeys(("energy_key", "energies_key"), "keys.energy"),
    "forces_key": "keys.forces",
    "type_map": "elements",
    "stress_key": "keys.stress",
    "virials_key": "keys.virial",
    "charges_key": "keys.charges",
    "dipole_key": "keys.dipole",
}
"""What other trainers call a setting of `data` -> its name here."""
