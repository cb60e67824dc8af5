"""The native record of a model file: what comes back, and what is refused before the kernels see it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import zipfile

import numpy as np
import pytest
import safetensors.numpy
import torch
from native_models import MODELS

from mliap_hybrid.errors import InputError
from mliap_hybrid.kernels.potential import NativePotential
from mliap_hybrid.lammps.bridge import open_file
from mliap_hybrid.lammps.exporter import export_model, write_unified
from mliap_hybrid.lammps.native_unified import NativeUnified
from mliap_hybrid.lammps.record_of_model import record_of
from mliap_hybrid.lammps.unified import HybridUnified, open_unified
from mliap_hybrid.model_files.model_file import read_model
from mliap_hybrid.model_files.native_file import read_native_file
from mliap_hybrid.model_files.native_record import decode_native, encode_native
from mliap_hybrid.model_files.safe_records import RECORDS, Records, read_records
from mliap_hybrid.model_files.schema import digest_of
from mliap_hybrid.testing.known_distances import with_distance
from mliap_hybrid.testing.mliap_data import PluginData
from mliap_hybrid.testing.models import direct_force_model
from mliap_hybrid.testing.native_potentials import Lists
from mliap_hybrid.testing.rank_arrays import rank_arrays
from mliap_hybrid.testing.structures import rock_salt

ELEMENTS = ["Na", "Cl"]


@pytest.fixture(scope="module", params=MODELS)
def path(request, tmp_path_factory):
    """A model file of each kind."""
    file = tmp_path_factory.mktemp("models") / "model.pt"
    model = MODELS[request.param]()
    if request.param in ("short-range", "contractions"):
        model = with_distance(model)
    export_model(model, file, dtype="float32" if "charges" in request.param else "float64")
    return file


@pytest.fixture
def arrays(path):
    """Those of its record, to be changed."""
    return dict(safetensors.numpy.load(read_records(path).native))


def as_bytes(arrays) -> bytes:
    return safetensors.numpy.save(arrays)


def write(path, records: Records) -> None:
    """A file with these records, and a digest that fits, as an attacker would make it."""
    content = json.loads(records.manifest)
    manifest = json.dumps(content | {"digest": digest_of(content, records.weights, records.native)}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
        for k, record in enumerate((manifest, records.weights, records.native)[: 3 if records.native else 2]):
            archive.writestr(f"archive/data/{k}", record)


def refusal(content: bytes) -> str:
    with pytest.raises(InputError) as caught:
        decode_native(content, "model.pt")
    said = str(caught.value)
    assert said.startswith("model.pt: the native record is")
    assert said.endswith("export the model again")
    assert "\n" not in said
    assert len(said) < 1000
    return said


def assert_equal(a, b) -> None:
    """To the last bit, with all that both hold."""
    assert type(a) is type(b)
    if dataclasses.is_dataclass(a):
        for field in dataclasses.fields(a):
            assert_equal(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for each in zip(a, b, strict=True):
            assert_equal(*each)
    else:
        assert a == b


def test_what_was_written_comes_back(path):
    """And what the model says of itself in LAMMPS is the same, from its record and from its weights."""
    unified, light = open_unified(str(path)), open_file(str(path))
    assert isinstance(light, NativeUnified)
    record = record_of(unified.model, unified.evaluator, unified.manifest)
    found = read_native_file(path).record
    as_array = dataclasses.replace(record.potential.pairs, screening=np.array(record.potential.pairs.screening))
    if record.potential.pairs.repulsion is None:
        as_array = dataclasses.replace(as_array, screening=())
    assert_equal(found, dataclasses.replace(record, potential=dataclasses.replace(record.potential, pairs=as_array)))
    assert decode_native(encode_native(found), "again") is not None
    for name in ("element_types", "rcutfac", "ndescriptors", "nparams", "centroid_stress"):
        assert getattr(light, name) == getattr(unified, name)
    for name in ("point_charges", "predicts_charges", "total_charge", "smearing", "solves_coulomb", "typical_charges"):
        assert getattr(light, name, None) == getattr(unified, name, None)


def test_torch_opens_files_with_three_records_and_writes_them_again(path, tmp_path):
    if read_native_file(path).record.predicts_charges:
        with pytest.raises(InputError, match="need the plugin"):
            torch.load(path, weights_only=False)
    else:
        assert isinstance(torch.load(path, weights_only=False), HybridUnified)
    write_unified(tmp_path / "again.pt", open_unified(str(path)))
    assert read_records(tmp_path / "again.pt") == read_records(path)


def test_arrays_that_are_gone_or_too_many(arrays):
    for name in arrays:
        said = refusal(as_bytes({other: array for other, array in arrays.items() if other != name}))
        assert "found none" in said or "expected" in said
    assert "'unheard_of'" in refusal(as_bytes(arrays | {"unheard_of": np.zeros(3)}))


def test_arrays_of_another_kind_shape_or_value(arrays):
    """Each array in turn."""
    for name, array in arrays.items():
        kinds = {np.int32, np.int64, np.float32, np.float64, np.uint8, np.bool_} - {array.dtype.type}
        changed = [np.ones(array.shape, kind) for kind in kinds] + [array[None]]
        if array.size and name != "elements":
            changed += [np.concatenate([array.ravel()] * 2), array.ravel()[:-1]]
        if array.size and array.dtype == np.float64:
            changed += [np.full_like(array, value) for value in (np.nan, np.inf, -np.inf)]
        if array.size and array.dtype == np.int32 and name != "versions":
            changed += [np.full_like(array, value) for value in (-2, 2**31 - 1)]
        for each in changed:
            refusal(as_bytes(arrays | {name: each}))


@pytest.mark.parametrize("n_edits", [150, pytest.param(1500, marks=pytest.mark.slow)])
def test_changed_numbers_are_refused_or_do_no_harm(arrays, n_edits):
    """One entry after another of the whole numbers; and zero, negative and huge ones among the others."""
    random = np.random.default_rng(3)
    names = [name for name, array in arrays.items() if array.size and name not in ("versions", "elements")]
    lists = Lists(rank_arrays(rock_salt(1), 3.0, ELEMENTS))
    n_refused = 0
    for _ in range(n_edits):
        name = names[random.integers(len(names))]
        array = arrays[name].copy()
        values = [-3, -1, 0, 1, 2, 7, 100, 2**24, 2**31 - 1]
        if array.dtype == np.float64:
            values = [0.0, -1.0, 1e-300, 1e300, 1.7e308]
        array.ravel()[random.integers(array.size)] = values[random.integers(len(values))]
        try:
            record = decode_native(as_bytes(arrays | {name: array}), "model.pt")
            potential = NativePotential(record.potential, 1.0)
        except InputError:
            n_refused += 1
            continue
        slopes = np.ones(lists.n_centres) if record.predicts_charges else None
        assert lists.evaluate(potential, slopes).error == 0
    assert n_refused > n_edits / 10


@pytest.mark.parametrize("n_edits", [60, pytest.param(600, marks=pytest.mark.slow)])
def test_flipped_bits_and_cut_ends(path, n_edits):
    """Of the header, where sizes stand."""
    native = read_records(path).native
    random, n_header = np.random.default_rng(5), int.from_bytes(native[:8], "little")
    for bit in random.integers(8 * (8 + n_header), size=n_edits).tolist():
        changed = bytearray(native)
        changed[bit // 8] ^= 1 << bit % 8
        with contextlib.suppress(InputError):  # one of the numbers in the header may be of a shape that fits as well
            assert decode_native(bytes(changed), "model.pt") is not None
    for kept in random.integers(len(native), size=10).tolist():
        refusal(native[:kept])
    refusal(b"")
    refusal(native + bytes(8))


def test_a_record_of_another_version_is_passed_over(path, arrays, tmp_path):
    """The model then starts as one without a record does."""
    records = read_records(path)
    for place in (0, 1):
        other = arrays["versions"].copy()
        other[place] += 1
        write(tmp_path / "other.pt", records._replace(native=as_bytes(arrays | {"versions": other})))
        assert isinstance(open_file(str(tmp_path / "other.pt")), HybridUnified)
    write(tmp_path / "none.pt", records._replace(native=b""))
    opened = open_file(str(tmp_path / "none.pt"))
    assert isinstance(opened, HybridUnified)
    assert opened._record is not None


def test_a_record_of_another_model(path, arrays, tmp_path):
    records, file = read_records(path), tmp_path / "mixed.pt"
    content = json.loads(records.manifest)
    features = content["description"]["features"]
    others = {
        "elements": content | {"description": content["description"] | {"features": features | {"elements": ["K"]}}},
        "cutoff": content | {"description": content["description"] | {"features": features | {"cutoff": 4.0}}},
        "precision": content | {"dtype": {"float32": "float64", "float64": "float32"}[content["dtype"]]},
    }
    if "charges.starting" in arrays:
        others["Coulomb engine"] = content | {"coulomb_engine": "exact"}
    for name, manifest in others.items():
        write(file, records._replace(manifest=json.dumps(manifest).encode()))
        with pytest.raises(InputError, match=rf"not that of the manifest \(another {name}\)"):
            open_file(str(file))
    for wrong in ([], {"features": []}):
        write(file, records._replace(manifest=json.dumps(content | {"description": wrong}).encode()))
        with pytest.raises(InputError, match=r"not that of the manifest|damaged at 'description"):
            open_file(str(file))


def test_what_was_changed_after_the_export(path, tmp_path):
    """Of any record, one bit; or the native record taken away."""
    file, random = tmp_path / "changed.pt", np.random.default_rng(1)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    names = [name for name in content if name.endswith(("data/1", "data/2"))]
    changed = [{name: other for name, other in content.items() if not name.endswith("data/2")}]
    for name in names:
        record = bytearray(content[name])
        record[random.integers(len(record))] ^= 1
        changed.append(content | {name: bytes(record)})
    for each in changed:
        with zipfile.ZipFile(file, "w") as archive:
            for name, record in each.items():
                archive.writestr(name, record)
        for opener in (read_model, lambda p: open_file(str(p))):
            with pytest.raises(InputError, match="changed after the export"):
                opener(file)


@pytest.mark.parametrize("depth", [200, 900, 3000, 100_000])
def test_manifests_that_are_nested(path, tmp_path, depth):
    """What is too deep for one reader or the other is refused by a sentence."""
    records = read_records(path)
    nested = '{"a":' * depth + "1" + "}" * depth
    text = records.manifest.decode().replace('"provenance": {', '"provenance": {"deep": ' + nested + ", ", 1)
    with zipfile.ZipFile(tmp_path / "deep.pt", "w") as archive:
        written = {"data.pkl": b"", "data/0": text, "data/1": records.weights, "data/2": records.native}
        for name, record in written.items():
            archive.writestr(f"archive/{name}", record)
    with pytest.raises(InputError, match=r"manifest"):
        open_file(str(tmp_path / "deep.pt"))


def test_records_that_are_compressed_or_twice_there(path, tmp_path):
    records, file = read_records(path), tmp_path / "zip.pt"
    with zipfile.ZipFile(file, "w") as archive:
        for name, record in zip(RECORDS, (records.manifest, records.weights, b""), strict=True):
            archive.writestr(f"archive/{name}", record)
        archive.writestr("archive/data/2", records.native + bytes(2**20), zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="data/2 is compressed or larger than the file"):
        open_file(str(file))
    write(file, records)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("other/data/2", records.native)
    with pytest.raises(InputError, match="holds the record data/2 twice"):
        open_file(str(file))


def test_models_that_native_code_does_not_know_have_no_record(tmp_path):
    export_model(direct_force_model(), tmp_path / "model.pt", allow_non_conservative=True)
    assert read_records(tmp_path / "model.pt").native == b""
    assert isinstance(open_file(str(tmp_path / "model.pt")), HybridUnified)


def test_a_file_that_is_replaced_before_a_step_in_python(tmp_path):
    file = tmp_path / "model.pt"
    export_model(MODELS["short-range"](), file, allow_small_box=True)
    atoms = rock_salt(1)
    opened = open_file(str(file))
    data = PluginData(rank_arrays(atoms, 2.0 * opened.rcutfac, ELEMENTS), atoms)
    opened.compute_forces(data)
    other = open_file(str(file))
    export_model(MODELS["dispersion"](), file, allow_small_box=True)
    with pytest.raises(InputError, match="was replaced by another one during the run"):
        other.compute_forces(data)
