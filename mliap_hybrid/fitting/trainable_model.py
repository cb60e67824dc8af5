"""What is trained: heads, and terms with parameters that are not known yet, on frames that were computed before.

The sum of terms is that of every other evaluation (model/sum_of_terms.py); features, their derivatives and what terms
keep of the frames are cached, which makes a step many times faster than from the positions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mliap_hybrid.fitting.cached_heads import CachedHeads
from mliap_hybrid.fitting.training_frames import TrainingFrames
from mliap_hybrid.kernels.backend import backend_of_training
from mliap_hybrid.model.further_quantities import further_quantities
from mliap_hybrid.model.heads import Head, Heads
from mliap_hybrid.model.hybrid import Environment
from mliap_hybrid.model.parameters import Parameter
from mliap_hybrid.model.sum_of_terms import Total, sum_of_terms
from mliap_hybrid.model.term import Term
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.quantities import QUANTITIES
from mliap_hybrid.structure import Geometry


class TrainableModel(torch.nn.Module):
    """The parts of a model that training changes."""

    def __init__(
        self,
        heads: Sequence[Head],
        terms: Sequence[Term],
        parameters: Sequence[Parameter] = (),
        total_charge_input: bool = False,
        environment: Environment = "all",
    ):
        """Put the parts together.

        Parameters
        ----------
        heads : sequence of Head
        terms : sequence of Term
            Those with parameters that are fitted or predicted; the energy of the network is one.
        parameters : sequence of Parameter
            All that these terms take.
        total_charge_input : bool
            Whether the networks take the total charge of the frame as a last input.
        environment : {"all", "molecule"}
            What features, which are cached, and predicted parameters see.
        """
        super().__init__()
        self.heads = Heads(heads)
        self.terms = torch.nn.ModuleDict({term.kind: term for term in terms})
        self.theta = torch.nn.ModuleDict({parameter.name: parameter for parameter in parameters})  # so in checkpoints
        self.total_charge_input = total_charge_input
        self.environment = environment
        self.energies_alone = False
        """Whether nobody asks for forces and virials, which then are incomplete: a step is several times faster."""

    @property
    def atomic_parameters(self) -> torch.nn.ModuleDict:
        """Name -> parameter that the terms take."""
        return self.theta

    @property
    def device(self) -> torch.device:
        """Where its parameters are, and the frames must be."""
        return next(self.parameters()).device

    def forward(self, frames: TrainingFrames) -> Prediction:
        """What the model says of the frames, differentiable in its parameters.

        Parameters
        ----------
        frames : TrainingFrames

        Returns
        -------
        Prediction
            float32; to be compared with the labels of `frames`.
        """
        heads = CachedHeads(self.heads, frames, self.inputs(frames))
        geometry = frames.geometry
        terms, parameters = self.terms.values(), self.atomic_parameters.values()
        seen = self._seen(frames)
        total = sum_of_terms(
            terms,  # type: ignore[arg-type]
            parameters,  # type: ignore[arg-type]
            geometry,
            frames.species,
            heads,
            frames.constants,
            seen=seen,
            with_gradients=not self.energies_alone,
        )
        backend = backend_of_training(0, total.pair_gradients.device, total.pair_gradients.dtype)
        pairs = frames.pair_i, frames.pair_j, frames.pair_vectors
        forces, virials = backend.pair_sums(*pairs, frames.frame_of_atom, frames.n_frames)(total.pair_gradients)
        energies = geometry.communication.sum(total.energies)
        return Prediction(
            energies=energies if total.structure_energies is None else energies + total.structure_energies,
            forces=forces if total.forces is None else forces + total.forces,
            virials=virials if total.virials is None else virials + total.virials,
            charges=total.parameters.get("charge"),
            potentials=total.parameter_gradients.get("charge"),
            others=self._further(frames, total, heads),
        )

    def fitted_parameters(self) -> list[torch.nn.Parameter]:
        """What is trained besides the weights of networks: numbers of elements, with a learning rate of their own."""
        return [*self.terms.parameters(), *self.atomic_parameters.parameters()]

    def inputs(self, frames: TrainingFrames) -> Tensor:
        """What the networks see (n_atoms, n_inputs): whitened features, and the total charge where it is an input."""
        if not self.total_charge_input:
            return frames.features
        communication = frames.geometry.communication
        totals = communication.to_centres(communication.total_charges)  # (n_atoms,)
        return torch.cat([frames.features, totals[:, None]], dim=1)

    def values(self, frames: TrainingFrames, name: str) -> Tensor:
        """Values (n_atoms,) of a parameter."""
        parameter = self.atomic_parameters[name]
        inputs = self.inputs(frames)
        of_head = None if parameter.head is None else self.heads[parameter.head](inputs, frames.species)  # type: ignore[index]
        return parameter(self._seen(frames), frames.species, of_head)[0]

    def _seen(self, frames: TrainingFrames) -> Geometry:
        """What parameters see of the frames."""
        return frames.geometry if self.environment == "all" else frames.geometry.within_molecules()

    def _further(self, frames: TrainingFrames, total: Total, heads: CachedHeads) -> dict[str, Tensor]:
        """Quantities besides energies, forces and virials that there are labels of."""
        if all(QUANTITIES[name].field is not None for name in frames.labels):
            return {}
        charge: Parameter | None = dict(self.atomic_parameters.items()).get("charge")  # type: ignore[assignment]
        return further_quantities(
            frames.labels,
            total,
            charge,
            self._seen(frames),
            frames.places.positions,
            frames.places.periodic,
            frames.species,
            lambda: heads,
        )
