"""How far the members of a committee are apart.

The energy of a structure: standard deviation over the members. The force on an atom: root of the mean square of the
vectors F_m - <F> (Zhang et al., Comput. Phys. Commun. 253, 107206 (2020)). Explicit terms are common to all members.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.structures import forces_and_virials
from mliap_hybrid.structure import Batch


@dataclass(frozen=True)
class Spread:
    """Disagreement of the members of a committee."""

    energies: Tensor
    """(n_structures,) float64, eV."""
    forces: Tensor
    """(n_atoms,) float64, eV/Å."""


def committee_spread(evaluator: Evaluator, batch: Batch) -> Spread:
    """Spread of energies and forces over the members.

    Parameters
    ----------
    evaluator : Evaluator
        Of a committee.
    batch : Batch
        With all pairs up to the model's cutoff.

    Returns
    -------
    Spread
    """
    geometry = batch.geometry()
    members = evaluator.each_network(geometry)  # (n_atoms,) and (n_pairs, 3) each
    energies = torch.stack([batch.sum_over_structures(values) for values, _ in members])  # (n_members, n_structures)
    forces = torch.stack(
        [forces_and_virials(batch, geometry.pair_vectors, gradients)[0] for _, gradients in members]
    )  # (n_members, n_atoms, 3)
    deviations = (forces - forces.mean(0)).square().sum(2)  # (n_members, n_atoms)
    return Spread(energies.std(0, correction=0), deviations.mean(0).sqrt())
