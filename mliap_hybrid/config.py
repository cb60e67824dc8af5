"""The training file: every setting, its meaning, its unit and its default, and nothing else.

YAML is the only format. An unknown key is answered with the nearest known one; defaults live here alone.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mliap_hybrid.errors import InputError, did_you_mean
from mliap_hybrid.units import ENERGY_UNITS, LENGTH_UNITS

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]

CHARGE_SOURCES = ("none", "formal", "reference", "fitted", "predicted")
"""What `electrostatics.charges` may say, beside a table."""

STARTING_CHARGES = ("zero", "formal", "reference")
"""What `electrostatics.starting_charges` may say, beside a table."""


class Section(BaseModel):
    """A block of the file: unknown keys are refused, and each field's docstring is its description."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class LabelKeys(Section):
    """Names under which the files hold their labels."""

    energy: str = "energy"
    """Total energy of a frame."""
    forces: str | None = "forces"
    """Forces on the atoms; null trains without them."""
    stress: str | None = None
    """Stress of a frame (ASE sign: dE/d(strain)/V); null trains without it."""
    charges: str | None = None
    """Reference charges of the atoms in e, used by `charges: reference` and, with predicted charges, as labels."""
    dipole: str | None = None
    """Dipole moment of a molecule about the origin, in e times `units.length`; a label of predicted charges."""
    born_charges: str | None = None
    """Born effective charges of the atoms in e, 3 x 3 for each: dM_a/dr_b in row a, column b; a label of predicted
    charges."""
    total_charge: str | None = None
    """Total charge of a frame in e; null means that every frame is neutral."""


class LabelUnits(Section):
    """Units of the labels in the files."""

    energy: str = "eV"
    """Unit of energies; forces are in this unit per `length`."""
    length: str = "Å"
    """Unit of positions and cells."""

    @field_validator("energy")
    @classmethod
    def _known_energy(cls, value: str) -> str:
        if value not in ENERGY_UNITS:
            raise ValueError(f"unknown energy unit '{value}': {did_you_mean(value, ENERGY_UNITS)}")
        return value

    @field_validator("length")
    @classmethod
    def _known_length(cls, value: str) -> str:
        if value not in LENGTH_UNITS:
            raise ValueError(f"unknown length unit '{value}': {did_you_mean(value, LENGTH_UNITS)}")
        return value


class DataSettings(Section):
    """Which frames to train on, and how to read them."""

    files: list[Path] = Field(min_length=1)
    """Files that ASE reads (extxyz, also .xz and .gz; ASE db), relative to the training file."""
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
    cache: Path | None = None
    """Folder of the feature cache, relative to the training file: features are computed once and read by all later
    runs. null computes them anew for each run."""
    cache_workers: int = Field(default=1, ge=1)
    """Processes that compute features for the cache."""


class FeatureSettings(Section):
    """Features of the surroundings of an atom: Gaussian multipoles (Lei and Medford 2022) or symmetry functions."""

    set: Literal["gmp-classic", "gmp-2c", "gmp-2c3", "gmp-3c3", "gmp-3c3w", "acsf"] = "gmp-2c3"
    """Named set, with its number of features for the default widths and order. gmp-classic (16): the squares of the
    paper, of the valence density alone; gmp-2c (116): a second density, one count for every atom, and the products of
    all pairs of probes; gmp-2c3 (148): with products of three moments; gmp-3c3 (294): with a third density, that of the
    core electrons; gmp-3c3w (438): with more products of three. More features cost time and find more. acsf: symmetry
    functions (Behler and Parrinello 2007) in place of multipoles, more of them with each element; of the settings
    below, `cutoff` alone is theirs."""
    max_order: int = Field(default=3, ge=0, le=9)
    """Highest multipole order n; orders 0..n are used."""
    widths: list[Positive] = [0.25, 0.5, 1.0, 2.0]
    """Widths s of the Gaussian probes in Å. Narrow ones resolve short bonds; ions want none below about 0.7 Å."""
    cutoff: Positive = 6.0
    """Cutoff radius r_c in Å: how far an atom sees, and the cutoff of the LAMMPS pair style."""
    density_table: str = "gth-pbe"
    """Pseudo-density table: a shipped name, a .gpsp file, or a folder of .g files."""
    selection: Literal["none", "fps", "cur"] = "none"
    """Which features the network sees. none: all; fps: `n_selected` that are as different from each other as possible
    on the training atoms; cur: `n_selected` from which the others are best rebuilt."""
    n_selected: int | None = Field(default=None, ge=1)
    """Number of features to select."""

    @model_validator(mode="after")
    def _selection_has_its_number(self) -> FeatureSettings:
        if self.selection != "none" and self.n_selected is None:
            raise ValueError(f"selection {self.selection} needs n_selected, the number of features to select")
        if self.selection == "none" and self.n_selected is not None:
            raise ValueError("n_selected has no effect without a selection: set selection to fps or cur")
        return self


class NetworkSettings(Section):
    """The one network that all elements share."""

    hidden: list[Annotated[int, Field(gt=0)]] = [128, 128]
    """Widths of the hidden layers."""
    whitening_damping: Positive = 1e-3
    """Damping of the PCA whitening, relative to the largest variance: 1e-5 for about 30 features, 1e-3 for hundreds,
    more where training frames are few."""


class RepulsionSettings(Section):
    """Screened nuclear repulsion (Ziegler, Biersack, Littmark 1985) at short distance."""

    kind: Literal["zbl", "none"] = "zbl"
    """zbl adds it, none leaves it out."""


def _check_charges(value: Any, sources: tuple[str, ...], what: str) -> Any:
    """The value, if it is one of the sources or a table of numbers."""
    if isinstance(value, str) and value not in sources:
        raise ValueError(f"unknown {what} '{value}': {did_you_mean(value, sources)}")
    if isinstance(value, dict):
        for symbol, charge in value.items():
            if not isinstance(charge, int | float) or not math.isfinite(charge):
                raise ValueError(f"the charge of {symbol} must be a number in e, not {charge!r}")
    elif not isinstance(value, str):
        raise ValueError("expected " + ", ".join(sources) + " or a table such as {Na: 1.0, Cl: -1.0}")
    return value


class ElectrostaticsSettings(Section):
    """The long-range term: Gaussian charges, fixed for each element or predicted from the surroundings."""

    charges: Literal["none", "formal", "reference", "fitted", "predicted"] | dict[str, float] = "none"
    """Where the charges come from. none: no long-range term; formal: oxidation states (pymatgen);
    reference: mean of the reference charges of each element; fitted: one for each element, learned with the network
    from energies and forces; predicted: of each atom, by a second network from the same features; or a table such as
    {Na: 1.0, Cl: -1.0} in e. The settings below, `smearing` apart, are for predicted charges."""
    smearing: Positive = 1.0
    """Smearing sigma of the charges in Å; at most cutoff / 5.5, where erfc(r / (sqrt(2) sigma)) has fallen to 4e-8."""
    neutrality: Literal["shift", "increments"] = "shift"
    """How predicted charges keep the total charge. shift: all atoms of a structure are moved by one number;
    increments: neighbours give each other charge, so that systems far apart have the charges that each has alone, and
    the total charge is that of the starting charges."""
    starting_charges: Literal["zero", "formal", "reference"] | dict[str, float] = "formal"
    """Charges q0 of the elements that predicted charges start from: zero, formal, reference or a table, as above."""
    charge_hidden: list[Annotated[int, Field(gt=0)]] = [64, 64]
    """Widths of the hidden layers of the charge network."""
    largest_charge: Positive = 2.0
    """Bound b in e of what the charge network adds to q0: b tanh(network / b)."""
    total_charge_input: bool = False
    """Whether both networks see the total charge of the structure, for systems of several total charges."""

    @field_validator("charges", mode="before")
    @classmethod
    def _known_charges(cls, value: Any) -> Any:
        return _check_charges(value, CHARGE_SOURCES, "source of charges")

    @field_validator("starting_charges", mode="before")
    @classmethod
    def _known_starting_charges(cls, value: Any) -> Any:
        return _check_charges(value, STARTING_CHARGES, "source of starting charges")

    @property
    def predicts(self) -> bool:
        """Whether charges are predicted."""
        return self.charges == "predicted"


class LossSettings(Section):
    """Weights of the errors in the loss, each on labels in eV and Å."""

    energy: NonNegative = 1.0
    """Weight of the squared error of the energy per atom, (eV/atom)^2, times 1000."""
    forces: NonNegative = 1.0
    """Weight of the squared error of the force components, (eV/Å)^2."""
    force_transition: Positive | None = None
    """Force error c in eV/Å from which on errors count linearly and no longer as squares (pseudo-Huber loss
    2 c^2 (sqrt(1 + (error / c)^2) - 1)): a few large forces rule the fit less. null: squares throughout."""
    virial: NonNegative = 0.0
    """Weight of the squared error of the virial per atom, (eV/atom)^2, times 10; needs a stress label."""
    charges: NonNegative = 1.0
    """Weight of the squared error of predicted charges, e^2, times 100; used where `data.keys.charges` is set."""
    dipole: NonNegative = 1.0
    """Weight of the squared error of the components of the dipole moment, (e Å)^2, times 10; used with predicted
    charges where `data.keys.dipole` is set."""
    born_charges: NonNegative = 1.0
    """Weight of the squared error of the components of the Born effective charges, e^2; used with predicted charges
    where `data.keys.born_charges` is set."""


class WeakSupervisionSettings(Section):
    """Losses at displaced copies C, B and D of each training frame A (Takamoto, Zaverkin and Niepert 2025).

    Energies there must agree with what energies and forces elsewhere say of them. This helps where labels are few, and
    harms where `displacement_size` is too large.
    """

    taylor: Literal["none", "zeroth", "first", "trapezoid", "second"] = "none"
    """How E(C) follows from A. none: no such term; zeroth: it is E(A), which is wrong, and a baseline for comparison;
    first: E(A) and the forces at A, wrong by the curvature of the energy; trapezoid: the mean of the forces at A and C;
    second: the curvature of the model as well, the slowest."""
    taylor_weight: Positive = 1.0
    """Weight of the squared residual of `taylor` per atom, (eV/atom)^2, times 1000."""
    weak_labels: bool = False
    """Whether `taylor` starts from the reference energy and forces of A in place of the predicted ones."""
    spatial: Literal["none", "A", "B", "C", "D", "all", "two-point"] = "none"
    """Which energies must agree, PQ being that of Q from energy and forces at P. none: no such term; A: C with BC;
    B: AC with BC; C: B with CB; D: DC with BC; all: C with BC, A with CA and B with AB; two-point: A with CA."""
    spatial_order: Literal["first", "trapezoid"] = "first"
    """How far PQ goes. first: forces at P, wrong by the curvature of the energy; trapezoid: the mean of the forces at P
    and Q."""
    spatial_weight: Positive = 0.01
    """Weight of the squared residual of `spatial` per atom, (eV/atom)^2, times 1000."""
    displacement: Literal["random", "adversarial", "virtual"] = "random"
    """Where C is. random: like B and D, each component uniform within the size; adversarial: each atom against the
    error of its force, by sqrt(3) times the size; virtual: against its predicted force, with `taylor: zeroth` the
    virtual adversarial training of Miyato et al. 2018. The last two follow the network, and compute features in each
    epoch."""
    displacement_size: Positive = 0.015
    """Size of the displacements in Å."""
    displaced_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Probability that an atom moves; the others stay where they are in all copies."""
    n_copies: int = Field(default=8, ge=1)
    """Sets of random copies prepared for each training frame, used in turn, one in each epoch."""
    warm_up_epochs: int = Field(default=0, ge=0)
    """Epochs at the start without these terms."""

    @property
    def is_on(self) -> bool:
        """Whether there is any term."""
        return self.taylor != "none" or self.spatial != "none"


class NoiseSettings(Section):
    """Noise augmentation: training frames with displaced atoms and unchanged labels, a baseline for comparison."""

    displacement: NonNegative = 0.0
    """How far each atom is moved in Å, in a random direction; 0 for no noise."""
    n_copies: int = Field(default=8, ge=1)
    """Noisy copies prepared for each training frame, used in turn, one in each epoch, in place of the frame."""


class OptimisationSettings(Section):
    """How the network's weights are found (a cosine schedule and averaged weights)."""

    optimiser: Literal["soap", "adamw"] = "soap"
    """soap: Adam in the eigenbasis of the gradients' covariance, with several times fewer steps to the same error;
    adamw: Adam with decoupled weight decay."""

    epochs: int = Field(default=200, ge=1)
    """Passes over the training frames."""
    batch_size: int = Field(default=4, ge=1)
    """Frames in a step."""
    learning_rate: Positive = 4e-3
    """Learning rate at the start; it falls to zero along a cosine."""
    charge_learning_rate: Positive = 1e-2
    """The same for the charges, with `electrostatics.charges: fitted`."""
    weight_decay: NonNegative = 1e-5
    """Decoupled weight decay of the network's weights; their offsets do not decay."""
    average_decay: Fraction = 0.995
    """Decay of the running average of the weights, which is what is validated and exported."""
    gradient_clip: Positive = 10.0
    """Largest norm of the loss gradient."""


class TrainingFile(Section):
    """A whole training file."""

    run: Path = Path("runs/model")
    """Run folder to write, relative to the working directory."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the split, the initial weights and the order of the frames."""
    data: DataSettings
    features: FeatureSettings = FeatureSettings()
    network: NetworkSettings = NetworkSettings()
    repulsion: RepulsionSettings = RepulsionSettings()
    electrostatics: ElectrostaticsSettings = ElectrostaticsSettings()
    loss: LossSettings = LossSettings()
    weak_supervision: WeakSupervisionSettings = WeakSupervisionSettings()
    noise: NoiseSettings = NoiseSettings()
    optimisation: OptimisationSettings = OptimisationSettings()

    @model_validator(mode="after")
    def _smearing_fits_cutoff(self) -> TrainingFile:
        sigma, cutoff = self.electrostatics.smearing, self.features.cutoff
        if self.electrostatics.charges != "none" and sigma > cutoff / 5.5:
            raise ValueError(
                f"electrostatics.smearing {sigma} Å is too wide for features.cutoff {cutoff} Å: "
                f"expected at most {cutoff / 5.5:.3f} Å"
            )
        return self

    @model_validator(mode="after")
    def _labels_are_named(self) -> TrainingFile:
        keys, electrostatics = self.data.keys, self.electrostatics
        if self.loss.virial > 0 and keys.stress is None:
            raise ValueError("loss.virial is not zero, but data.keys.stress does not name a stress label")
        needs_reference = {"charges": electrostatics.charges == "reference"}
        needs_reference["starting_charges"] = electrostatics.predicts and electrostatics.starting_charges == "reference"
        for setting, needed in needs_reference.items():
            if needed and keys.charges is None:
                raise ValueError(
                    f"electrostatics.{setting} is reference, but data.keys.charges does not name a charge label"
                )
        if not self._weighted_labels():
            raise ValueError("there is nothing to train on: every weight under loss is zero, or its label is null")
        return self

    @model_validator(mode="after")
    def _weak_supervision_is_possible(self) -> TrainingFile:
        weak = self.weak_supervision
        if not weak.is_on:
            if weak != WeakSupervisionSettings():
                raise ValueError(
                    "weak_supervision has settings but no term: set weak_supervision.taylor or weak_supervision.spatial"
                )
            return self
        if self.electrostatics.charges in ("fitted", "predicted"):
            raise ValueError(
                f"weak_supervision does not work with electrostatics.charges {self.electrostatics.charges}: expected "
                "none, formal, reference or a table"
            )
        if self.noise.displacement > 0:
            raise ValueError("weak_supervision and noise exclude each other: leave one of them out")
        if weak.weak_labels and weak.taylor == "none":
            raise ValueError("weak_supervision.weak_labels has no effect unless weak_supervision.taylor is set")
        if self.data.keys.forces is None:
            needing = {"weak_labels": weak.weak_labels, "displacement: adversarial": weak.displacement == "adversarial"}
            for setting, needed in needing.items():
                if needed:
                    raise ValueError(
                        f"weak_supervision.{setting} needs reference forces, but data.keys.forces does not name them"
                    )
        if weak.warm_up_epochs >= self.optimisation.epochs:
            raise ValueError(
                f"weak_supervision.warm_up_epochs is {weak.warm_up_epochs}, expected fewer than optimisation.epochs, "
                f"which is {self.optimisation.epochs}"
            )
        return self

    @model_validator(mode="after")
    def _total_charge_is_given(self) -> TrainingFile:
        if self.electrostatics.total_charge_input and not self.electrostatics.predicts:
            raise ValueError("electrostatics.total_charge_input has no effect unless charges are predicted")
        if self.electrostatics.total_charge_input and self.data.keys.total_charge is None:
            raise ValueError(
                "electrostatics.total_charge_input is set, but data.keys.total_charge does not name the total charge"
            )
        return self

    def _weighted_labels(self) -> list[str]:
        """Labels that the files hold and the loss has a weight for."""
        loss, keys = self.loss, self.data.keys
        weights = {"energy": loss.energy, "forces": loss.forces, "stress": loss.virial}
        if self.electrostatics.predicts:
            weights |= {"charges": loss.charges, "dipole": loss.dipole, "born_charges": loss.born_charges}
        return [label for label, weight in weights.items() if weight > 0 and getattr(keys, label) is not None]


def parse_training_file(content: dict[str, Any], source: str) -> TrainingFile:
    """Check the content of a training file.

    Parameters
    ----------
    content : dict
        What the YAML file holds.
    source : str
        Its name, for messages.

    Raises
    ------
    InputError
        One line for each mistake, with the nearest known key where a key is unknown.
    """
    try:
        return TrainingFile.model_validate(content)
    except ValidationError as error:
        lines = [_describe(detail) for detail in error.errors()]
        raise InputError(f"{source}: " + "; ".join(dict.fromkeys(lines))) from None


def read_training_file(path: Path) -> TrainingFile:
    """Read a training file; the files that it names are taken relative to it.

    Raises
    ------
    InputError
        If the file is missing, is not YAML, or holds a mistake.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InputError(f"cannot read the training file {path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected `key: value` lines (data:, features:, ...), found {type(content).__name__}")
    settings = parse_training_file(content, str(path))
    folder = path.resolve().parent
    paths: dict[str, Any] = {"files": [folder / file for file in settings.data.files]}
    if settings.data.cache is not None:
        paths["cache"] = folder / settings.data.cache
    data = settings.data.model_copy(update=paths)
    features = settings.features
    if (folder / features.density_table).exists():
        features = features.model_copy(update={"density_table": str(folder / features.density_table)})
    return settings.model_copy(update={"data": data, "features": features})


def write_training_file(settings: TrainingFile, path: Path) -> None:
    """Write the resolved settings, defaults included, as YAML that `read_training_file` accepts."""
    path.write_text(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def _describe(detail: Any) -> str:
    """One sentence for one mistake found by pydantic."""
    place = [str(part) for part in detail["loc"]]
    where = ".".join(place)
    if detail["type"] == "extra_forbidden":
        known = _section_at(place[:-1]).model_fields
        return f"unknown key '{where}': {did_you_mean(place[-1], known)}"
    if detail["type"] == "missing":
        return f"the key '{where}' is missing"
    if detail["type"] == "model_type":
        return f"{where}: expected `key: value` lines, found {detail['input']!r}"
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "value_error":  # our own sentences, which say what was found
        return f"{where}: {message}" if where else message
    return f"{where}: {message[0].lower() + message[1:]} (found {detail['input']!r})"


def _section_at(place: list[str]) -> type[Section]:
    section: type[Section] = TrainingFile
    for name in place:
        annotation = section.model_fields[name].annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            section = annotation
    return section
