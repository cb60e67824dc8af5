"""What leads the parameters of terms for whole elements: a few numbers, in which the loss is not convex.

Of fitted parameters these are all that is trained; of predicted ones, the offsets of their heads.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.model.parameters import Parameter


class ElementCoordinates:
    """Reads and writes them as one vector a (n,), float64.

    u = tanh(a / s) says how far each is on its way to its bounds; s is the scale of the bound (model/bounds.py).
    """

    def __init__(self, model: TrainableModel):
        """Find them.

        Parameters
        ----------
        model : TrainableModel
            Changed in place by `move_to`.
        """
        parameters: list[Parameter] = list(model.atomic_parameters.values())  # type: ignore[arg-type]
        found = [(parameter, parameter.coordinates_of_elements(model.heads)) for parameter in parameters]
        moved = [(parameter, coordinates) for parameter, coordinates in found if coordinates is not None]
        self.names: list[str] = [parameter.name for parameter, _ in moved]
        """Of the parameters."""
        self._tensors: list[torch.nn.Parameter] = [coordinates for _, coordinates in moved]
        self.sizes = [len(coordinates) for coordinates in self._tensors]
        """Number of elements, for each."""
        scales = [bound.scale for parameter, _ in moved if (bound := parameter.bound) is not None]
        self.scales = torch.tensor(scales, dtype=torch.float64).repeat_interleave(torch.tensor(self.sizes).long())
        """(n,): s."""

    def __len__(self) -> int:
        return sum(self.sizes)

    def position(self) -> Tensor:
        """a (n,)."""
        return torch.cat([tensor.detach().cpu().double() for tensor in self._tensors])

    def gradient(self) -> Tensor:
        """dL/da (n,), where gradients were computed."""
        return torch.cat([tensor.grad.cpu().double() for tensor in self._tensors if tensor.grad is not None])

    def move_to(self, position: Tensor) -> None:
        """Give them the values a (n,)."""
        with torch.no_grad():
            for tensor, values in zip(self._tensors, position.split(self.sizes), strict=True):
                tensor.copy_(values)

    def fractions(self, position: Tensor) -> Tensor:
        """u (n,) of a (n,)."""
        return torch.tanh(position / self.scales)

    def positions(self, fractions: Tensor) -> Tensor:
        """a (n,) of u (n,), which are between -1 and 1."""
        return self.scales * torch.atanh(fractions)
