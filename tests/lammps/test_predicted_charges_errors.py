"""What a user can get wrong with charges that follow the atoms: one clear sentence each."""

from __future__ import annotations

from pathlib import Path

import pytest
from charged_runs import COARSE, DYNAMICS, IONS, POTENTIAL, ions, save
from lammps_runs import run
from test_plugin_pair_style import ARGON
from test_plugin_pair_style import save as save_any

from mliap_hybrid.testing.toy_charges import CoordinationCharges, OneBadCharge, SolvesItself
from mliap_hybrid.testing.toy_models import LennardJones

SECONDS = 30.0
"""A run that hangs instead of ending is caught after this time."""

OVERLAY = (
    "pair_style hybrid/overlay mliap unified model.pkl 0 trusted yes {}\n"
    "pair_coeff * * mliap Na Cl\npair_coeff * * {}\n"
)
FULL = POTENTIAL + COARSE

MISTAKES = {
    "no charges in the atom style": (
        ions(style="atomic") + POTENTIAL,
        "predicts charges, but atom_style atomic has none: use atom_style charge or full",
    ),
    "no kspace": (ions() + POTENTIAL, "requires a KSpace style: add a line such as kspace_style pppm 1.0e-5"),
    "kspace that leaves out small charges": (
        ions() + POTENTIAL + "kspace_style pppm/cg 1e-5\n",
        "cannot solve for predicted charges with kspace_style pppm/cg: use pppm or ewald",
    ),
    "kspace switched on again": (
        ions() + FULL + "kspace_modify compute yes\n",
        "runs KSpace itself, since the model predicts charges: add the line kspace_modify compute no",
    ),
    "accuracy": (
        ions() + POTENTIAL + "kspace_style pppm 0.05\n",
        "A relative accuracy of 0.05 of kspace_style pppm is too coarse",
    ),
    "cut-off too early": (
        ions() + POTENTIAL + "kspace_style pppm 1e-5\nkspace_modify gewald 0.3 mesh 16 16 24\n",
        "The Ewald sum with gewald 0.3 is cut off at 6, the cutoff of the model",
    ),
    "a field that the model does not act on": (
        ions() + FULL.replace("model.pkl 0", "model.pkl 0 field 0 0 0.1"),
        "does not act on the keyword field: leave it out",
    ),
    "mesh": (
        ions() + POTENTIAL + "kspace_style pppm 1e-5\nkspace_modify gewald 0.6 mesh 6 12 12\n",
        "The mesh of kspace_style pppm with a spacing of 1.87 has a relative error of",
    ),
    "charges of another total": (
        ions() + "set type 1 charge 1\nset type 2 charge -0.9\n" + FULL,
        "The charges of the atoms sum to 4.8 e, but the model predicts charges for a total of 0 e: "
        "write pair_style mliap unified FILE 0 total_charge 4.8, or clear them",
    ),
    "coulomb twice": (
        ions() + OVERLAY.format("coul/long 6.0", "coul/long") + COARSE,
        "leave out pair style coul/long, which would count it twice",
    ),
    "coulomb twice, cut": (
        ions() + OVERLAY.format("lj/cut/coul/cut 6.0", "lj/cut/coul/cut 0 1") + COARSE,
        "leave out pair style lj/cut/coul/cut, which would count it twice",
    ),
    "dielectric": (ions() + FULL + "dielectric 2.0\n", "predicts charges for dielectric 1.0, not 2"),
    "charged atoms of another style": (
        ions()
        + "set type 2 charge 0.5\npair_style hybrid mliap unified model.pkl 0 trusted yes lj/cut 6.0\n"
        + "pair_coeff * * mliap Na NULL\npair_coeff * 2 lj/cut 0.01 2.5\n"
        + COARSE,
        "48 atoms of types that are NULL in pair_coeff have charges",
    ),
    "two models": (
        ions()
        + "pair_style hybrid/overlay mliap unified model.pkl 0 trusted yes mliap unified model.pkl 0 trusted yes\n"
        + "pair_coeff * * mliap 1 Na Cl\npair_coeff * * mliap 2 Na Cl\n"
        + COARSE,
        "Only one pair style mliap in a hybrid can predict charges",
    ),
    "unfinished keyword": (
        ions() + FULL.replace("pkl 0 trusted yes", "pkl 0 trusted yes total_charge"),
        "Illegal pair_style mliap unified total_charge command: missing argument(s)",
    ),
    "total charge that is no number": (ions() + FULL.replace("pkl 0", "pkl 0 total_charge many"), "many"),
}
"""Input lines before `run`, and what is printed about them."""


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_in_the_input(tmp_path: Path, name: str) -> None:
    lines, message = MISTAKES[name]
    save(tmp_path, CoordinationCharges(*IONS))
    result = run(tmp_path, lines + "run 0\n", timeout=SECONDS)
    assert result.status != 0
    assert result.text.count("ERROR") == 1
    assert message in result.text
    assert "Traceback" not in result.text


@pytest.mark.mpi
@pytest.mark.parametrize("name", ["no kspace", "accuracy", "charges of another total"])
def test_mistakes_are_told_once(tmp_path: Path, name: str) -> None:
    lines, message = MISTAKES[name]
    save(tmp_path, CoordinationCharges(*IONS))
    result = run(tmp_path, lines + "run 0\n", 2, timeout=SECONDS)
    assert result.status != 0
    assert result.text.count(message) == 1


def test_total_charge_of_a_model_without_charges(tmp_path: Path) -> None:
    save_any(tmp_path, LennardJones(["Na", "Cl"], *ARGON))
    result = run(tmp_path, ions() + POTENTIAL.replace("pkl 0", "pkl 0 total_charge 1"), timeout=SECONDS)
    assert result.status != 0
    assert "total_charge of pair_style mliap unified is for models that predict charges, which model.pkl" in result.text


def test_kspace_beside_a_model_that_solves_for_itself(tmp_path: Path) -> None:
    save(tmp_path, SolvesItself(*IONS))
    result = run(tmp_path, ions() + "set type 1 charge 1\nset type 2 charge -1\n" + FULL + "run 0\n", timeout=SECONDS)
    assert result.status != 0
    assert "solves for the Coulomb energy itself: remove kspace_style pppm" in result.text


@pytest.mark.parametrize("ranks", [None, pytest.param(2, marks=pytest.mark.mpi)])
@pytest.mark.parametrize(("value", "text"), [(float("nan"), "nan"), (-25.0, "-25"), (float("inf"), "inf")])
def test_charge_that_makes_no_sense(tmp_path: Path, value: float, text: str, ranks: int | None) -> None:
    """The atom and the step are named, and all ranks end."""
    save(tmp_path, OneBadCharge(2, value, *IONS))
    result = run(tmp_path, ions() + FULL + DYNAMICS, ranks, timeout=SECONDS)
    assert result.status != 0
    assert result.text.count(f"The model predicts a charge of {text} e for atom 7 at step 2") == 1
    assert "Traceback" not in result.text


@pytest.mark.parametrize("ranks", [None, pytest.param(2, marks=pytest.mark.mpi)])
def test_error_of_lammps_within_the_call(tmp_path: Path, ranks: int | None) -> None:
    """Its message comes through Python whole: here PPPM finds atoms far from where they were sorted in."""
    save(tmp_path, CoordinationCharges(*IONS))
    lines = ions() + FULL + "velocity all set 3000 0 0\nfix move all nve\nneigh_modify delay 10 every 10 check no\n"
    result = run(tmp_path, lines + "run 10\n", ranks, timeout=SECONDS)
    assert result.status != 0
    assert "Out of range atoms - cannot compute PPPM" in result.text
    assert "Traceback" not in result.text
