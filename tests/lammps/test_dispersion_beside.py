"""A model beside LAMMPS' D3: the run has the sum of the model and what was taken off the labels."""

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write
from lammps_runs import OUTPUT, run_well

from mliap_hybrid.ase import HybridCalculator
from mliap_hybrid.data.dispersion_correction import D3, Dispersion
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.testing.models import sodium_chloride_model

INPUT = """
units metal
atom_style charge
read_data salt.data
mass 1 23
mass 2 35
pair_style hybrid/overlay mliap unified model.pt 0 dispersion/d3 {words}
pair_coeff * * mliap Na Cl
pair_coeff * * dispersion/d3 Na Cl
{output}
run 0
"""


@pytest.mark.slow
@pytest.mark.mpi
def test_the_run_has_the_sum_on_any_number_of_ranks(tmp_path):
    pytest.importorskip("dftd3")
    salt = bulk("NaCl", "rocksalt", 5.6, cubic=True) * 2
    salt.rattle(0.1, seed=3)
    write(
        tmp_path / "salt.data", salt, format="lammps-data", specorder=["Na", "Cl"], atom_style="charge", units="metal"
    )
    model = sodium_chloride_model(None)
    export_model(model, tmp_path / "model.pt")
    d3 = D3("PBE", "bj", 12.0, 8.0)
    energy, forces, virial = Dispersion(d3).of(salt)
    salt.calc = HybridCalculator(tmp_path / "model.pt")
    lines = INPUT.format(words=d3.words, output=OUTPUT)
    for ranks in (1, 2, 4):
        result = run_well(tmp_path, lines, ranks)
        row, atoms = result.thermo[0], result.frames()[0]
        assert row["PotEng"] == pytest.approx(salt.get_potential_energy() + energy, abs=5e-6 * abs(energy) + 1e-6)
        found = np.stack([atoms["fx"], atoms["fy"], atoms["fz"]], axis=1)
        np.testing.assert_allclose(found, salt.get_forces() + forces, atol=2e-6)
        pressure = (row["Pxx"] + row["Pyy"] + row["Pzz"]) * row["Volume"] / 1.6021765e6
        trace = virial.trace() - np.trace(salt.get_stress(voigt=False)) * salt.get_volume()
        assert pressure == pytest.approx(trace, rel=3e-5)
