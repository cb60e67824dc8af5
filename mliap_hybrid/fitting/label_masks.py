"""Labels of frames that do not all have them: which frames count, and errors over those alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def join_labels(
    labels: Sequence[Tensor | None], masks: Sequence[Tensor | None], n_rows: Sequence[int], n_frames: Sequence[int]
) -> tuple[Tensor | None, Tensor | None]:
    """Labels of several parts end to end, and which frames have them.

    Parameters
    ----------
    labels : sequence of Tensor, shape (n_rows, ...), or None
        Of each part; None where no frame of the part has the label. A row is a frame or an atom.
    masks : sequence of Tensor, shape (n_frames,), bool, or None
        Which frames of the part have the label; None where all have, or none has.
    n_rows, n_frames : sequence of int
        Of each part.

    Returns
    -------
    labels : Tensor, shape (n_rows, ...), or None
        Zeros where a frame has no label; None where no frame has.
    mask : Tensor, shape (n_frames,), bool, or None
        None where all frames have the label, or none has.
    """
    present = [label for label in labels if label is not None]
    if not present:
        return None, None
    like = present[0]
    filled = [
        like.new_zeros((n, *like.shape[1:])) if label is None else label
        for label, n in zip(labels, n_rows, strict=True)
    ]
    if len(present) == len(labels) and all(mask is None for mask in masks):
        return torch.cat(filled), None
    known = [
        torch.full((n,), label is not None, device=like.device) if mask is None else mask
        for label, mask, n in zip(labels, masks, n_frames, strict=True)
    ]
    return torch.cat(filled), torch.cat(known)


def labelled_errors(
    prediction: Tensor, label: Tensor | None, mask: Tensor | None, frame_of_row: Tensor | None = None
) -> Tensor | None:
    """Errors of the rows that have a label; what stands in the others does not matter.

    Parameters
    ----------
    prediction : Tensor, shape (n_rows, ...)
    label : Tensor, shape (n_rows, ...), or None
    mask : Tensor, shape (n_frames,), bool, or None
        Which frames have the label; None where all have.
    frame_of_row : Tensor, shape (n_rows,), int64, optional
        Frame of each row; by default a row is a frame.

    Returns
    -------
    Tensor, shape (n_labelled, ...), or None
        None where no row has a label.
    """
    if label is None:
        return None
    if mask is None:
        return prediction - label
    rows = mask if frame_of_row is None else mask[frame_of_row]  # (n_rows,)
    # Chosen before the subtraction: the derivative of a NaN that is dropped later would still be NaN.
    return prediction[rows] - label[rows] if rows.any() else None
