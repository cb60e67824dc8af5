"""A run whose Coulomb energy is not that of the model's fixed charges is refused in one sentence; others run."""

from __future__ import annotations

from pathlib import Path

import pytest
from charged_runs import ions
from many_inputs import errors_of

from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.testing.models import ION_CHARGES, sodium_chloride_model

CHARGES = f"set type 1 charge {ION_CHARGES[11]}\nset type 2 charge {ION_CHARGES[17]}\n"
STYLE = "pair_style hybrid/overlay mliap unified model.pt 0 coul/long 6.0\n"
ELEMENTS = "pair_coeff * * mliap Na Cl\n"
COEFF = "pair_coeff * * coul/long\n"
PPPM = "kspace_style pppm 1e-4\n"
KSPACE = PPPM + "kspace_modify gewald 0.5 mesh 16 16 24\n"
GOOD = CHARGES + STYLE + ELEMENTS + COEFF + KSPACE
BONDS = "bond/types 1 extra/bond/per/atom 6 extra/special/per/atom 40"

BONDED = ions(style="full").replace("create_box 2 box", f"create_box 2 box {BONDS}")
BONDED += "pair_style zero 6.0\npair_coeff * *\ncreate_bonds many all all 1 2.0 2.7\nbond_style zero\nbond_coeff 1\n"
BONDED += GOOD
THREE = ions().replace("create_box 2 box", "create_box 3 box").replace("mass 1", "mass 3 40\nmass 1")
THREE += "create_atoms 3 single 0.25 0.25 0.25\n" + CHARGES
WITH_ARGON = (
    "pair_style hybrid/overlay mliap unified model.pt 0 coul/long 6.0 lj/cut 6.0\npair_coeff * * mliap Na Cl NULL\n"
)
WITH_ARGON += "pair_coeff * 3 lj/cut 0.01 3.0\n"


def also(style: str, coeff: str = "") -> str:
    """The good input with one more pair style."""
    return CHARGES + STYLE.strip() + f" {style}\n" + ELEMENTS + COEFF.replace("long\n", f"long {coeff}\n") + KSPACE


TWICE = CHARGES + STYLE.strip() + " coul/long 6.0\n" + ELEMENTS
TWICE += "pair_coeff * * coul/long 1\npair_coeff * * coul/long 2\n" + KSPACE

REFUSED = {
    "other charges in a second run": (
        ions() + GOOD + "run 0\nset type 1 charge 1\nset type 2 charge -1\nrun 0\n",
        "(Na) has the charge +1.000000 e in LAMMPS but +0.800000 e in the model",
    ),
    "an atom less in a second run": (
        ions() + GOOD + "run 0\ngroup one id 1\ndelete_atoms group one compress no\nrun 0\n",
        "the charges of all atoms sum to",
    ),
    "an atom without charge during a run": (
        ions("block 0 2 0 2 0 3.6").replace(
            "create_atoms 1 box", "region low block 0 2 0 2 0 2.9\ncreate_atoms 1 region low"
        )
        + GOOD
        + "region top block 0 2 0 2 3.3 3.4\nfix new all deposit 1 2 1 77 region top near 0.3\n"
        + "fix move all nve\nrun 4\n",
        "(Cl) has the charge +0.000000 e in LAMMPS but -0.800000 e in the model",
    ),
    "solver switched off": (ions() + GOOD + "kspace_modify compute no\nrun 0\n", "kspace_modify compute no leaves out"),
    "dielectric": (ions() + GOOD + "dielectric 2\nrun 0\n", "interact with dielectric 1.0, not 2"),
    "real space of some types": (
        ions() + GOOD.replace(COEFF, "pair_coeff 1 1 coul/long\npair_coeff 2 2 coul/long\n") + "run 0\n",
        "No pair style adds the Coulomb interaction of types 1 and 2",
    ),
    "hybrid in place of overlay": (
        ions() + GOOD.replace("hybrid/overlay", "hybrid").replace("* * coul", "1 2 coul") + "run 0\n",
        "A pair_coeff takes pairs of types 1 and 2 from the model",
    ),
    "pairs of no style": (ions() + GOOD + "pair_coeff 1 2 none\nrun 0\n", "A pair_coeff takes pairs of types 1 and 2"),
    "coul/long twice": (ions() + TWICE + "run 0\n", "2 pair styles add the Coulomb interaction of types 1 and 1"),
    "coul/dsf": (
        ions() + also("coul/dsf 0.05 6.0") + "pair_coeff * * coul/dsf\nrun 0\n",
        "Pair style coul/dsf adds another Coulomb interaction",
    ),
    "soft cores": (
        ions()
        + GOOD.replace("coul/long 6.0", "coul/long/soft 2 10 6.0").replace("coul/long\n", "coul/long/soft 0.5\n")
        + "run 0\n",
        "Pair style coul/long/soft adds another Coulomb interaction",
    ),
    "real space switched off": (
        ions() + GOOD + "pair_modify pair coul/long compute no\nrun 0\n",
        "pair_modify compute no leaves out the part of the Coulomb energy",
    ),
    "scaled real space": (
        ions() + GOOD + "variable s equal 0.5\nfix a all adapt 1 pair coul/long scale 1 2 v_s\nrun 0\n",
        "A fix scales pair style coul/long by 0.5 for types 1 and 2",
    ),
    "scaled solver": (
        ions() + GOOD + "variable s equal 0.5\nfix a all adapt 1 kspace v_s\nrun 0\n",
        "A fix scales KSpace by 0.5",
    ),
    "hybrid/scaled": (
        ions() + GOOD.replace("overlay mliap", "scaled 1.0 mliap").replace(" 0 coul", " 0 1.0 coul") + "run 0\n",
        "pair_style hybrid/scaled does not scale KSpace",
    ),
    "special_bonds": (
        BONDED + "special_bonds lj 1 1 1 coul 1e-50 1e-50 1e-50\nrun 0\n",
        "special_bonds multiplies the Coulomb interaction of bonded atoms by 1e-50",
    ),
    "special_bonds of 0": (
        BONDED + "special_bonds lj 0 0 1 coul 0 0 1\nrun 0\n",
        "special_bonds multiplies the Coulomb interaction of bonded atoms by 0 0 1",
    ),
    "cut off too early": (
        ions() + GOOD.replace("gewald 0.5", "gewald 0.25") + "run 0\n",
        "The Ewald sum with gewald 0.25 is cut off at 6, the cutoff of pair style coul/long",
    ),
    "coarse mesh": (
        ions() + GOOD.replace("16 16 24", "4 4 6") + "run 0\n",
        "The mesh of kspace_style pppm with a spacing of 2.8",
    ),
}

ACCEPTED = {
    "as printed": ions() + GOOD + "run 0\n",
    "another style with charges": ions()
    + GOOD.replace("coul/long 6.0", "lj/cut/coul/long 6.0").replace("coul/long\n", "lj/cut/coul/long 0.0 1.0\n")
    + "run 0\n",
    "ewald": ions() + GOOD.replace(KSPACE, "kspace_style ewald 1e-4\n") + "run 0\n",
    "a rough accuracy": ions() + GOOD.replace(KSPACE, "kspace_style pppm 1e-2\n") + "run 0\n",
    "multilevel summation": ions()
    + GOOD.replace("coul/long", "coul/msm").replace(KSPACE, "kspace_style msm 1e-4\n")
    + "run 0\n",
    "without tables": ions() + GOOD + "pair_modify pair coul/long table 0\nrun 0\n",
    "slab": ions("block 0 2 0 2 -1 3")
    .replace("units metal", "units metal\nboundary p p f")
    .replace("create_atoms 1 box", "region slab block 0 2 0 2 0.2 2.2\ncreate_atoms 1 region slab")
    + CHARGES
    + STYLE
    + ELEMENTS
    + COEFF
    + PPPM
    + "kspace_modify slab 3.0\nrun 0\n",
    "a field": ions() + GOOD + "fix e all efield 0.05 0 0\nrun 0\n",
    "weights of Lennard-Jones alone": BONDED + "special_bonds lj 0.5 0.5 0.5 coul 1 1 1\nrun 0\n",
    "uncharged atoms beside": THREE + WITH_ARGON + "pair_coeff * * coul/long\n" + KSPACE + "run 0\n",
    "uncharged atoms without coul/long": THREE + WITH_ARGON + "pair_coeff *2 *2 coul/long\n" + KSPACE + "run 0\n",
    "several time steps": ions() + GOOD + "run_style respa 2 2 pair 1 kspace 2\nfix move all nve\nrun 2\n",
    "atoms exchanged with their charges": ions()
    + GOOD
    + "group one id 1\nset group one type 2\nset group one charge -0.8\n"
    "group other id 5\nset group other type 1\nset group other charge 0.8\nrun 0\n",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    directory: Path = tmp_path_factory.mktemp("inputs")
    export_model(sodium_chloride_model(), directory / "model.pt")
    return errors_of(directory, {name: lines for name, (lines, _) in REFUSED.items()} | ACCEPTED)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(said: dict[str, str], name: str) -> None:
    assert REFUSED[name][1] in said[name]
    assert "Traceback" not in said[name]


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(said: dict[str, str], name: str) -> None:
    assert said[name] == ""
