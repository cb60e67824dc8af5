"""What is not `unified` reaches the mliap that is compiled into LAMMPS."""

from __future__ import annotations

from pathlib import Path

import pytest
from lammps_runs import OUTPUT, assert_same, run, run_well
from test_plugin_pair_style import ARGON, DYNAMICS, save, system

from mliap_hybrid.testing.toy_models import LennardJones

DESCRIPTOR = """rcutfac 7.0
twojmax 2
nelems 1
elems Ar
radelems 0.5
welems 1.0
rfac0 0.99363
rmin0 0
bzeroflag 1
"""
MODEL = "# linear in five bispectrum components\n\n1 6\n0.1\n0.02\n-0.01\n0.003\n0.001\n-0.002\n"
ARGUMENTS = "model linear snap.model descriptor sna snap.descriptor"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "snap.model").write_text(MODEL)
    (tmp_path / "snap.descriptor").write_text(DESCRIPTOR)
    save(tmp_path, LennardJones(["Ne", "Ar"], *ARGON))
    return tmp_path


def test_same_under_both_names(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """`mliap model ...` is `mliap/builtin model ...`."""
    other = tmp_path_factory.mktemp("builtin")
    for name in ("snap.model", "snap.descriptor"):
        (other / name).write_text((directory / name).read_text())
    expected = run_well(other, lines("mliap/builtin"))
    assert expected.thermo[0]["PotEng"] != 0.0
    assert_same(run_well(directory, lines("mliap")), expected, tolerance=0.0)


def lines(style: str) -> str:
    """Input with the compiled-in style under a name."""
    return system() + f"pair_style {style} {ARGUMENTS}\npair_coeff * * Ar Ar\n" + OUTPUT + DYNAMICS


def test_in_a_hybrid(directory: Path) -> None:
    """Also after `clear`, for which LAMMPS registers all plugins again."""
    pair = f"pair_style hybrid mliap {ARGUMENTS} lj/cut 8.5\npair_coeff * * mliap Ar NULL\n"
    pair += "pair_coeff * 2 lj/cut 0.01 3.3\n"
    thermo = "thermo_modify format float %.17g\n"
    result = run_well(directory, system() + pair + thermo + "run 0\nclear\n" + system() + pair + thermo + "run 0\n")
    first, second = result.thermo
    assert first == second


def test_beside_a_unified_model(directory: Path) -> None:
    """With both in one command only the plugin's own can be called mliap."""
    pair = "pair_style hybrid mliap unified model.pkl 0 trusted yes {} " + ARGUMENTS + " lj/cut 8.5\n"
    coefficients = (
        "pair_coeff * * mliap NULL Ar\npair_coeff * * mliap/builtin Ar NULL\npair_coeff 1 2 lj/cut 0.01 3.3\n"
    )
    run_well(directory, system() + pair.format("mliap/builtin") + coefficients + "run 0\n")
    result = run(directory, system() + pair.format("mliap") + coefficients + "run 0\n")
    assert result.status != 0
    assert "write mliap/builtin instead of mliap" in result.text
