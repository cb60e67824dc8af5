"""Version and digest of a model file, which every reader asks for first."""

from __future__ import annotations

import hashlib
import json
from typing import Any

SCHEMA_VERSION = 9
"""Version of the manifest that this package writes; files of a newer one are refused."""


def digest_of(content: dict[str, Any], *records: bytes) -> str:
    """SHA-256 of the manifest's content, however it is spaced, and of the records behind it."""
    content = {key: value for key, value in content.items() if key != "digest"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())
    for record in records:
        digest.update(record)
    return digest.hexdigest()
