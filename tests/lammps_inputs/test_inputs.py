"""The shipped inputs run: NaCl with the classical potential beside them, water with a toy whose charges move."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mliap_hybrid.testing.toy_charges import CoordinationCharges

INPUTS = Path(__file__).parents[2] / "lammps_inputs"
SCRIPTS = Path(sys.executable).parent


def run(input_file: str, folder: Path, ranks: int = 1, **variables) -> str:
    variables = {"potential": INPUTS / "tosi_fumi.in", "out": folder, **variables}
    settings = [word for name, value in variables.items() for word in ("-var", name, str(value))]
    launcher = [SCRIPTS / "mpiexec", "-n", str(ranks)] if ranks > 1 else []
    command = [*launcher, SCRIPTS / "lmp", "-in", INPUTS / input_file, *settings]
    answer = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-2000:]
    return answer.stdout


def test_nve_conserves_energy_and_prints_the_drift(tmp_path):
    output = run("in.nacl_nve", tmp_path / "nve", steps=400)
    printed = float(re.search(r"^energy drift: (\S+) eV/atom in 0.2 ps", output, re.MULTILINE)[1])
    table = np.loadtxt(tmp_path / "nve" / "nve_energy.dat")  # step, ps, K, eV/atom, bar
    assert len(table) == 21
    samples = np.arange(len(table))
    assert printed == pytest.approx(np.polyfit(samples, table[:, 3], 1)[0] * 20, rel=0.02)
    assert np.ptp(table[:, 3]) < 1e-4
    assert 450 < table[:, 2].mean() < 750


@pytest.mark.mpi
def test_nve_is_the_same_on_two_ranks(tmp_path):
    for ranks in (1, 2):
        run("in.nacl_nve", tmp_path / str(ranks), ranks=ranks, warm_steps=100, steps=40)
    one, two = (np.loadtxt(tmp_path / str(ranks) / "nve_energy.dat") for ranks in (1, 2))
    np.testing.assert_allclose(one[0, 3], two[0, 3], atol=1e-7)


def test_melt_writes_density_and_pair_distributions(tmp_path):
    output = run("in.nacl_melt", tmp_path / "melt", melt_steps=1000, steps=407, dt=0.002)
    density = float(re.search(r"^density (\S+) g/cm\^3", output, re.MULTILINE)[1])
    assert 1.2 < density < 1.8

    rdf = np.loadtxt(tmp_path / "melt" / "rdf.dat", skiprows=4)
    r, g, n = rdf[:, 1], rdf[:, [2, 4, 6]], rdf[:, [3, 5, 7]]  # Å; columns Na-Na, Na-Cl, Cl-Cl
    assert r[np.argmax(g[:, 1])] == pytest.approx(2.7, abs=0.2)
    # Far away the ions are evenly spread; like and unlike shells alternate, so only their sum is near one.
    assert (g[r > 7] @ [0.25, 0.5, 0.25]).mean() == pytest.approx(1.0, abs=0.02)
    # The running number of Cl around Na is the integral of its distribution.
    number_density = 256 / (512 * 58.44277 / 2 / 6.02214076e23 / density * 1e24)  # 1/Å^3
    shells = 4 * np.pi * r**2 * (r[1] - r[0]) * g[:, 1] * number_density
    np.testing.assert_allclose(shells.sum(), n[-1, 1], rtol=0.01)

    for name in ("npt.dat", "nvt.dat"):
        assert len(np.loadtxt(tmp_path / "melt" / name)) > 10


def test_water_writes_its_charges_and_their_dipole_moment(tmp_path):
    torch.save(
        CoordinationCharges(["H", "O"], base=[0.3, -0.6], charges_per_neighbour=[0.01, -0.02]), tmp_path / "toy.pt"
    )
    potential = tmp_path / "potential.in"
    potential.write_text(
        f"pair_style mliap unified {tmp_path / 'toy.pt'} 0 trusted yes\npair_coeff * * H O\nkspace_style pppm 1e-5\n"
    )
    variables = {"molecule": INPUTS / "water.mol", "n": 5, "dt": 1e-5, "warm_steps": 10, "steps": 20, "dump_every": 20}
    output = run("in.water", tmp_path / "out", potential=potential, **variables)
    assert "energy drift" in output

    frame = (tmp_path / "out" / "water.dump").read_text().split("ITEM: ATOMS")[1].split("ITEM")[0].splitlines()[1:]
    table = np.array([[float(word) for word in line.split()] for line in frame])
    positions, charges, potentials = table[:, 2:5], table[:, 8], table[:, 9]
    assert len(table) == 375
    assert np.ptp(charges[table[:, 1] == 2]) > 1e-3  # they move
    np.testing.assert_allclose(charges.sum(), 0.0, atol=1e-8)
    coulomb = float(re.findall(r"^ +0 +0 +\S+ +\S+ +(\S+)", output, re.MULTILINE)[-1])  # E_coul, eV
    assert 0.5 * charges @ potentials == pytest.approx(coulomb, rel=1e-6)
    dipoles = np.loadtxt(tmp_path / "out" / "dipole.dat")  # step, ps, x, y, z, eV/atom
    assert len(dipoles) == 6
    np.testing.assert_allclose(dipoles[0, 2:5], charges @ positions, atol=1e-6)
