"""From a trained model to the one file that LAMMPS, ASE and the commands read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.unified import HybridUnified
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.terms.dipoles import Dipoles
from mliap_hybrid.model_files.description import describe
from mliap_hybrid.model_files.folding import fold_whitening_into_networks
from mliap_hybrid.model_files.model_file import Example, Manifest, read_model, restore_model
from mliap_hybrid.structure import Batch
from mliap_hybrid.whole_file import whole_file


def export_model(
    model: HybridModel,
    path: Path,
    *,
    example: Batch | None = None,
    total_charge: float = 0.0,
    allow_small_box: bool = False,
    allow_non_conservative: bool = False,
    dtype: Literal["float64", "float32"] = "float64",
    coulomb_engine: Literal["kspace", "exact"] = "kspace",
    provenance: dict[str, Any] | None = None,
) -> Manifest:
    """Write a model file.

    Parameters
    ----------
    model : HybridModel
    path : Path
        Ends in .pt or .pth.
    example : Batch or None
        One structure that `mliap-hybrid check` compares LAMMPS and Python on.
    total_charge : float, e
        Total charge of the systems that will be run; runs of another charge are refused.
    allow_small_box : bool
        Whether to run periodic boxes narrower than the cutoff sphere.
    allow_non_conservative : bool
        Whether to write a model whose forces are not the gradient of its energy (model/direct_forces.py).
    dtype : {"float64", "float32"}
        Precision of features and network in a run.
    coulomb_engine : {"kspace", "exact"}
        What solves for the long-range energy of predicted charges: LAMMPS' `kspace_style`, or the exact sum.
    provenance : dict or None
        JSON-able record of the training.

    Returns
    -------
    Manifest
        As written.

    Raises
    ------
    InputError
        If the model is not conservative and not allowed to be, has dipoles and leaves its charges to LAMMPS, or the
        file cannot be written.
    """
    if not (model.is_conservative or allow_non_conservative):
        raise InputError(
            "the model has direct forces, which do not conserve energy, so that molecular dynamics drifts: train one "
            "with `network.forces: conservative`, or give --allow-non-conservative to export it all the same"
        )
    if coulomb_engine == "kspace" and model.term(Dipoles) is not None:
        raise InputError(
            "the model has dipoles, which LAMMPS' k-space solvers do not know: export it with `--coulomb exact`, by "
            "which it solves for charges and dipoles itself"
        )
    description, tensors = describe(fold_whitening_into_networks(model))
    manifest = Manifest(
        terms=description.titles(),
        description=description,
        total_charge=total_charge,
        allow_small_box=allow_small_box,
        dtype=dtype,
        coulomb_engine=coulomb_engine,
        example=None if example is None else _example(example),
        provenance={"torch": torch.__version__} | (provenance or {}),
    )
    write_unified(path, HybridUnified(manifest, tensors))
    return manifest


def write_unified(path: Path, unified: HybridUnified) -> None:
    """Write the object that LAMMPS calls; an existing file is replaced only when the new one is complete.

    Parameters
    ----------
    path : Path
        Ends in .pt or .pth, which is how LAMMPS tells torch files.
    unified : HybridUnified

    Raises
    ------
    InputError
        If the name has another ending or the file cannot be written.
    """
    if path.suffix not in (".pt", ".pth"):
        raise InputError(f"a model file must end in .pt or .pth for LAMMPS to read it; found '{path.name}'")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, several_writers=True) as file:
            torch.save(unified, file)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None


def load_exported(path: Path) -> tuple[HybridModel, Manifest]:
    """The model of a file, ready to evaluate in float64, and its manifest.

    Raises
    ------
    InputError
        As `model_file.read_model`.
    """
    manifest, tensors = read_model(path)
    return restore_model(manifest, tensors, str(path)), manifest


def _example(batch: Batch) -> Example:
    return Example.model_validate(
        {
            "numbers": batch.numbers.tolist(),
            "positions": batch.positions.tolist(),
            "cell": batch.cells[0].tolist(),
            "periodic": batch.periodic[0].tolist(),
        }
    )
