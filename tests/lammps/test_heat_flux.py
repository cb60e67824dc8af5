"""The heat flux of a model is the balance of its energy, by centroid stress; other ways to it are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lammps_runs import run, run_well
from test_hybrid_in_lammps import MODELS

from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.unified import open_unified
from mliap_hybrid.testing.gdml_molecules import molecule_model
from mliap_hybrid.testing.models import direct_force_model, sodium_chloride_model

STEP = 2e-5
"""ps."""

CLUSTER = """
units metal
newton {newton} on
atom_style charge
atom_modify map yes
lattice fcc 5.0
region box block -25 25 -25 25 -25 25 units box
create_box 2 box
region drop sphere 0.3 0.2 0.1 8 units box
create_atoms 1 region drop
set group all type/fraction 2 0.4 1234
mass 1 23
mass 2 35
displace_atoms all random 0.4 0.4 0.4 99 units box
"""
FLUX = f"""
velocity all create 900 11 mom yes rot yes
compute kinetic all ke/atom
compute potential all pe/atom
compute stress all {{stress}}/atom NULL virial
compute flux all heat/flux kinetic potential stress
compute other all centroid/stress/atom NULL virial
variable mx atom x*(c_kinetic+c_potential)
variable my atom y*(c_kinetic+c_potential)
variable mz atom z*(c_kinetic+c_potential)
compute moment all reduce sum v_mx v_my v_mz
fix move all nve
timestep {STEP}
thermo_style custom step c_moment[1] c_moment[2] c_moment[3] c_flux[1] c_flux[2] c_flux[3]
thermo_modify format float %.17g
thermo 1
run 2
"""
"""Without walls and images, the flux is the change of the energies' first moment."""

CHARGED = """
set type 1 charge 0.8
set type 2 charge -0.8
pair_style hybrid/overlay mliap unified model.pt 0 coul/long 12.0
pair_coeff * * mliap Na Cl
pair_coeff * * coul/long
kspace_style ewald 1e-7
"""
OF_CHARGES = (
    FLUX.format(stress="centroid/stress")
    .replace("stress/atom NULL virial", "stress/atom NULL pair")
    .replace(
        "fix move",
        """compute waves all stress/atom NULL kspace
compute rest all heat/flux kinetic potential waves
variable jx equal c_flux[1]+c_rest[1]-c_rest[4]
variable jy equal c_flux[2]+c_rest[2]-c_rest[5]
variable jz equal c_flux[3]+c_rest[3]-c_rest[6]
fix move""",
    )
    .replace("c_flux[1] c_flux[2] c_flux[3]\n", "v_jx v_jy v_jz c_flux[1] c_flux[2] c_flux[3]\n")
)
"""The flux of pairs, and that of waves without the energy that atoms carry, which is in the first one."""

PLAIN = FLUX.replace("compute other all centroid/stress/atom NULL virial\n", "")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    export_model(sodium_chloride_model(None), tmp_path / "model.pt")
    return tmp_path


@pytest.mark.mpi
def test_heat_flux_is_the_balance_of_energy(here: Path) -> None:
    """Alone, with pairs of ghosts, and beside a pair potential, with newton on and off, on two ranks."""
    alone = "pair_style mliap unified model.pt {ghosts}\npair_coeff * * Na Cl\n"
    both = "pair_style hybrid/overlay mliap unified model.pt 0 lj/cut 8.0\npair_coeff * * mliap Na Cl\n"
    both += "pair_coeff * * lj/cut 0.05 3.0\n"
    flux = FLUX.format(stress="centroid/stress")
    parts = [("on", alone.format(ghosts=0)), ("off", alone.format(ghosts=1)), ("on", both), ("off", both)]
    lines = "clear\n".join(CLUSTER.format(newton=newton) + potential + flux for newton, potential in parts)
    rows = run_well(here, lines, 2).thermo
    assert len(rows) == 12
    for before, middle, after in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
        moments = [np.array([row[f"c_moment[{k}]"] for k in (1, 2, 3)]) for row in (before, after)]
        found = np.array([middle[f"c_flux[{k}]"] for k in (1, 2, 3)])
        assert np.abs(found).max() > 1.0
        np.testing.assert_allclose(
            found, (moments[1] - moments[0]) / (2 * STEP), rtol=0, atol=1e-4 * np.abs(found).max()
        )


@pytest.mark.mpi
def test_heat_flux_of_fixed_charges(tmp_path: Path) -> None:
    """By two computes: LAMMPS has no centroid stress of k-space, whose charges act in pairs and need none."""
    export_model(sodium_chloride_model(), tmp_path / "model.pt")
    cluster = CLUSTER.format(newton="on").replace("-25 25 -25 25 -25 25", "-50 50 -50 50 -50 50")  # images are far
    halves = (
        "group odd id 1:68:2\ngroup rest id 69\ndelete_atoms group rest\nset group all type 1\nset group odd type 2\n"
    )
    cluster = cluster.replace("set group all type/fraction 2 0.4 1234\n", halves)
    before, middle, after = run_well(tmp_path, cluster + CHARGED + OF_CHARGES, 2).thermo
    moments = [np.array([row[f"c_moment[{k}]"] for k in (1, 2, 3)]) for row in (before, after)]
    expected = (moments[1] - moments[0]) / (2 * STEP)
    found = np.array([middle[f"v_j{k}"] for k in "xyz"])
    of_pairs = np.array([middle[f"c_flux[{k}]"] for k in (1, 2, 3)])
    # What is left is the work of images on each other.
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-3 * np.abs(expected).max())
    assert np.abs(of_pairs - expected).max() > 0.1 * np.abs(expected).max()


def test_stress_of_pairs_is_refused(here: Path) -> None:
    lines = CLUSTER.format(newton="on") + "pair_style mliap unified model.pt 0\npair_coeff * * Na Cl\n"
    result = run(here, lines + PLAIN.format(stress="stress"))
    assert result.status != 0
    assert result.text.count("use compute centroid/stress/atom") == 1


@pytest.mark.parametrize("name", ["charge_increments", "direct forces"])
def test_models_without_a_heat_flux(tmp_path: Path, name: str) -> None:
    """Neither by compute stress/atom nor, as LAMMPS says, by centroid stress."""
    model = direct_force_model() if name == "direct forces" else MODELS[name]()
    export_model(model, tmp_path / "model.pt", allow_non_conservative=True)
    lines = CLUSTER.format(newton="on") + "pair_style mliap unified model.pt 0\npair_coeff * * Na Cl\n"
    lines += "" if name == "direct forces" else "kspace_style pppm 1e-4\n"
    result = run(tmp_path, lines + PLAIN.format(stress="stress"))
    assert result.status != 0
    assert "Compute heat/flux cannot be right for the model" in result.text
    result = run(tmp_path, lines + FLUX.format(stress="centroid/stress"))
    assert result.status != 0
    assert "centroid/stress/atom" in result.text


def test_molecules_have_no_centroid_stress(tmp_path: Path) -> None:
    assert not export_and_open(tmp_path, molecule_model()).centroid_stress
    assert export_and_open(tmp_path, sodium_chloride_model(None)).centroid_stress


def export_and_open(directory: Path, model):
    export_model(model, directory / "model.pt")
    return open_unified(str(directory / "model.pt"))
