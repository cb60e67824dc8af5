"""What terms see of parameters: values of the centres, and on demand those of their neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from torch import Tensor

from mliap_hybrid.model.parameters import Moments
from mliap_hybrid.structure import Geometry


class ParameterValues(Mapping[str, Tensor]):
    """Name of a parameter -> values (n_centres, ...)."""

    def __init__(
        self,
        geometry: Geometry,
        values: Mapping[str, Tensor],
        of_neighbours: Mapping[str, Callable[[], Tensor]] | None = None,
        moments: Mapping[str, Callable[[], Moments | None]] | None = None,
    ):
        """Take values.

        Parameters
        ----------
        geometry : Geometry
        values : mapping of str to Tensor, shape (n_centres, ...)
        of_neighbours : mapping of str to callable, optional
            What gives the values of neighbours (n_pairs, ...) where they need no exchange: those of constants.
        moments : mapping of str to callable, optional
            What gives first moments.
        """
        self._geometry = geometry
        self._values = dict(values)
        self._of_neighbours = of_neighbours or {}
        self._moments = moments or {}

    def __getitem__(self, name: str) -> Tensor:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def of_neighbours(self, name: str) -> Tensor:
        """Values (n_pairs, ...) of the neighbour of each pair, differentiable. Collective unless it is a constant."""
        if name in self._of_neighbours:
            return self._of_neighbours[name]()
        return self._geometry.communication.to_neighbours(self._values[name])

    def moments(self, name: str) -> Moments | None:
        """Where the first moment of a parameter is, if not at the atoms (`Parameter.moments`). Collective if it is."""
        return self._moments[name]() if name in self._moments else None

    def leaves(self, names: Sequence[str]) -> tuple[ParameterValues, bool]:
        """The same such that derivatives by the named ones can be taken, and whether these must be differentiable, too.

        Where a parameter carries a graph, as in training, the graph is kept. What was computed from the values before
        is then a constant to these derivatives.
        """
        values = {name: self._values[name] for name in names}
        of_graph = any(value.requires_grad for value in values.values())
        leaves = {
            name: value.view_as(value) if value.requires_grad else value.detach().requires_grad_()
            for name, value in values.items()
        }
        return ParameterValues(self._geometry, leaves, self._of_neighbours, self._moments), of_graph
