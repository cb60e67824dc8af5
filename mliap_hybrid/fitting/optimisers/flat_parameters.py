"""The parameters of a trainable model as one vector."""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.fitting.trainable_model import TrainableModel


class FlatParameters:
    """Reads and writes all parameters of a model."""

    def __init__(self, model: TrainableModel):
        self.parameters = list(model.parameters())
        self.sizes = [parameter.numel() for parameter in self.parameters]

    def position(self) -> Tensor:
        """Their values (n,), float64."""
        return torch.cat([parameter.detach().flatten().double() for parameter in self.parameters])

    def gradient(self) -> Tensor:
        """Their gradients (n,), float64; all have one."""
        return torch.cat([p.grad.flatten().double() for p in self.parameters if p.grad is not None])

    def move_to(self, position: Tensor) -> None:
        """Give them the values (n,)."""
        with torch.no_grad():
            for parameter, values in zip(self.parameters, position.split(self.sizes), strict=True):
                parameter.copy_(values.view_as(parameter))
