"""The file of `mliap-hybrid learn`: every setting, its meaning, its unit and its default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from mliap_hybrid.config.mistakes import mistakes
from mliap_hybrid.config.yaml_file import read_mapping
from mliap_hybrid.errors import InputError
from mliap_hybrid.section import Fraction, Positive, Section


class CalculatorSettings(Section):
    """What labels structures, as in `mliap-hybrid relabel`."""

    name: str
    """`package.module:Class`, `file.py:function`, relative to this file, or a name that ASE knows."""
    options: dict[str, Any] = Field(default={})
    """What it is made with; write small numbers as 1.0e-5, which YAML takes for numbers."""
    labels: list[str] = Field(default=[])
    """Labels beside energy, forces and stress, such as charges."""
    jobs: Annotated[int, Field(ge=1)] = 1
    """Processes, each with a calculator of its own."""


class RunSettings(Section):
    """The runs in which structures are looked for: constant volume, Langevin thermostat, in LAMMPS."""

    starts: Annotated[list[Path], Field(min_length=1)]
    """Files of structures that runs start from, in turns, relative to this file."""
    n_runs: Annotated[int, Field(ge=1)] = 4
    """Runs of a round."""
    temperatures: list[Positive] = Field(default=[300.0], min_length=1)
    """K, in turns: run k has temperature k modulo their number."""
    time: Positive = 10.0
    """ps of each run."""
    time_step: Positive = 0.5
    """fs."""
    every: Annotated[int, Field(ge=1)] = 20
    """Steps after which the distances to the training set are looked at."""
    damping: Positive = 0.1
    """ps of the thermostat."""
    end_at: Annotated[float, Field(ge=1.0)] = 2.0
    """A run ends where the distance of an atom is so many times the one from which on it is outside of what the model
    knows: what comes after is made up."""
    ranks: Annotated[int, Field(ge=1)] = 1
    """MPI ranks of each run."""


class LearningFile(Section):
    """A whole file."""

    training: Path
    """Training file, relative to this one, with the first labelled frames under `data.files`. Its `run` is not used."""
    folder: Path = Path("runs/learning")
    """Folder to write, relative to the working directory: a folder for each round, all new labels, and a table."""
    calculator: CalculatorSettings
    runs: RunSettings
    n_rounds: Annotated[int, Field(ge=1)] = 20
    """Most rounds."""
    n_select: Annotated[int, Field(ge=1)] = 20
    """Most structures that are labelled in a round: those that are farthest from each other."""
    largest_force: Positive = 50.0
    """eV/Å: structures with labels above it are left out, no model being asked for them."""
    tolerated: Fraction = 0.0
    """Share of the time of a round's runs that may be outside of what the model knows; the loop ends where it is not
    more."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of velocities and thermostats."""


def read_learning_file(path: Path) -> LearningFile:
    """Read the file; the files that it names are taken relative to it.

    Raises
    ------
    InputError
        If it is missing, is not YAML, or holds a mistake.
    """
    content = read_mapping(path, "learning file", "training:, calculator:, runs:")
    try:
        settings = LearningFile.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: {mistakes(error, LearningFile)}") from None
    here = path.resolve().parent
    script, colon, function = settings.calculator.name.rpartition(":")
    name = f"{here / script}{colon}{function}" if script.endswith(".py") else settings.calculator.name
    calculator = settings.calculator.model_copy(update={"name": name})
    runs = settings.runs.model_copy(update={"starts": [here / file for file in settings.runs.starts]})
    return settings.model_copy(update={"training": here / settings.training, "calculator": calculator, "runs": runs})
