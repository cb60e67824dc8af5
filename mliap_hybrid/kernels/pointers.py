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
        If the tensor is on another device than the processor, of another type, not contiguous, or not aligned, as where
        it views a file's bytes.
    """
    is_aligned = tensor.is_cpu and tensor.data_ptr() % tensor.element_size() == 0
    if is_aligned and tensor.dtype == dtype and tensor.is_contiguous():
        return tensor.data_ptr()
    layout = "contiguous" if tensor.is_contiguous() else "not contiguous"
    if tensor.is_cpu and not is_aligned:
        layout += " and not aligned"
    raise ValueError(
        f"the native kernels expected a contiguous tensor of {dtype} on the cpu, found one of {tensor.dtype} on "
        f"{tensor.device}, {layout}, of shape {tuple(tensor.shape)}: ask `backend_for` for the back end of that "
        "device and precision, or convert the tensor"
    )
