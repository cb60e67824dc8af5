"""The model file: it opens with torch.load and without unpickling, and whatever is wrong with it is said."""

import json
import zipfile
from pathlib import Path

import pytest
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps import exporter
from mliap_hybrid.lammps.exporter import export_model, load_exported
from mliap_hybrid.lammps.unified import HybridUnified, open_unified
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.model_files.model_file import read_model
from mliap_hybrid.testing.models import sodium_chloride_model
from mliap_hybrid.testing.structures import rock_salt


@pytest.fixture
def model():
    return sodium_chloride_model()


@pytest.fixture
def path(tmp_path, model):
    path = tmp_path / "model.pt"
    export_model(model, path, example=frame_to_batch(rock_salt(1), model.cutoff), provenance={"epoch": 3})
    return path


def test_the_same_model_comes_back(path, model):
    loaded, manifest = load_exported(path)
    batch = frame_to_batch(rock_salt(1), model.cutoff)
    assert torch.allclose(predict(loaded, batch).forces, predict(model, batch).forces, atol=1e-10)
    assert manifest.description.elements == ["Na", "Cl"]
    assert manifest.provenance["epoch"] == 3
    assert len(manifest.example.numbers) == 8


@pytest.mark.parametrize("version", [1, 3, 5])
def test_file_of_an_older_schema(version):
    """Written by that version, with the energy and forces that its model had then."""
    model, manifest = load_exported(Path(__file__).parents[1] / "fixtures" / f"model_schema_{version}.pt")
    assert manifest.schema_version == version
    assert model.is_conservative
    assert (model.parameter("charge").source == "predicted") == (version == 3)
    prediction = predict(model, frame_to_batch(rock_salt(1), model.cutoff))
    assert float(prediction.energies[0]) == pytest.approx(manifest.provenance["energy"], abs=1e-9)
    forces = torch.tensor(manifest.provenance["forces"], dtype=torch.float64)
    assert torch.allclose(prediction.forces, forces, rtol=0, atol=1e-9)


def test_torch_load_gives_the_object_that_lammps_wants(path):
    unified = torch.load(path, weights_only=False)
    assert isinstance(unified, HybridUnified)
    assert unified.element_types == ["Na", "Cl"]
    assert 2 * unified.rcutfac == pytest.approx(4.5)
    assert unified.ndescriptors == unified.model.features.n_features
    assert unified.nparams > 0
    assert isinstance(open_unified(str(path)), HybridUnified)


def test_reading_never_unpickles(path, monkeypatch):
    def fail(*_, **__):
        raise AssertionError("unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(f"pickle.{name}", fail)
    monkeypatch.setattr("torch.load", fail)
    assert open_unified(str(path)).element_types == ["Na", "Cl"]


def test_the_pickle_is_a_thin_shell(path):
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        assert len(archive.read(name)) < 1000


@pytest.mark.parametrize("kept", [0, 10, 1000, -1])
def test_truncated(path, kept):
    content = path.read_bytes()
    path.write_bytes(content[:kept])
    for opener in (read_model, lambda p: open_unified(str(p))):
        with pytest.raises(InputError, match="damaged"):
            opener(path)


def _rewrite(path, record, change):
    """Write the zip again with one record changed and all checksums of the zip right."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    key = next(name for name in entries if name.endswith(record))
    entries[key] = change(entries[key])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def test_changed_weights_are_refused(path):
    _rewrite(path, "data/1", lambda b: b[:-1] + bytes([b[-1] ^ 1]))
    with pytest.raises(InputError, match="changed after the export"):
        read_model(path)
    with pytest.raises(InputError, match="changed after the export"):
        torch.load(path, weights_only=False)


def test_changed_charges_are_refused(path):
    _rewrite(path, "data/0", lambda b: b.replace(b'"Na": 0.8', b'"Na": 0.9'))
    with pytest.raises(InputError, match="changed after the export"):
        read_model(path)


def test_bit_rot_is_noticed(path):
    content = bytearray(path.read_bytes())
    middle = content.index(b"network.layers")
    content[middle] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read_model(path)


def test_newer_schema_is_refused_before_anything_else(path):
    def newer(manifest):
        content = json.loads(manifest)
        content |= {"schema_version": 99, "package_version": "7.1", "unheard_of": True}
        return json.dumps(content).encode()

    _rewrite(path, "data/0", newer)
    with pytest.raises(InputError, match=r"written by mliap_hybrid 7\.1"):
        read_model(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot"):
        open_unified(str(tmp_path / "none.pt"))
    torch.save({"a": torch.ones(2)}, tmp_path / "other.pt")
    with pytest.raises(InputError, match="not a model file"):
        read_model(tmp_path / "other.pt")


def test_wrong_ending_is_refused_and_nothing_is_left_behind(tmp_path, model):
    with pytest.raises(InputError, match=r"must end in \.pt"):
        export_model(model, tmp_path / "model.bin")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_the_old_file(path, model, monkeypatch):
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporter.torch, "save", full)
    with pytest.raises(InputError, match="No space left"):
        export_model(model, path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["model.pt"]
