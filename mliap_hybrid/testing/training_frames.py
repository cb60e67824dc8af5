"""Training frames in double precision, to be compared with models in double precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch

from mliap_hybrid.fitting.training_frames import TrainingFrames


def in_double(frames: TrainingFrames) -> TrainingFrames:
    """The same with every floating-point tensor in float64, those of terms and of charges too; not the derivatives."""
    return replace(_doubled(frames), derivatives=frames.derivatives)


def _doubled(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.double() if value.is_floating_point() else value
    if isinstance(value, tuple):
        return tuple(_doubled(each) for each in value)
    if isinstance(value, Mapping):
        return {name: _doubled(each) for name, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _doubled(getattr(value, f.name)) for f in fields(value)})
    return value
