"""Processes that train one model together: who takes which frames, and sums over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from torch import Tensor

Item = TypeVar("Item")


class ProcessGroup:
    """One process alone; `distributed.DistributedGroup` is several."""

    rank = 0
    """Index of this process."""
    size = 1
    """Number of processes."""

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and talks to the user."""
        return self.rank == 0

    @contextmanager
    def in_turn(self, in_turn: bool) -> Iterator[None]:
        """Let the first process do the block before the others, if that is wanted."""
        yield

    def check_same(self, values: Tensor, what: str) -> None:
        """Refuse to go on with processes that have other values, in any bit.

        Raises
        ------
        InputError
        """

    def shard(self, items: Sequence[Item]) -> list[Item]:
        """This process' shard of what all of them have in the same order: every `size`-th; maybe none."""
        return list(items)[self.rank :: self.size]

    def sum(self, values: Tensor) -> Tensor:
        """The sum of the processes' tensors, of one shape; the same bits in all of them."""
        return values
