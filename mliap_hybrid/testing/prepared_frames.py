"""Prepared frames in double precision, to be compared with models in double precision."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import torch

from mliap_hybrid.fitting.training_frames import TrainingFrames


def in_double(frames: TrainingFrames) -> TrainingFrames:
    """The same with every floating-point tensor in float64, predicted charges and stored derivatives apart."""
    values = {f.name: getattr(frames, f.name) for f in fields(frames)}
    doubled: dict[str, Any] = {
        name: value.double()
        for name, value in values.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    }
    return replace(frames, **doubled)
