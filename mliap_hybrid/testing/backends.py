"""Which back end does the work, as tests need it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from mliap_hybrid.kernels import backend
from mliap_hybrid.kernels.torch_backend import TorchBackend


@contextmanager
def torch_alone(is_alone: bool = True) -> Iterator[None]:
    """Within this, torch is the only back end, if so wished; those that were set up before stay."""
    with patch.object(backend, "BACKENDS", (TorchBackend,) if is_alone else backend.BACKENDS):
        backend.backend_of_training.cache_clear()
        try:
            yield
        finally:
            backend.backend_of_training.cache_clear()
