"""The trainer of what a preparation gave."""

from __future__ import annotations

from collections.abc import Sequence

from mliap_hybrid.config import TrainingFile
from mliap_hybrid.devices import device_of_training
from mliap_hybrid.fitting.earlier_training import start_from
from mliap_hybrid.fitting.element_coordinates import ElementCoordinates
from mliap_hybrid.fitting.model_factory import make_trainable_model
from mliap_hybrid.fitting.objective import Objective
from mliap_hybrid.fitting.optimisers.choice import make_steps
from mliap_hybrid.fitting.processes.process_group import ProcessGroup
from mliap_hybrid.fitting.trainer import Trainer
from mliap_hybrid.runs.preparation import TrainingInputs


def make_trainer(
    settings: TrainingFile,
    inputs: TrainingInputs,
    group: ProcessGroup | None = None,
    names: Sequence[str] = (),
) -> Trainer:
    """A training before its first epoch.

    Parameters
    ----------
    settings : TrainingFile
        Whose seed is that of the first weights and of the order of the frames.
    inputs : TrainingInputs
        Not changed.
    group : ProcessGroup, optional
        Processes that train together, each with a `Trainer` like this; this one alone by default.
    names : sequence of str, optional
        What the user calls the training frames, for messages.

    Raises
    ------
    InputError
        If there is no device as the settings have it; frames go there batch by batch.
    """
    group, optimisation = group or ProcessGroup(), settings.optimisation
    model = make_trainable_model(settings, inputs.initial_fit, inputs.training)
    if inputs.start is not None:
        start_from(model, inputs.start, inputs.features, inputs.initial_fit.elements, inputs.training)
    if inputs.coordinates is not None:
        ElementCoordinates(model).move_to(inputs.coordinates)
    model = model.to(device_of_training(settings.device, group.rank))
    objective = Objective(
        model,
        inputs.training,
        settings.loss,
        optimisation.batch_size,
        inputs.weak_supervision,
        inputs.noisy,
        group,
        names,
    )
    return Trainer(objective, make_steps(model, optimisation, settings.seed), inputs.validation, optimisation)
