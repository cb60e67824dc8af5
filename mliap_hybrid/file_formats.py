"""Names of formats before files of frames, `FORMAT:path`, for files that do not say themselves what they are.

A name is dpdata's (`cp2k/output`), ASE's (`espresso-out`), or one of ours (`vasp/ml_ab`). It says what the file is, not
what reads it: outputs of VASP, Quantum ESPRESSO and Gaussian are read by ASE under either name.
"""

from __future__ import annotations

from pathlib import Path

OURS = ("deepmd/npy", "deepmd/npy/mixed", "n2p2", "vasp/ml_ab")

OF_DPDATA = (
    "abacus/md",
    "abacus/relax",
    "abacus/scf",
    "cp2k/aimd_output",
    "cp2k/output",
    "deepmd/hdf5",
    "deepmd/raw",
    "qe/cp/traj",
)
"""What dpdata reads and ASE does not."""

ASE_READS = {
    "gaussian/log": "gaussian-out",
    "qe/pw/scf": "espresso-out",
    "vasp/outcar": "vasp-out",
    "vasp/xml": "vasp-xml",
}
"""dpdata's name -> ASE's, where ASE keeps more of the file (docs/data.md)."""


def known_formats() -> list[str]:
    """All names that may stand before a file."""
    from ase.io.formats import ioformats

    return sorted({*OURS, *OF_DPDATA, *ASE_READS, *ioformats})


def split_format(file: Path) -> tuple[str | None, Path]:
    """Format before a file, and the file; None where there is none.

    Parameters
    ----------
    file : Path
        As the user wrote it. What stands before the first colon counts where it is a known name.
    """
    form, colon, path = str(file).partition(":")
    if colon and path and form in known_formats():
        return form, Path(path)
    return None, file


def in_folder(file: Path, folder: Path) -> Path:
    """The file relative to a folder, with the format before it as it was.

    Parameters
    ----------
    file : Path
        As the user wrote it.
    folder : Path
    """
    form, path = split_format(file)
    return folder / file if form is None else Path(f"{form}:{folder / path}")
