"""Files of the `sgdml` package: what is written is read again, and broken ones are one sentence."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mliap_hybrid.data.sgdml_npz import is_sgdml_npz
from mliap_hybrid.errors import InputError
from mliap_hybrid.sgdml.npz import (
    read_gdml_data,
    read_gdml_model,
    write_gdml_data,
    write_gdml_model,
)
from mliap_hybrid.sgdml.trainer import GDMLOptions, train_gdml
from mliap_hybrid.testing.gdml_molecules import AMMONIA_GROUP, ammonia

CELL = torch.tensor([[9.0, 0.0, 0.0], [1.0, 8.0, 0.0], [0.0, -1.0, 10.0]], dtype=torch.float64)


@pytest.mark.parametrize("cell", [None, CELL], ids=["molecule", "cell"])
def test_data_there_and_back(tmp_path, cell):
    molecules = replace(ammonia(5), cell=cell)
    write_gdml_data(tmp_path / "data.npz", molecules, "ammonia", "Morse")
    assert is_sgdml_npz(tmp_path / "data.npz")
    found = read_gdml_data(tmp_path / "data.npz")
    for name in ("numbers", "positions", "energies", "forces"):
        torch.testing.assert_close(getattr(found, name), getattr(molecules, name))
    assert (found.cell is None) == (cell is None)
    if cell is not None:
        torch.testing.assert_close(found.cell, cell)


@pytest.mark.parametrize("with_energies", [False, True])
@pytest.mark.parametrize("cell", [None, CELL], ids=["molecule", "cell"])
def test_model_there_and_back(tmp_path, cell, with_energies):
    molecules = replace(ammonia(12), cell=cell)
    model = train_gdml(molecules, 2.0, AMMONIA_GROUP, GDMLOptions(with_energies=with_energies)).model
    write_gdml_model(tmp_path / "model.npz", model)
    found = read_gdml_model(tmp_path / "model.npz").predict(ammonia(3, seed=4).positions)
    expected = model.predict(ammonia(3, seed=4).positions)
    torch.testing.assert_close(found.energies, expected.energies, rtol=0, atol=1e-9)
    torch.testing.assert_close(found.forces, expected.forces, rtol=0, atol=1e-9)


def arrays_of(tmp_path):
    write_gdml_data(tmp_path / "whole.npz", ammonia(5), "ammonia")
    return dict(np.load(tmp_path / "whole.npz"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"F": np.zeros((5, 3, 3))}, "'F' has shape"),
        ({"E": None}, "has no 'E'"),
        ({"E": np.array([1.0, 2.0, np.nan, 3.0, 4.0])}, "frame 2: 'E' is not finite"),
        ({"r_unit": "furlong"}, "furlong"),
        ({"type": "t"}, "'type' is 't', expected 'd'"),
        ({"R": np.zeros((5, 4, 3))}, "apart"),
        ({"R": np.zeros((0, 4, 3)), "F": np.zeros((0, 4, 3)), "E": np.zeros(0)}, "no frame"),
    ],
)
def test_broken_data(tmp_path, changes, message):
    arrays = {key: value for key, value in (arrays_of(tmp_path) | changes).items() if value is not None}
    np.savez(tmp_path / "broken.npz", **arrays)
    with pytest.raises(InputError, match=message):
        read_gdml_data(tmp_path / "broken.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"ITEM: TIMESTEP\n"])
def test_other_files(tmp_path, content):
    (tmp_path / "other.npz").write_bytes(content)
    assert not is_sgdml_npz(tmp_path / "other.npz")
    for read in (read_gdml_data, read_gdml_model):
        with pytest.raises(InputError, match="not an"):
            read(tmp_path / "other.npz")


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "data.npz").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        write_gdml_data(tmp_path / "data.npz", ammonia(3), "ammonia")
    assert (tmp_path / "data.npz").read_text() == "mine"
    with pytest.raises(InputError, match="ends in"):
        write_gdml_data(tmp_path / "data.xyz", ammonia(3), "ammonia")
    with pytest.raises(InputError, match="does not exist"):
        read_gdml_data(tmp_path / "nowhere.npz")
