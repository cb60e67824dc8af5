"""A kernel library that was compiled from another version of the package is refused before it is used."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mliap_hybrid.errors import InputError
from mliap_hybrid.kernels import library

HEADERS = [Path(library.__file__).parent / "native" / name for name in ("kernels_api.h", "potential_api.h")]
SIZES = [ctypes.sizeof(struct) for struct in library.STRUCTS]


@pytest.fixture
def opened():
    """`open_library` that opens anew, and again what belongs here when the test is done."""
    library.open_library.cache_clear()
    yield library.open_library
    library.open_library.cache_clear()


def test_python_and_header_say_the_same():
    text = "".join(header.read_text() for header in HEADERS)
    (version,) = re.findall(r"#define MLIAP_KERNELS_VERSION (\d+)", text)
    assert int(version) == library.KERNELS_VERSION
    structs = re.findall(r"^} (mliap_\w+);", text, re.MULTILINE)
    assert [re.search(r"`(\w+)`", struct.__doc__).group(1) for struct in library.STRUCTS] == structs


@pytest.mark.skipif(shutil.which("g++") is None, reason="no compiler")
@pytest.mark.parametrize(
    ("version", "sizes"),
    [
        (None, SIZES),  # older than the check
        (library.KERNELS_VERSION - 1, SIZES),
        (library.KERNELS_VERSION + 1, SIZES),
        (library.KERNELS_VERSION, [SIZES[0] + 8, *SIZES[1:]]),
        (library.KERNELS_VERSION, SIZES[:-1]),
    ],
)
def test_a_stale_library_is_refused(tmp_path, monkeypatch, opened, version, sizes):
    """A library that has the functions of the check, or none, and nothing else."""
    source = "extern int nothing;\n"
    if version is not None:
        values = ", ".join(map(str, [*sizes, 0, 0]))
        source = f"""
extern "C" int mliap_kernels_version() {{ return {version}; }}
extern "C" int mliap_kernels_struct_size(int place) {{ const int sizes[] = {{{values}}}; return sizes[place]; }}
"""
    (tmp_path / "stale.cpp").write_text(source)
    subprocess.run(["g++", "-shared", "-fPIC", "-o", tmp_path / "stale.so", tmp_path / "stale.cpp"], check=True)
    monkeypatch.setattr(library, "LIBRARY", tmp_path / "stale.so")
    with pytest.raises(InputError, match=r"another version of mliap_hybrid .*: reinstall mliap_hybrid"):
        opened()


def test_the_library_that_belongs_here_opens(opened):
    assert opened().mliap_kernels_version() == library.KERNELS_VERSION
