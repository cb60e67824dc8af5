"""Every combination of LAMMPS' newton flags for pairs and bonds gives the same forces, virials and energies."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from charged_runs import COARSE, IONS, POTENTIAL, ions
from charged_runs import save as save_ions
from lammps_runs import OUTPUT, Run, assert_same, run_well
from test_plugin_pair_style import ARGON, MODEL, REFERENCE, save, system

from mliap_hybrid.testing.toy_charges import CoordinationCharges
from mliap_hybrid.testing.toy_models import LennardJones

BOX = "create_box 2 box"
BONDS = "bond/types 1 extra/bond/per/atom 12 extra/special/per/atom 200"
BONDED = """create_bonds many all all 1 3.0 3.4
special_bonds lj/coul 1 1 1
bond_style harmonic
bond_coeff 1 0.02 3.5
"""
APPEND = "dump_modify atoms append yes\n"
DYNAMICS = "velocity all create 80 12\nfix move all nve\nthermo 2\nrun 2\n"


def sections(newton: str, model: bool) -> str:
    """Four systems one after the other: bonded atoms, pairs of ghosts, beside PPPM, and charges that follow the atoms.

    The first three have a counterpart in LAMMPS itself.
    """
    first, again = OUTPUT, OUTPUT + APPEND
    bonded = (
        system(newton=newton, style="bond").replace(BOX, f"{BOX} {BONDS}") + (MODEL if model else REFERENCE) + BONDED
    )
    ghosts = system(newton=newton, box="prism 0 3 0 3 0 4 0.7 -0.4 0.9")
    ghosts += MODEL.replace("pkl 0", "pkl 1") if model else REFERENCE
    charged = system(newton=newton, style="charge")
    charged += "pair_style hybrid/overlay coul/long 7.0 " + (
        "mliap unified model.pkl 0 trusted yes\n" if model else "lj/cut 8.5\n"
    )
    charged += "pair_coeff * * " + ("mliap Ar Ar\n" if model else "lj/cut 0.0104 3.4\n") + "pair_coeff * * coul/long\n"
    charged += "kspace_style pppm 1e-5\nkspace_modify gewald 0.45 mesh 20 20 24\n"
    predicted = ions(newton=newton) + POTENTIAL.replace("model", "charges") + COARSE
    parts = [bonded + first, ghosts + again, charged + again, predicted + again]
    return "clear\n".join(part + DYNAMICS for part in parts)


def run_sections(directory: Path, newton: str, model: bool, ranks: int) -> Run:
    save_ions(directory, CoordinationCharges(*IONS))
    (directory / "model.pkl").rename(directory / "charges.pkl")
    save(directory, LennardJones(["Ne", "Ar"], *ARGON))
    return run_well(directory, sections(newton, model), ranks)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Run]:
    """Newton on, on as many ranks: `create_atoms` gives other IDs on others."""

    @cache
    def run_expected(ranks: int) -> Run:
        return run_sections(tmp_path_factory.mktemp("expected"), "on on", model=False, ranks=ranks)

    return run_expected


@pytest.mark.mpi
@pytest.mark.parametrize(("newton", "ranks"), [("off on", 2), ("on off", 2), ("off off", 2)])
def test_newton_flags(tmp_path: Path, expected: Callable[[int], Run], newton: str, ranks: int) -> None:
    found = run_sections(tmp_path, newton, model=True, ranks=ranks)
    assert len(found.frames()) == 4 * 3
    assert_same(found, expected(ranks), 1e-9)
