"""Names of the training file's settings."""

from mliap_hybrid.config.data import DataSettings, LabelKeys, LabelUnits
from mliap_hybrid.config.fitting import (
    CommitteeSettings,
    LossSettings,
    NoiseSettings,
    OptimisationSettings,
    WeakSupervisionSettings,
)
from mliap_hybrid.config.gdml import GDMLSettings, MoleculeSettings
from mliap_hybrid.config.model import FeatureSettings, NetworkSettings
from mliap_hybrid.config.training_file import (
    TrainingFile,
    parse_training_file,
    read_training_file,
    with_committee,
    with_defaults_from,
    write_training_file,
)
from mliap_hybrid.model.terms.electrostatics_settings import ElectrostaticsSettings
from mliap_hybrid.model.terms.repulsion import RepulsionSettings
from mliap_hybrid.section import Section

__all__ = [
    "CommitteeSettings",
    "DataSettings",
    "ElectrostaticsSettings",
    "FeatureSettings",
    "GDMLSettings",
    "LabelKeys",
    "LabelUnits",
    "LossSettings",
    "MoleculeSettings",
    "NetworkSettings",
    "NoiseSettings",
    "OptimisationSettings",
    "RepulsionSettings",
    "Section",
    "TrainingFile",
    "WeakSupervisionSettings",
    "parse_training_file",
    "read_training_file",
    "with_committee",
    "with_defaults_from",
    "write_training_file",
]
