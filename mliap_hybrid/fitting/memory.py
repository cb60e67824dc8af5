"""How much memory and disk is left, so that a run refuses at the start instead of dying in the middle."""

from __future__ import annotations

from pathlib import Path

from mliap_hybrid.errors import InputError

SHARE = 0.7
"""Share of the available memory that training frames may take."""


def available_memory() -> int | None:
    """Bytes that can be allocated without swapping, the limit of a container included; None where not known."""
    limits = []
    meminfo = _read(Path("/proc/meminfo"))
    for line in (meminfo or "").splitlines():
        if line.startswith("MemAvailable:"):
            limits.append(int(line.split()[1]) * 1024)
    group = Path("/sys/fs/cgroup")
    limit, used = _read(group / "memory.max"), _read(group / "memory.current")
    if limit and used and limit.strip().isdigit():
        limits.append(int(limit) - int(used))
    return min(limits) if limits else None


def fits(needed: int, available: int | None) -> bool:
    """Whether `needed` bytes leave enough of the `available` ones."""
    return available is None or needed <= SHARE * available


def check_memory(needed: int, available: int | None, without_derivatives: bool = False) -> None:
    """Refuse to hold more than a share of the memory.

    Parameters
    ----------
    needed : int, bytes
    available : int, bytes, or None
        From `available_memory`.
    without_derivatives : bool
        Whether they are not among what is held, so that a feature cache would not help.

    Raises
    ------
    InputError
        With what to change.
    """
    if available is not None and not fits(needed, available):
        from_disk = "; or name a folder in data.cache, from which they are then read at every step"
        raise InputError(
            f"the features of the training and validation frames need {needed / 1e9:.1f} GB of memory, and "
            f"{available / 1e9:.1f} GB are available (at most {SHARE:.0%} may be used): use fewer features.widths, a "
            "smaller features.max_order or features.cutoff, a smaller features.n_selected, or fewer frames"
            + ("" if without_derivatives else from_disk)
        )


def check_disk(needed: int, free: int, folder: Path) -> None:
    """Refuse to write more than a disk has room for.

    Parameters
    ----------
    needed, free : int, bytes
    folder : Path
        Where it is to be written.

    Raises
    ------
    InputError
        With what to change.
    """
    if needed > free:
        raise InputError(
            f"the feature cache needs {needed / 1e9:.1f} GB more in {folder}, and {free / 1e9:.1f} GB are free there: "
            "make room, or name a folder on another disk"
        )


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
