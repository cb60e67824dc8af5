"""The terms without features, for one frame: repulsion, and the long-range term as far as its charges are known."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.config import TrainingFile
from mliap_hybrid.fitting.charge_products import unit_predictions
from mliap_hybrid.fitting.initial_fit import make_repulsion
from mliap_hybrid.fitting.prepared_charges import ChargeConstants, prepare_charges, single
from mliap_hybrid.model.derivatives import assemble
from mliap_hybrid.model.terms.molecules import MoleculeTerm
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.physics.repulsion import ZBLRepulsion
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.structure import Batch


@dataclass(frozen=True)
class FramePhysics:
    """Fixed physics of one frame."""

    fixed: Prediction
    """Repulsion, fixed charges, and the energy of molecules."""
    units: Prediction | None
    """Long-range term for unit products of charges, where they are fitted."""
    predicted: ChargeConstants | None
    """The long-range term but the charges, where they are predicted."""
    energies: Tensor
    """(1,) eV: what the baseline is fitted without: the fixed terms, and the long-range term of starting charges."""


def frame_physics(
    settings: TrainingFile,
    batch: Batch,
    charges: Tensor | None,
    elements: tuple[int, ...],
    molecules: MoleculeTerm | None = None,
) -> FramePhysics:
    """Everything about a frame that no feature is needed for.

    Parameters
    ----------
    settings : TrainingFile
    batch : Batch
        One structure.
    charges : Tensor, shape (n_elements,), e, or None
        Fixed, or where others start.
    elements : tuple of int
        Atomic numbers, ascending.
    molecules : MoleculeTerm, optional
        Energy of the molecules.
    """
    electrostatics, repulsion = settings.electrostatics, make_repulsion(settings)
    if electrostatics.predicts and charges is not None:
        fixed = fixed_physics(batch, repulsion, None, elements, electrostatics.smearing, molecules)
        predicted = prepare_charges(batch, electrostatics.smearing, settings.data.keys.with_virials)
        start = charges[torch.searchsorted(torch.tensor(elements), batch.numbers)]  # (n_atoms,)
        start = start + (batch.total_charges - start.sum()) / batch.n_atoms
        return FramePhysics(fixed, None, single(predicted), fixed.energies + predicted.long_range(start).energies)
    if electrostatics.charges == "fitted":
        fixed = fixed_physics(batch, repulsion, None, elements, electrostatics.smearing, molecules)
        units = unit_predictions(batch, elements, electrostatics.smearing)
        return FramePhysics(fixed, units, None, fixed.energies)
    fixed = fixed_physics(batch, repulsion, charges, elements, electrostatics.smearing, molecules)
    return FramePhysics(fixed, None, None, fixed.energies)


def fixed_physics(
    batch: Batch,
    repulsion: ZBLRepulsion | None,
    charges: Tensor | None,
    elements: tuple[int, ...],
    smearing: float,
    molecules: MoleculeTerm | None = None,
) -> Prediction:
    """Repulsion, fixed charges and molecules of a frame, with forces and virial.

    Parameters
    ----------
    batch : Batch
        One structure.
    repulsion : ZBLRepulsion, optional
    charges : Tensor, shape (n_elements,), e, or None
    elements : tuple of int
        Atomic numbers, ascending.
    smearing : float, Å
    molecules : MoleculeTerm, optional
    """
    vectors = batch.pair_vectors().requires_grad_()  # (n_pairs, 3)
    atomic = batch.positions.new_zeros(batch.n_atoms)  # (n_atoms,)
    gradients = torch.zeros_like(vectors)
    if repulsion is not None:
        atomic = repulsion(batch.geometry(vectors))
        (gradients,) = torch.autograd.grad(atomic.sum(), vectors, allow_unused=True, materialize_grads=True)
    if molecules is not None:
        of_molecules, molecule_gradients = molecules.energies_and_gradients(batch.geometry())
        atomic, gradients = atomic + of_molecules, gradients + molecule_gradients
    local = assemble(batch, atomic.detach(), gradients)
    if charges is None:
        return local
    index = torch.searchsorted(torch.tensor(elements), batch.numbers)  # (n_atoms,)
    long_range = gaussian_charge_energy(batch, charges[index], smearing)
    return Prediction(
        local.energies + long_range.energies, local.forces + long_range.forces, local.virials + long_range.virials
    )
