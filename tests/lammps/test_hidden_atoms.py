"""Atoms that LAMMPS hides from the neighbour lists: served as deleted where nobody sees them, refused otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from charged_runs import COARSE, IONS, POTENTIAL, ions
from lammps_runs import run_well
from many_inputs import errors_of
from test_plugin_pair_style import ARGON, MODEL, REFERENCE, save, system

from mliap_hybrid.testing.toy_charges import CoordinationCharges
from mliap_hybrid.testing.toy_models import LennardJones, OffsetLennardJones

OFFSET = -2.0
"""Energy of an atom without neighbours, eV."""

PRINT = "thermo_style custom step atoms pe press\nthermo_modify norm no format float %.17g\n"


@pytest.mark.mpi
@pytest.mark.parametrize("newton", ["on", "off"])
def test_a_hidden_atom_counts_as_deleted(tmp_path: Path, newton: str) -> None:
    save(tmp_path, OffsetLennardJones(OFFSET, ["Ne", "Ar"], *ARGON))
    lines = system(newton=newton) + MODEL.replace("pkl 0", "pkl 1") + PRINT + "group some id 1 7\nrun 0\n"
    lines += "neigh_modify exclude group some all\nrun 0\nneigh_modify exclude none\ndelete_atoms group some\nrun 0\n"
    there, hidden, deleted = run_well(tmp_path, lines, 2).thermo
    assert hidden["PotEng"] == pytest.approx(deleted["PotEng"], abs=1e-10)
    assert abs(hidden["PotEng"] - there["PotEng"]) > 2.0
    assert hidden["Atoms"] == there["Atoms"] == deleted["Atoms"] + 2


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [None, 2])
def test_grand_canonical_runs_take_the_steps_of_lennard_jones(tmp_path: Path, ranks: int | None) -> None:
    """The same random numbers, energies that differ by the offset of each atom, and so does the chemical potential."""
    gas = "units metal\natom_style atomic\nregion box block 0 25 0 25 0 25\ncreate_box 2 box\nmass * 40\n"
    gas += "create_atoms 1 random 20 4711 NULL overlap 4.0 maxtry 500\n"
    walk = "neigh_modify delay 0 every 1\nthermo 1\n" + PRINT
    rows = []
    for name, potential, offset in (("lj", REFERENCE, 0.0), ("model", MODEL, OFFSET)):
        save(tmp_path / name, OffsetLennardJones(OFFSET, ["Ne", "Ar"], *ARGON))
        exchange = f"fix mc all gcmc 1 20 5 1 29494 300.0 {-0.3 + offset} 1.0 full_energy overlap_cutoff 2.5\nrun 15\n"
        rows.append(run_well(tmp_path / name, gas + potential + walk + exchange, ranks).thermo)
    atoms = [[row["Atoms"] for row in table] for table in rows]
    assert atoms[0] == atoms[1]
    assert np.ptp(atoms[0]) > 2
    energies = [[row["PotEng"] for row in table] for table in rows]
    np.testing.assert_allclose(np.array(energies[1]) - OFFSET * np.array(atoms[1]), energies[0], atol=1e-9)


BOND = system(style="bond").replace("create_box 2 box", "create_box 2 box bond/types 1 extra/bond/per/atom 1")
OTHERS = "pair_style hybrid mliap unified model.pkl 0 trusted yes lj/cut 8.5\npair_coeff * * mliap Ar NULL\n"
OTHERS += "pair_coeff * 2 lj/cut 0.0104 3.4\n"
KEEP = "leave it out, and hold atoms in place by fix setforce 0 0 0"

REFUSED = {
    "types": (system() + MODEL + "neigh_modify exclude type 1 2\n", "hides pairs of types 1 and 2"),
    "a frozen wall": (
        system() + MODEL + "group wall id 1:20\nneigh_modify exclude group wall wall\n",
        "hides pairs of groups wall and wall",
    ),
    "molecules": (
        BOND + MODEL + "bond_style zero\nbond_coeff 1\nset atom 1*9 mol 1\nneigh_modify exclude molecule/intra all\n",
        "neigh_modify exclude molecule hides pairs of group all",
    ),
    "not included": (
        system().replace("atom_style atomic", "atom_style atomic\natom_modify first mobile\n")
        + MODEL
        + "group mobile id > 20\nneigh_modify include mobile\n",
        "neigh_modify include mobile hides 20 atoms",
    ),
    "charges that follow the atoms": (
        ions()
        + POTENTIAL.replace("model", "charges")
        + COARSE
        + "run 0\ngroup one id 1\nneigh_modify exclude group one all\n",
        "neigh_modify exclude hides 1 charged atoms",
    ),
    "exchange beside charges that follow the atoms": (
        ions()
        + POTENTIAL.replace("model", "charges")
        + COARSE
        + "fix mc all atom/swap 1 1 5 300 semi-grand no types 1 2\nrun 2\n",
        "runs KSpace by itself",
    ),
    "bonds that hide neighbours": (
        BOND + "create_bonds single/bond 1 1 2\nbond_style zero\nbond_coeff 1\n" + MODEL,
        "use special_bonds lj/coul 1 1 1",
    ),
    "a field on charges that follow the atoms": (
        ions() + POTENTIAL.replace("model", "charges") + COARSE + "fix e all efield 0.1 0 0\n",
        "Fix efield acts on charges that the model of pair style mliap predicts",
    ),
    "charges that another fix sets": (
        ions() + POTENTIAL.replace("model", "charges") + COARSE + "fix e all qeq/point 1 6.0 1e-6 100 coul/streitz\n",
        "Fix qeq/point sets charges, which the model of pair style mliap predicts",
    ),
    "scaled charges that follow the atoms": (
        ions()
        + POTENTIAL.replace("model", "charges")
        .replace("mliap unified", "hybrid/scaled 1.0 mliap unified")
        .replace("* * Na", "* * mliap Na")
        + COARSE,
        "use pair_style hybrid/overlay in place of hybrid/scaled",
    ),
}
ACCEPTED = {
    "a wall of other atoms": system() + OTHERS + "neigh_modify exclude type 2 2\n",
    "a group of other atoms": system() + OTHERS + "group other type 2\nneigh_modify exclude group other other\n",
    "hidden from all": system() + MODEL + "group one id 1\nneigh_modify exclude group one all\n",
    "all that is there is included": system().replace("atomic", "atomic\natom_modify first mobile")
    + MODEL
    + "group mobile id > 0\nneigh_modify include mobile\n",
    "bonds of other atoms": BOND
    + "create_bonds single/bond 1 1 2\nbond_style zero\nbond_coeff 1\nset atom 1 type 2\n"
    + OTHERS,
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    directory: Path = tmp_path_factory.mktemp("inputs")
    save(directory, CoordinationCharges(*IONS))
    (directory / "model.pkl").rename(directory / "charges.pkl")
    save(directory, LennardJones(["Ne", "Ar"], *ARGON))
    inputs = {name: lines for name, (lines, _) in REFUSED.items()} | ACCEPTED
    return errors_of(directory, {name: lines + "run 0\n" for name, lines in inputs.items()})


@pytest.mark.parametrize("name", REFUSED)
def test_refused(said: dict[str, str], name: str) -> None:
    message = REFUSED[name][1]
    assert message in said[name]
    assert ("hides pairs" not in message) or KEEP in said[name]


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(said: dict[str, str], name: str) -> None:
    assert said[name] == ""
