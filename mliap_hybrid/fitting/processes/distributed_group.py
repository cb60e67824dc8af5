"""Several processes that train one model, by torch.distributed and gloo: training is done on processors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import Tensor, distributed

from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.processes.process_group import ProcessGroup

PATIENCE = timedelta(days=30)
"""How long a process waits for another one: whoever started them ends all when one is gone."""


class DistributedGroup(ProcessGroup):
    """The processes of the default process group."""

    def __init__(self) -> None:
        self.rank = distributed.get_rank()
        self.size = distributed.get_world_size()

    @contextmanager
    def in_turn(self, in_turn: bool) -> Iterator[None]:
        """As `ProcessGroup`."""
        if in_turn and not self.is_first:
            distributed.barrier()
        yield
        if in_turn and self.is_first:
            distributed.barrier()

    def check_same(self, values: Tensor, what: str) -> None:
        """As `ProcessGroup`."""
        # As whole numbers, of which the sum of the differences is exact.
        bits = values.detach().double().contiguous().view(torch.int64)
        of_first = bits.clone()
        distributed.broadcast(of_first, 0)
        different = torch.tensor([float((bits != of_first).any())])
        if float(self.sum(different)) > 0:
            raise InputError(
                f"the processes have computed {what} that differ in their last digits: run all of them on processors "
                "of one kind, with the same number of threads"
            )

    def sum(self, values: Tensor) -> Tensor:
        """As `ProcessGroup`."""
        total = values.clone()
        distributed.all_reduce(total)
        return total


@contextmanager
def joined_group(rank: int = -1, size: int = -1, meeting_point: str = "env://") -> Iterator[ProcessGroup]:
    """Meet the other processes, and part from them in the end.

    Parameters
    ----------
    rank, size : int
        Index of this process, and their number; -1 for those that torchrun set.
    meeting_point : str
        Where they meet, as in `torch.distributed.init_process_group`; by default where torchrun says.

    Yields
    ------
    ProcessGroup
    """
    distributed.init_process_group("gloo", meeting_point, PATIENCE, world_size=size, rank=rank)
    yield DistributedGroup()
    distributed.destroy_process_group()  # not after an error: others may wait in vain
