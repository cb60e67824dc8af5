"""The ethanol inputs: what is between the molecules of the liquid, and that both run with a trained model."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Structure

from mliap_hybrid.config import read_training_file
from mliap_hybrid.data.reading import read_frames
from mliap_hybrid.fitting.checkpoint import load_model
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.model_files.model_file import read_model
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.toy_models import LennardJones

INPUTS = Path(__file__).parents[2] / "lammps_inputs"
DATA = Path(__file__).parents[2] / "training" / "ethanol" / "ethanol.extxyz.xz"
SCRIPTS = Path(sys.executable).parent
N_ATOMS = 9

SYMBOLS = "CCOHHHHHH"
CHARGES = np.array([-0.18, 0.145, -0.683, 0.418, 0.06, 0.06, 0.06, 0.06, 0.06])
"""e, of OPLS-AA alcohols; atoms in the order of the frames."""
EPSILONS = np.array([0.066, 0.066, 0.170, 0.0, 0.030, 0.030, 0.030, 0.030, 0.030]) * 4.184 / 96.48533
"""eV."""
SIZES = np.array([3.5, 3.5, 3.12, 1.0, 2.5, 2.5, 2.5, 2.5, 2.5])
"""Å."""


def run(input_file: Path, folder: Path, ranks: int = 1, **variables) -> str:
    settings = [word for name, value in {"out": folder, **variables}.items() for word in ("-var", name, str(value))]
    launcher = [SCRIPTS / "mpiexec", "-n", str(ranks)] if ranks > 1 else []
    command = [*launcher, SCRIPTS / "lmp", "-in", input_file, *settings]
    answer = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-2000:]
    return answer.stdout


def section(name: str) -> np.ndarray:
    """Rows of a section of ethanol.mol, without their first column."""
    body = (INPUTS / "ethanol.mol").read_text().split(f"\n{name}\n\n")[1].split("\n\n")[0]
    return np.array([line.split()[1:] for line in body.splitlines()], dtype=float)


class TestMoleculeFile:
    def test_atoms_are_in_the_order_of_the_frames(self):
        atoms, template = Atoms(SYMBOLS, section("Coords")), molecule("CH3CH2OH")
        assert (atoms.numbers == template.numbers).all()
        for i, j in [(0, 1), (1, 2), (2, 3), (1, 4), (1, 5), (0, 6), (0, 7), (0, 8)]:
            assert atoms.get_distance(i, j) == pytest.approx(template.get_distance(i, j), abs=0.03)

    def test_types_are_the_elements_of_the_inputs(self):
        elements = re.search(r"pair_coeff \* \* mliap (.*)", (INPUTS / "in.ethanol_liquid").read_text())[1].split()
        assert "".join(elements[int(kind) - 1] for kind in section("Types")[:, 0]) == SYMBOLS

    def test_charges_are_those_of_opls_and_neutral(self):
        np.testing.assert_allclose(section("Charges")[:, 0], CHARGES)
        assert section("Charges").sum() == pytest.approx(0, abs=1e-12)

    def test_every_pair_of_atoms_is_bonded_once(self):
        pairs = [tuple(sorted(row)) for row in section("Bonds")[:, 1:].astype(int)]
        assert sorted(pairs) == list(itertools.combinations(range(1, N_ATOMS + 1), 2))

    def test_the_molecule_in_vacuum_is_the_same(self):
        rows = re.findall(r"create_atoms (\d) single +(\S+) +(\S+) +(\S+)", (INPUTS / "in.ethanol_sgdml").read_text())
        assert "".join(" HCO"[int(kind)] for kind, *_ in rows) == SYMBOLS
        np.testing.assert_allclose(np.array([row[1:] for row in rows], dtype=float), section("Coords"))


@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=pytest.mark.mpi)])
def test_opls_acts_between_molecules_and_the_model_sees_all_pairs(tmp_path, ranks):
    """The packed lattice against sums written out here; a Lennard-Jones toy stands for the model."""
    toy = LennardJones(["H", "C", "O"], epsilon=1e-3, sigma=1.5, cutoff=6.0)
    torch.save(toy, tmp_path / "toy.pt")
    setup = (INPUTS / "in.ethanol_liquid").read_text().split('print "--- packing')[0]
    setup = setup.replace("lattice sc 6.5", "lattice sc 5.0").replace("tail yes", "tail no")
    setup = setup.replace("unified ${model} 0", "unified ${model} 0 trusted yes")
    dump = f"write_dump all custom {tmp_path}/atoms.dump id mol type q x y z modify sort id format float %.12g\n"
    (tmp_path / "in.start").write_text(f"{setup}thermo_style custom lx c_lj ecoul elong pe\nrun 0\n{dump}")
    output = run(
        tmp_path / "in.start", tmp_path / "out", ranks, n=3, model=tmp_path / "toy.pt", molecule=INPUTS / "ethanol.mol"
    )
    edge, lj, ecoul, elong, total = map(float, re.search(r"Lx .*\n(.*)", output)[1].split())

    table = np.loadtxt(tmp_path / "atoms.dump", skiprows=9)
    place = np.arange(len(table)) % N_ATOMS
    assert (table[:, 1] == np.arange(len(table)) // N_ATOMS + 1).all()  # molecule m has the IDs 9(m-1)+1 to 9m
    assert (table[:, 2] == section("Types")[place, 0]).all()
    np.testing.assert_allclose(table[:, 3], CHARGES[place])

    i, j = np.triu_indices(len(table), k=1)
    vectors = table[j, 4:] - table[i, 4:]
    vectors -= edge * np.round(vectors / edge)  # nearest images; the others are added next
    images = edge * np.array(list(itertools.product((-1, 0, 1), repeat=3)))  # (27, 3)
    r = np.linalg.norm(vectors[:, None] + images, axis=2)  # (n_pairs, 27), Å
    inside = (table[i, 1] == table[j, 1])[:, None] & (r == r.min(axis=1, keepdims=True))
    epsilon = np.sqrt(EPSILONS[place[i]] * EPSILONS[place[j]])[:, None]
    size = np.sqrt(SIZES[place[i]] * SIZES[place[j]])[:, None]
    expected_lj = lennard_jones(r, epsilon, size)[(r < 9.0) & ~inside].sum()
    assert lj == pytest.approx(expected_lj, rel=1e-6)

    structure = Structure(np.eye(3) * edge, [SYMBOLS[p] for p in place], table[:, 4:], coords_are_cartesian=True)
    structure.add_oxidation_state_by_site(list(table[:, 3]))
    coulomb = EwaldSummation(structure, acc_factor=12).total_energy
    products = np.broadcast_to((table[i, 3] * table[j, 3])[:, None], r.shape)
    coulomb -= 14.399645 * (products / r)[inside].sum()
    assert ecoul + elong == pytest.approx(coulomb, abs=2e-3)

    toy_energy = lennard_jones(r, np.array([[1e-3]]), np.array([[1.5]]))[r < 6.0].sum()
    assert total - lj - ecoul - elong == pytest.approx(toy_energy, rel=1e-6)


def lennard_jones(r, epsilon, size):
    """(n_pairs, n_images) energies, eV."""
    return 4 * epsilon * ((size / r) ** 12 - (size / r) ** 6)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Model file of a kernel model of 60 frames."""
    folder = tmp_path_factory.mktemp("ethanol")
    ase.io.write(folder / "ethanol.extxyz", [frame.atoms for frame in read_frames([DATA])[::12]])
    settings = read_training_file(DATA.parent / "train.yaml")
    data = settings.data.model_copy(update={"files": [folder / "ethanol.extxyz"], "validation": 0.2, "test": 0.2})
    gdml = settings.gdml.model_copy(update={"n_train": 60, "sigmas": [10.0]})
    train(settings.model_copy(update={"run": folder / "run", "data": data, "gdml": gdml}), Display())
    export_model(load_model(folder / "run"), folder / "model.pt")
    return folder / "model.pt"


@pytest.fixture(scope="module")
def potential(model):
    file = model.parent / "potential.in"
    file.write_text(potential_block(read_model(model)[0], str(model)))
    return file


def test_molecule_in_vacuum_conserves_energy_and_does_not_turn(tmp_path, potential):
    output = run(INPUTS / "in.ethanol_sgdml", tmp_path / "out", potential=potential, warm_steps=400, steps=400)
    printed = float(re.search(r"^energy drift: (\S+) eV in 0.1 ps", output, re.MULTILINE)[1])
    table = np.loadtxt(tmp_path / "out" / "ethanol_energy.dat")  # step, ps, K, eV, eV
    assert len(table) == 21
    samples = np.arange(len(table))
    assert printed == pytest.approx(np.polyfit(samples, table[:, 4], 1)[0] * 20, rel=0.02)
    assert np.ptp(table[:, 4]) < 2e-3
    kinetic = 21 / 2 * 8.617333e-5 * table[:, 2]  # eV: no translation, no rotation
    np.testing.assert_allclose(table[:, 3] + kinetic, table[:, 4], atol=1e-6)


@pytest.mark.mpi
def test_molecule_divided_between_two_ranks_is_the_same(tmp_path, potential):
    for ranks in (1, 2):  # without a bath, whose random numbers are those of the ranks
        run(INPUTS / "in.ethanol_sgdml", tmp_path / str(ranks), ranks, potential=potential, warm_steps=0, steps=40)
    one, two = (np.loadtxt(tmp_path / str(ranks) / "ethanol_energy.dat") for ranks in (1, 2))
    np.testing.assert_allclose(one[:, 3:], two[:, 3:], rtol=0, atol=1e-7)


@pytest.mark.mpi
def test_liquid_on_two_ranks_conserves_energy(tmp_path, model):
    variables = {"model": model, "molecule": INPUTS / "ethanol.mol", "n": 2, "density": 0.29}
    steps = {"pack_steps": 20, "warm_steps": 20, "npt_steps": 20, "steps": 40, "every": 4}
    output = run(INPUTS / "in.ethanol_liquid", tmp_path / "out", 2, **variables, **steps)
    assert re.search(r"^energy drift: \S+ eV/atom in 0.02 ps", output, re.MULTILINE)
    assert 0.27 < float(re.search(r"^density (\S+) g/cm\^3", output, re.MULTILINE)[1]) < 0.31
    table = np.loadtxt(tmp_path / "out" / "liquid_energy.dat")  # step, ps, K, eV/atom, bar, eV, eV
    assert len(table) == 11
    assert np.ptp(table[:, 3]) < 3e-4
    assert len(np.loadtxt(tmp_path / "out" / "rdf.dat", skiprows=4)) == 180
