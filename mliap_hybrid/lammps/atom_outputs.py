"""What a model writes for single atoms where the plugin asks for it, besides energies."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mliap_hybrid.lammps.exchange import as_tensor
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.structure import Geometry


def write_atom_outputs(data: Any, evaluator: Evaluator, geometry: Geometry, rows: Tensor | None, unit: float) -> None:
    """Write distances to the training set, and forces by the members of a committee. Collective.

    Parameters
    ----------
    data : object
        The data object of LAMMPS; only the plugin's ever asks.
    evaluator : Evaluator
    geometry : Geometry
        Of the centres of this rank, with communication.
    rows : Tensor, shape (n_pairs,), int64, or None
        Which of LAMMPS' pairs it has; None is all.
    unit : float, eV
        Unit of energies of the run.
    """
    distances: NDArray[np.float64] | None = getattr(data, "distances", None)
    if distances is not None:
        distances[:] = evaluator.training_distances(geometry).numpy()
    forces: NDArray[np.float64] | None = getattr(data, "member_forces", None)
    if forces is None or len(geometry.pair_i) == 0:
        return
    pair_i, pair_j = as_tensor(data.pair_i).long(), as_tensor(data.pair_j).long()
    if rows is not None:
        pair_i, pair_j = pair_i[rows], pair_j[rows]
    of_atoms = torch.from_numpy(forces)  # (n_total, n_members, 3)
    for member, (_, gradients) in enumerate(evaluator.each_network(geometry)[: of_atoms.shape[1]]):
        of_atoms[:, member].index_add_(0, pair_i, gradients / unit).index_add_(0, pair_j, -gradients / unit)
