"""Density tables: `.gpsp` files, `.g` files and folders of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from kind import Kind
from mutations import damaged_text

from mliap_hybrid.features.density_files import load_table

GPSP = """# a comment
! 2 elements
****
H 1 2
1.0 2.0
-0.5 1.5
****
Na 11 1
0.3 0.9
"""

G = "1.0e0 2.0\n-5.0e-1 1.5\n0.25 0.5\n"

NAMES = st.sampled_from(("Cu_pseudodensity.g", "O_totaldensity_7.g", "X_a.g", "cu.g", "_.g", "Cu.g", "Na.txt", ".g"))


def _gpsp_files() -> st.SearchStrategy[bytes]:
    return damaged_text([GPSP])


def _check_gpsp(content: bytes, folder: Path) -> None:
    (folder / "table.gpsp").write_bytes(content)
    _check_table(folder / "table.gpsp")


def _folders() -> st.SearchStrategy[dict[str, bytes]]:
    return st.dictionaries(NAMES, damaged_text([G]), max_size=3)


def _check_folder(content: dict[str, bytes], folder: Path) -> None:
    for name, text in content.items():
        (folder / name).write_bytes(text)
    _check_table(folder)


def _check_table(path: Path) -> None:
    table = load_table(path)
    assert all(1 <= z <= 118 for z in table.densities)
    amplitudes, exponents = table.padded(list(table.densities))
    assert amplitudes.shape == exponents.shape
    assert np.isfinite(amplitudes).all()
    assert np.isfinite(exponents).all()
    assert (exponents > 0.0).all()
    for z in table.densities:
        assert np.isfinite(table[z].n_electrons), f"element {z} has no number of electrons"
        assert np.isfinite(table[z](np.linspace(0.0, 6.0, 4))).all()


KINDS = (
    Kind("density tables .gpsp", "elements known, exponents positive, all finite", 8_000, _gpsp_files, _check_gpsp),
    Kind("density folders .g", "elements known, exponents positive, all finite", 6_000, _folders, _check_folder),
)
