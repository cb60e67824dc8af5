"""The steps that a training file asks for."""

from __future__ import annotations

from mliap_hybrid.config import OptimisationSettings
from mliap_hybrid.fitting.optimisers.batch_steps import BatchSteps
from mliap_hybrid.fitting.optimisers.lbfgs_steps import LBFGSSteps
from mliap_hybrid.fitting.optimisers.levenberg_marquardt_steps import LevenbergMarquardtSteps
from mliap_hybrid.fitting.steps import Steps
from mliap_hybrid.fitting.trainable_model import TrainableModel


def make_steps(model: TrainableModel, settings: OptimisationSettings, seed: int) -> Steps:
    """What moves the weights of a model.

    Parameters
    ----------
    model : TrainableModel
        Changed in place by the steps.
    settings : OptimisationSettings
    seed : int
        Seed of the order of the frames.
    """
    if settings.optimiser == "lbfgs":
        return LBFGSSteps(model)
    if settings.optimiser == "lm":
        return LevenbergMarquardtSteps(model, settings)
    return BatchSteps(model, settings, seed)
