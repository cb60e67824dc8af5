"""The training file: every setting, its meaning, its unit and its default, and nothing else.

YAML is the only format. An unknown key is answered with the nearest known one; defaults live in the sections alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError, model_validator

from mliap_hybrid.config.compatibility import (
    check_choices,
    check_labels,
    check_learned_sets,
    check_terms,
    check_weak_supervision,
    sections_of_terms,
)
from mliap_hybrid.config.data import NAMES_ELSEWHERE, DataSettings
from mliap_hybrid.config.fitting import (
    CommitteeSettings,
    LossSettings,
    NoiseSettings,
    OptimisationSettings,
    WeakSupervisionSettings,
)
from mliap_hybrid.config.gdml import GDMLSettings, MoleculeSettings
from mliap_hybrid.config.mistakes import mistakes
from mliap_hybrid.config.model import FeatureSettings, NetworkSettings
from mliap_hybrid.config.yaml_file import read_mapping
from mliap_hybrid.errors import InputError
from mliap_hybrid.model.terms.buffered_14_7 import Buffered147Settings
from mliap_hybrid.model.terms.charge_penetration import ChargePenetrationSettings
from mliap_hybrid.model.terms.charge_transfer import ChargeTransferSettings
from mliap_hybrid.model.terms.dipole_settings import DipoleSettings
from mliap_hybrid.model.terms.dispersion import DispersionSettings
from mliap_hybrid.model.terms.electrostatics_settings import ElectrostaticsSettings
from mliap_hybrid.model.terms.exchange_repulsion import ExchangeRepulsionSettings
from mliap_hybrid.model.terms.repulsion import RepulsionSettings
from mliap_hybrid.quantities import QUANTITIES, Quantity
from mliap_hybrid.section import Section
from mliap_hybrid.whole_file import whole_file

CHECKS = (
    check_terms,
    check_labels,
    check_learned_sets,
    check_weak_supervision,
    check_choices,
)
"""Of choices that do not go together; the first complaint is told."""


class TrainingFile(Section):
    """A whole training file."""

    run: Path = Path("runs/model")
    """Run folder to write, relative to the working directory."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the split, the initial weights and the order of the frames."""
    device: str = "cpu"
    """Where networks are trained: cpu, or what torch calls another device, such as cuda or cuda:1. Features and fixed
    terms are computed on processors in any case, as is the report; a kernel model (`gdml`) is trained there."""
    init_from: Path | None = None
    """Run folder of a training to start from, relative to the training file; null: none. Features and sizes of networks
    are its own, networks start with its weights, and element energies are fitted anew. Elements that it does not know
    start as the mean of those that it knows. The rest of this file says how the training goes on."""
    data: DataSettings
    features: FeatureSettings = FeatureSettings()
    network: NetworkSettings = NetworkSettings()
    repulsion: RepulsionSettings = RepulsionSettings()
    electrostatics: ElectrostaticsSettings = ElectrostaticsSettings()
    dipoles: DipoleSettings = DipoleSettings()
    charge_penetration: ChargePenetrationSettings = ChargePenetrationSettings()
    exchange_repulsion: ExchangeRepulsionSettings = ExchangeRepulsionSettings()
    charge_transfer: ChargeTransferSettings = ChargeTransferSettings()
    dispersion: DispersionSettings = DispersionSettings()
    buffered_14_7: Buffered147Settings = Buffered147Settings()
    gdml: GDMLSettings | None = None
    """A kernel model of one molecule in place of features and network; null: none."""
    molecules: MoleculeSettings | None = None
    """A kernel model of the molecules that the frames are made of, trained before; null: none."""
    loss: LossSettings = LossSettings()
    weak_supervision: WeakSupervisionSettings = WeakSupervisionSettings()
    noise: NoiseSettings = NoiseSettings()
    committee: CommitteeSettings = CommitteeSettings()
    optimisation: OptimisationSettings = OptimisationSettings()

    @model_validator(mode="after")
    def _choices_go_together(self) -> TrainingFile:
        self.check()
        return self

    def check(self) -> None:
        """Refuse choices that do not go together: a file's on reading, and those that a program has changed.

        Raises
        ------
        ValueError
        """
        for check in CHECKS:
            check(self)

    def trained_quantities(self) -> list[Quantity]:
        """What the files hold labels of that the model is compared with in training."""
        predicting = (section for section in sections_of_terms(self).values() if section.source == "predicted")
        follows = {None, *(parameter for section in predicting for parameter in section.parameters)}
        of_model = [quantity for quantity in QUANTITIES.values() if quantity.follows in follows]
        return [q for q in of_model if any(getattr(self.data.keys, key) is not None for key in q.keys)]

    def weighted_labels(self) -> list[str]:
        """Labels, as under `data.keys`, that the files hold and the loss has a weight for."""
        weighted = [quantity for quantity in self.trained_quantities() if getattr(self.loss, quantity.weight) > 0]
        return [key for quantity in weighted for key in quantity.keys if getattr(self.data.keys, key) is not None]


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
        raise InputError(f"{source}: {mistakes(error, TrainingFile, NAMES_ELSEWHERE)}") from None


def read_training_file(path: Path) -> TrainingFile:
    """Read a training file; the files that it names are taken relative to it.

    Raises
    ------
    InputError
        If the file is missing, is not YAML, or holds a mistake.
    """
    content = read_mapping(path, "training file", "data:, features:")
    return _with_absolute_paths(parse_training_file(content, str(path)), path.resolve().parent)


def _with_absolute_paths(settings: TrainingFile, folder: Path) -> TrainingFile:
    """The settings with the files that they name taken relative to `folder`."""
    sections = {name: getattr(settings, name) for name in type(settings).model_fields}
    here = {name: section.with_files_in(folder) for name, section in sections.items() if isinstance(section, Section)}
    if settings.init_from is not None:
        return settings.model_copy(update=here | {"init_from": folder / settings.init_from})
    return settings.model_copy(update=here)


def with_committee(settings: TrainingFile, n_members: int) -> TrainingFile:
    """The settings with another number of networks.

    Raises
    ------
    InputError
        If a committee is not possible with them.
    """
    # What the file does not say stays open.
    content = settings.model_dump(exclude_unset=True) | {"committee": {"n_members": n_members}}
    return parse_training_file(content, "--committee")


def with_defaults_from(settings: TrainingFile, other: TrainingFile) -> TrainingFile:
    """The settings with the values of others where the training file says none."""
    said = settings.model_dump(exclude_unset=True)
    return settings.model_validate(_merged(other.model_dump(), said))


def _merged(values: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """`values`, with what was said in their place, section by section."""
    merged = values | said
    for name, value in said.items():
        if isinstance(value, dict) and isinstance(values.get(name), dict):
            merged[name] = values[name] | value
    return merged


def write_training_file(settings: TrainingFile, path: Path, *, said_only: bool = False) -> None:
    """Write settings as YAML that `read_training_file` accepts.

    Parameters
    ----------
    settings : TrainingFile
    path : Path
    said_only : bool
        Leave out what nobody has said or chosen, so that it stays open; by default, defaults are written as well.
    """
    content = settings.model_dump(mode="json", exclude_unset=said_only)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    with whole_file(path) as file:
        file.write(text.encode())
