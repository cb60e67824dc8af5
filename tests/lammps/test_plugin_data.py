"""What the data object tells a model, against what LAMMPS dumps and against itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lammps_runs import OUTPUT, Run, run_well
from test_plugin_pair_style import ARGON, MODEL, SMALL, TILTED, save, system

from mliap_hybrid.lammps.bridge_api import Model, Step
from mliap_hybrid.lammps.data import MLIAPData
from mliap_hybrid.testing.toy_models import Recorder

Seen = dict[str, np.ndarray]


def record(directory: Path, lines: str, ranks: int | None = None) -> tuple[Run, list[Seen]]:
    """Run one step; return it and what the model saw on each rank."""
    save(directory, Recorder(directory, ["Ne", "Ar"], *ARGON))
    run = run_well(directory, lines + OUTPUT + "run 0\n", ranks)
    return run, [dict(np.load(directory / f"step0.rank{rank}.npz")) for rank in range(ranks or 1)]


def count_pairs(run: Run, cell: np.ndarray) -> int:
    """Number of ordered pairs within the cutoff, counted over periodic images of the dumped positions."""
    frame = run.frames()[0]
    x = np.stack([frame[name] for name in "xyz"], axis=1)  # (n_atoms, 3)
    images = np.array(np.meshgrid(*[range(-2, 3)] * 3)).reshape(3, -1).T @ cell  # (n_images, 3)
    vectors = (x[None, :] - x[:, None])[:, :, None] + images  # (n_atoms, n_atoms, n_images, 3)
    r2 = np.einsum("ijmc,ijmc->ijm", vectors, vectors)
    return int(np.count_nonzero((r2 < ARGON[2] ** 2) & (r2 > 0)))


@pytest.mark.parametrize("ranks", [None, pytest.param(2, marks=pytest.mark.mpi)])
def test_pairs(tmp_path: Path, ranks: int | None) -> None:
    """Every pair within the cutoff once in each direction, sorted by centre; ghosts carry their owner's ID."""
    run, seen = record(tmp_path, system(TILTED) + MODEL, ranks)
    pairs: list[tuple[int, int, float]] = []
    for data in seen:
        i, j = data["pair_i"], data["pair_j"]
        lengths = np.linalg.norm(data["rij"], axis=1)
        np.testing.assert_array_equal(j, data["jatoms"])
        np.testing.assert_array_equal(data["rij"], data["x"][j] - data["x"][i])
        np.testing.assert_array_equal(data["jtags"], data["tag"][j])
        np.testing.assert_array_equal(data["jelems"], data["elems"][j])
        np.testing.assert_array_equal(data["ielems"], data["elems"][data["iatoms"]])
        np.testing.assert_array_equal(np.repeat(data["iatoms"], data["numneighs"]), i)
        assert lengths.max() < ARGON[2]
        assert data["nlistatoms"] == data["natomneigh"] == data["nlocal"] < data["ntotal"] == len(data["x"])
        assert i.max() < data["nlocal"]
        pairs += zip(data["tag"][i].tolist(), data["jtags"].tolist(), lengths.round(9).tolist(), strict=True)
    assert sorted(pairs) == sorted((j, i, length) for i, j, length in pairs)
    assert len(pairs) == count_pairs(run, seen[0]["cell"])


@pytest.mark.mpi
def test_atoms_and_communicator(tmp_path: Path) -> None:
    """IDs, types, elements, charges and positions are the dumped ones, and all ranks share a communicator."""
    lines = system(style="charge") + MODEL.replace("Ar Ar", "Ar Ne")
    run, seen = record(tmp_path, lines, 2)
    frame = run.frames()[0]
    position = {int(tag): row for row, tag in enumerate(frame["id"])}
    for data in seen:
        rows = [position[tag] for tag in data["tag"].tolist()]
        owned = slice(0, int(data["nlocal"]))
        np.testing.assert_array_equal(data["type"], frame["type"][rows])
        np.testing.assert_array_equal(data["elems"], np.array([-1, 1, 0])[data["type"]])
        np.testing.assert_array_equal(data["q"], np.array([0.0, 0.3, -0.3])[data["type"]])
        np.testing.assert_array_equal(data["x"][owned, 2], frame["z"][rows[owned]])
        assert data["all_atoms"] == 144
    assert sum(int(data["nlocal"]) for data in seen) == 144


@pytest.mark.mpi
def test_ghost_centres(tmp_path: Path) -> None:
    """With the flag 1 all neighbours of ghosts come too, after those of owned atoms, as from the ghost's owner."""
    _, seen = record(tmp_path, system() + MODEL.replace("pkl 0", "pkl 1"), 2)
    numbers: dict[int, set[int]] = {}
    for data in seen:
        n_owned_pairs = int(data["numneighs"][: data["nlistatoms"]].sum())
        assert data["nlistatoms"] == data["nlocal"] < data["natomneigh"] == len(data["iatoms"])
        assert data["pair_i"][:n_owned_pairs].max() < data["nlocal"] <= data["pair_i"][n_owned_pairs:].min()
        # a ghost within the cutoff of an owned atom knows as many neighbours as its owner does
        for atom in {*data["pair_j"][:n_owned_pairs].tolist()}:
            row = int(np.flatnonzero(data["iatoms"] == atom)[0])
            numbers.setdefault(int(data["tag"][atom]), set()).add(int(data["numneighs"][row]))
    assert all(len(counts) == 1 for counts in numbers.values())


def test_types_that_are_not_the_models(tmp_path: Path) -> None:
    lines = "pair_style hybrid lj/cut 8.5 mliap unified model.pkl 0 trusted yes\npair_coeff * * mliap NULL Ar\n"
    _, (data,) = record(tmp_path, system() + lines + "pair_coeff 1 * lj/cut 0.01 3.3\n")
    assert data["nlistatoms"] == np.count_nonzero(data["type"][: data["nlocal"]] == 2) < data["nlocal"]
    assert {*data["type"][data["iatoms"]].tolist(), *data["type"][data["jatoms"]].tolist()} == {2}
    np.testing.assert_array_equal(data["elems"], np.array([0, -1, 1])[data["type"]])


@pytest.mark.parametrize(("box", "tilt"), [(SMALL, (0, 0, 0)), (TILTED, (0.7, -0.4, 0.9))])
def test_box(tmp_path: Path, box: str, tilt: tuple[float, float, float]) -> None:
    """Edge vectors as rows, the lower corner, and the periodic directions."""
    lines = system(box, "p p f").replace(" 0 4", " -1 3").replace("displace_atoms", "#")
    _, (data,) = record(tmp_path, lines + MODEL)
    xy, xz, yz = np.array(tilt) * 5.3
    np.testing.assert_allclose(data["cell"], [[15.9, 0, 0], [xy, 15.9, 0], [xz, yz, 21.2]], rtol=1e-14)
    np.testing.assert_allclose(data["box_origin"], [0, 0, -5.3], rtol=1e-14)
    np.testing.assert_array_equal(data["periodic"], [True, True, False])


def test_words_of_a_run_without_charges(tmp_path: Path) -> None:
    _, (data,) = record(tmp_path, system() + MODEL)
    assert data["words"].tolist() == ["metal", "None", "None"]
    assert data["q"].size == 0, "None where the atom style has no charges"
    assert [int(data[name]) for name in ("nelements", "ndescriptors", "nparams", "size_gradforce")] == [2, 1, 1, 6]


def test_words_of_a_run_with_charges(tmp_path: Path) -> None:
    coulomb = """pair_style hybrid/overlay mliap unified model.pkl 0 trusted yes coul/long 9.0
pair_coeff * * mliap Ar Ne
pair_coeff * * coul/long
kspace_style pppm 1e-5
kspace_modify gewald 0.3 mesh 16 16 20
"""
    _, (data,) = record(tmp_path, system(style="charge").replace("metal", "real") + coulomb)
    assert data["words"].tolist() == ["real", "pppm", "0.3"]


def test_pair_arrays_of_a_wrong_shape_are_refused() -> None:
    """Before C++ would read past their end."""
    step, model = Step(), Model()
    step.npairs = 3
    data = MLIAPData(step, model)
    with pytest.raises(ValueError, match=r"expects the shape \(3,\), found \(2,\)"):
        data.update_pair_energy(np.zeros(2))
    with pytest.raises(ValueError, match=r"expects the shape \(3, 3\), found \(9,\)"):
        data.update_pair_forces(np.zeros(9))
