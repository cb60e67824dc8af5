"""Checkpoints: a versioned file of tensors and plain values, written at once or not at all."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from mliap_hybrid.devices import on_device
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.initial_fit import InitialFit
from mliap_hybrid.fitting.older_checkpoints import FIRST_VERSION_OF_TODAY, upgraded
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.whitening import Whitening
from mliap_hybrid.model_files.description import build, describe
from mliap_hybrid.model_files.model_description import ModelDescription
from mliap_hybrid.structure import Batch
from mliap_hybrid.version import __version__
from mliap_hybrid.whole_file import whole_file

FORMAT = "mliap_hybrid checkpoint"
FORMAT_VERSION = 7
"""Raised when a change makes older readers fail; older versions stay readable."""

STRUCTURE_FIELDS = tuple(f.name for f in fields(Batch) if f.name not in ("labels", "sources", "config_types"))
"""The fields of a batch that are neither labels nor names."""


@dataclass(frozen=True)
class Checkpoint:
    """A run after a finished epoch."""

    model: HybridModel
    """With the averaged weights: what is evaluated and exported."""
    initial_fit: InitialFit | None
    """So that a resumed run need not fit it again; None for a model trained in closed form."""
    trainer: dict[str, Any]
    """State of the `Trainer`; of a model trained in closed form, how it was found."""
    data: str
    """Fingerprint of the frames."""
    example: Batch
    """A validation structure without labels, for checks of what is exported."""


def write_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write `path` so that it is either the old file or the whole new one, whenever the process is killed."""
    description, tensors = describe(checkpoint.model)
    content = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "package": __version__,
        "model": {"description": description.model_dump(), "tensors": tensors},
        "terms": None if checkpoint.initial_fit is None else _content_of(checkpoint.initial_fit),
        "trainer": on_device(checkpoint.trainer, "cpu"),
        "data": checkpoint.data,
        "example": {name: getattr(checkpoint.example, name) for name in STRUCTURE_FIELDS},
    }
    with whole_file(path) as file:
        torch.save(content, file)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; nothing in it is executed.

    Raises
    ------
    InputError
        If the file is missing, damaged, not a checkpoint, or of a newer version.
    """
    if not path.is_file():
        raise InputError(f"the checkpoint {path} does not exist")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # zip, pickle and OS errors: what torch raises is not documented
        raise InputError(
            f"{path} cannot be read as a checkpoint ({type(error).__name__}); it is damaged or of another kind: "
            "use the other checkpoint of the run, or train again"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path} is not a checkpoint of mliap_hybrid")
    try:
        return _checkpoint_of(content, path)
    except InputError:
        raise
    except Exception as error:  # whatever is missing, or of another kind or shape than was written
        raise InputError(
            f"{path} is a checkpoint whose content is damaged ({type(error).__name__}): use the other checkpoint of "
            "the run, or train again"
        ) from None


def _checkpoint_of(content: dict[str, Any], path: Path) -> Checkpoint:
    if content["version"] > FORMAT_VERSION:
        raise InputError(
            f"{path} has checkpoint version {content['version']}, written by mliap_hybrid {content['package']}; this "
            f"is {__version__}, which reads up to version {FORMAT_VERSION}: upgrade mliap_hybrid"
        )
    model = build(ModelDescription.model_validate(content["model"]["description"]), content["model"]["tensors"])
    trainer = content["trainer"]
    return Checkpoint(
        model=model,
        initial_fit=None if content["terms"] is None else _initial_fit_of(content["terms"], model),
        trainer=trainer if content["version"] >= FIRST_VERSION_OF_TODAY else upgraded(trainer),
        data=content["data"],
        example=Batch(**content["example"]),
    )


def _content_of(fit: InitialFit) -> dict[str, Any]:
    """The initial fit, but terms that were trained before, which the model has."""
    return {
        "elements": list(fit.elements),
        "whitening.mean": fit.whitening.mean.detach(),
        "whitening.matrix": fit.whitening.matrix.detach(),
        "baseline": fit.baseline,
        "charges": fit.charges,
        "unit_baseline": fit.unit_baseline,
        "counts": fit.counts,
    }


def _initial_fit_of(content: dict[str, Any], model: HybridModel) -> InitialFit:
    return InitialFit(
        elements=tuple(content["elements"]),
        whitening=Whitening(content["whitening.mean"], content["whitening.matrix"]),
        baseline=content["baseline"],
        charges=content["charges"],
        unit_baseline=content["unit_baseline"],
        counts=content["counts"],
        known_terms=tuple(term for term in model.all_terms if term.is_known),
    )


def load_checkpoint(run: Path, which: str = "best") -> Checkpoint:
    """A checkpoint of a run folder.

    Parameters
    ----------
    run : Path
        Run folder.
    which : {"best", "last"}
        Epoch with the lowest validation loss, or the last one.

    Raises
    ------
    InputError
        If `which` is neither, `run` is not a run folder, or its checkpoint cannot be read.
    """
    if which not in ("best", "last"):
        raise InputError(f"unknown checkpoint '{which}': expected best or last")
    folder = RunFolder(run)
    if not folder.holds_run():
        raise InputError(f"{run} is not a run folder: it has no config.yaml; expected what `mliap-hybrid train` wrote")
    return read_checkpoint(folder.checkpoint(which))


def load_model(run: Path, which: str = "best") -> HybridModel:
    """The trained model of a run folder, in float64; arguments and errors as `load_checkpoint`."""
    return load_checkpoint(run, which).model
