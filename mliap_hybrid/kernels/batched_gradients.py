"""Backward passes of native kernels where `torch.vmap` of `torch.autograd.grad` asks for many at a time.

They are done one after the other: the kernels read the memory of tensors, which those that stand for many do not have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def one_by_one(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function, made to take tensors that stand for many; the result is not differentiable.

    Parameters
    ----------
    function : callable
        Of tensors and other arguments, with one tensor as result.
    """

    class OneByOne(torch.autograd.Function):
        @staticmethod
        def forward(*arguments):
            return function(*arguments)

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.mark_non_differentiable(output)

        @staticmethod
        def vmap(info, in_dims, *arguments):
            def chosen(k: int) -> list[Any]:
                pairs = zip(arguments, in_dims, strict=True)
                return [value if dim is None else value.select(dim, k) for value, dim in pairs]

            return torch.stack([call(*chosen(k)) for k in range(info.batch_size)]), 0

    def call(*arguments: Any) -> Tensor:
        # What `Function.apply` itself asks first; to go through it always would cost as much as a small kernel.
        return OneByOne.apply(*arguments) if torch._C._are_functorch_transforms_active() else function(*arguments)

    return call
