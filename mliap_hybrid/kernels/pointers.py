"""The only door from tensors to the native kernels, which take addresses and cannot see what lies there."""

from __future__ import annotations

import torch
from torch import Tensor


def pointer(tensor: Tensor, dtype: torch.dtype) -> int:
    """Address of the first number of a tensor that the native kernels can read.

    Parameters
    ----------
    tensor : Tensor
        Somebody must hold it as long as the address is in use.
    dtype : torch.dtype
        What the kernel takes the numbers for.

    Raises
    ------
    ValueError
        If the tensor is on another device than the processor, of another type, or not contiguous.
    """
    if tensor.is_cpu and tensor.dtype == dtype and tensor.is_contiguous():
        return tensor.data_ptr()
    layout = "contiguous" if tensor.is_contiguous() else "not contiguous"
    raise ValueError(
        f"the native kernels expected a contiguous tensor of {dtype} on the cpu, found one of {tensor.dtype} on "
        f"{tensor.device}, {layout}, of shape {tuple(tensor.shape)}: ask `backend_for` for the back end of that "
        "device and precision, or convert the tensor"
    )
