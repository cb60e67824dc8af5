"""The feature cache: what it gives back is what was computed, and nothing stale, damaged or half written is used."""

import dataclasses
import json
import logging
import os
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import safetensors
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.acsf import SymmetryFunctions
from mliap_hybrid.features.density import DensityTable, PseudoDensity
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.fitting import feature_cache
from mliap_hybrid.fitting.checkpoint import read_checkpoint
from mliap_hybrid.fitting.feature_cache import FeatureCache
from mliap_hybrid.fitting.feature_shards import ABANDONED
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.model.feature_description import describe_features
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.labelled import labelled_frames, small_settings
from mliap_hybrid.testing.models import DENSITIES

pytestmark = pytest.mark.usefixtures("undrawn_figures")


def pass_on(items, what):
    yield from items


class Features(GaussianMultipoles):
    """Counts the frames it is asked for; may be killed, or give other numbers."""

    def __init__(self, cutoff=4.5, widths=(0.6, 1.0), orders=(0, 1), table=DENSITIES, fails_at=None, factor=1.0):
        super().__init__(orders, widths, cutoff, (11, 17), table)
        self.calls = 0
        self.fails_at = fails_at
        self.factor = factor

    def forward(self, geometry):
        return super().forward(geometry) * self.factor

    def jacobian(self, geometry):
        self.calls += 1
        if self.calls == self.fails_at:
            raise KeyboardInterrupt
        return super().jacobian(geometry)


class Deadly(Features):
    """Ends the process that it is sent to."""

    def __reduce__(self):
        return os._exit, (3,)


def cache_of(folder, features=None):
    features = Features() if features is None else features
    return FeatureCache(folder, features, describe_features(features).model_dump())


def shards(cache):
    return {path.name: path.read_bytes() for path in cache.path.glob("*.safetensors")}


def moved(batch):
    positions = batch.positions.clone()
    positions[3, 1] += 1e-12
    return dataclasses.replace(batch, positions=positions)


def assert_holds(cache, batches):
    features = Features()
    for batch in batches:
        raw_features, geometry = cache.features_and_jacobian(batch), batch.geometry()
        assert torch.equal(raw_features.features, features(geometry))
        assert torch.equal(raw_features.jacobian, features.jacobian(geometry).float())
        assert torch.equal(cache.features(batch), raw_features.features)


@pytest.fixture(autouse=True)
def _two_frames_a_file(monkeypatch):
    monkeypatch.setattr(feature_cache, "SHARD_FRAMES", 2)


@pytest.fixture(scope="module")
def batches():
    return [frame_to_batch(atoms, 4.5) for atoms in labelled_frames(6)]


@pytest.fixture
def full(tmp_path, batches):
    cache = cache_of(tmp_path)
    assert cache.fill(batches, pass_on) == 6
    return cache


def test_frames_come_back_with_the_same_bits(full, tmp_path, batches):
    assert len(shards(full)) == 3
    assert_holds(full, batches)
    again = cache_of(tmp_path)
    assert again.fill(batches, pass_on) == 0
    assert again.featuriser.calls == 1  # one frame is computed to see that the code is still the same
    assert_holds(again, batches)


def test_features_of_another_kind(tmp_path, batches):
    features = SymmetryFunctions((11, 17), 4.5, radial=[(0.5, 1.0)], angular=[(0.1, 2.0, 1.0)])
    for computed in (2, 0):
        cache = cache_of(tmp_path, features)
        assert cache.fill(batches[:2], pass_on) == computed
        for batch in batches[:2]:
            raw_features, geometry = cache.features_and_jacobian(batch), batch.geometry()
            assert torch.equal(raw_features.features, features(geometry))
            assert torch.equal(raw_features.jacobian, features.jacobian(geometry).float())


def test_manifest_says_what_the_folder_is(full):
    manifest = json.loads((full.path / "manifest.json").read_text())
    assert "may be deleted" in manifest["what"]
    assert manifest["labels"] == full.featuriser.feature_labels
    assert manifest["features"]["widths"] == [0.6, 1.0]


@pytest.mark.parametrize(
    "changes",
    [
        {"widths": (0.6, 1.0 + 1e-12)},
        {"cutoff": 4.4},
        {"orders": (0, 2)},
        {"table": DensityTable("t", DENSITIES.densities | {11: PseudoDensity(np.array([0.9]), np.array([0.5]))})},
    ],
    ids=["width", "cutoff", "order", "density"],
)
def test_other_settings_have_their_own_folder(full, tmp_path, changes):
    features = Features(**changes)
    other = cache_of(tmp_path, features)
    assert other.path != full.path
    assert other.fill([frame_to_batch(atoms, features.cutoff) for atoms in labelled_frames(1)], pass_on) == 1
    assert len(shards(full)) == 3


def test_only_new_and_changed_frames_are_computed(full, tmp_path, batches, caplog):
    relabelled = batches[0].with_labels(energy=torch.tensor([1.0]))
    new = frame_to_batch(labelled_frames(1, seed=4)[0], 4.5)
    frames = [relabelled, moved(batches[1]), *batches[2:], new, new]
    caplog.set_level(logging.INFO)
    cache = cache_of(tmp_path)
    assert cache.fill(frames, pass_on) == 2
    assert f"Features: 5 frames from the cache {cache.path}, 2 computed and kept there" in caplog.text
    assert_holds(cache, frames)
    assert cache_of(tmp_path).fill([*batches, *frames], pass_on) == 0


def test_another_cutoff_of_the_pairs_is_another_frame(full, batches):
    fewer = frame_to_batch(labelled_frames(1)[0], 4.0)
    assert fewer.n_pairs < batches[0].n_pairs
    assert full.fill([fewer], pass_on) == 1
    assert full.features_and_jacobian(fewer).jacobian.shape[0] == fewer.n_pairs


def test_interrupted_run_goes_on_where_it_stopped(tmp_path, batches):
    whole = cache_of(tmp_path / "whole")
    whole.fill(batches, pass_on)
    with pytest.raises(KeyboardInterrupt):
        cache_of(tmp_path, Features(fails_at=4)).fill(batches, pass_on)  # the second frame of the second file
    rest = cache_of(tmp_path)
    assert len(shards(rest)) == 1
    assert rest.fill(batches, pass_on) == 4
    assert shards(rest) == shards(whole)
    assert_holds(rest, batches)


@pytest.mark.parametrize("damage", ["truncated", "changed", "empty", "renamed"])
def test_damaged_file_is_found_and_made_again(full, tmp_path, batches, caplog, damage):
    before = shards(full)
    victim = sorted(full.path.glob("*.safetensors"))[1]
    content = victim.read_bytes()
    if damage == "truncated":
        victim.write_bytes(content[:-100])
    elif damage == "changed":
        victim.write_bytes(content[:-100] + bytes([content[-100] ^ 1]) + content[-99:])
    elif damage == "empty":
        victim.write_bytes(b"")
    else:
        victim.rename(victim.with_name("0" * 32 + ".safetensors"))
    cache = cache_of(tmp_path)
    assert cache.fill(batches, pass_on) == 2
    assert "is damaged: its frames are computed anew" in caplog.text
    assert shards(cache) == before
    assert_holds(cache, batches)


def test_half_written_files_of_killed_processes_are_ignored_and_removed(full, tmp_path, batches):
    names = [full.path / ".old.writing", full.path / ".new.writing"]
    for path in names:
        path.write_bytes(b"half")
    os.utime(names[0], (0, names[0].stat().st_mtime - ABANDONED - 60))
    assert cache_of(tmp_path).fill(batches, pass_on) == 0
    assert [path.exists() for path in names] == [False, True]  # the young one may belong to a running process


def test_code_that_computes_other_features_makes_the_cache_again(full, tmp_path, batches, caplog):
    changed = cache_of(tmp_path, Features(factor=1.001))
    assert changed.fill(batches[:2], pass_on) == 2
    assert "The code now computes other features" in caplog.text
    assert len(shards(changed)) == 1
    assert torch.equal(changed.features(batches[0]), 1.001 * Features()(batches[0].geometry()))


def test_rounding_does_not_make_the_cache_again(full, tmp_path, batches):
    assert cache_of(tmp_path, Features(factor=1.0 + 1e-9)).fill(batches, pass_on) == 0


def test_parallel_is_serial_bit_for_bit(full, tmp_path, batches):
    seen = []

    def track(items, what):
        assert len(items) == 6
        for item in items:
            seen.append(item)
            yield item

    # A class of the package: workers then need not import this file.
    parallel = cache_of(tmp_path / "parallel", GaussianMultipoles((0, 1), (0.6, 1.0), 4.5, (11, 17), DENSITIES))
    assert parallel.fill(batches, track, n_workers=2) == 6
    assert len(seen) == 6
    assert shards(parallel) == shards(full)
    assert_holds(parallel, batches)


def test_worker_that_is_killed_is_told(tmp_path, batches):
    with pytest.raises(InputError, match=r"one of 2 processes .* ended without an answer, mostly for want of memory"):
        cache_of(tmp_path, Deadly()).fill(batches, pass_on, n_workers=2)


def test_two_processes_at_once_do_each_other_no_harm(full, tmp_path, batches):
    program = f"""
        import sys
        from pathlib import Path
        from mliap_hybrid.data.reading import frame_to_batch
        from mliap_hybrid.features.gmp import GaussianMultipoles
        from mliap_hybrid.fitting import feature_cache
        from mliap_hybrid.model.feature_description import describe_features
        from mliap_hybrid.testing.labelled import labelled_frames
        from mliap_hybrid.testing.models import DENSITIES
        feature_cache.SHARD_FRAMES = 2
        features = GaussianMultipoles((0, 1), (0.6, 1.0), 4.5, (11, 17), DENSITIES)
        batches = [frame_to_batch(atoms, 4.5) for atoms in labelled_frames(6)]
        settings = describe_features(features).model_dump()
        cache = feature_cache.FeatureCache(Path({str(tmp_path / "both")!r}), features, settings)
        print("ready", flush=True)
        sys.stdin.read(1)
        for _ in range(3):
            cache.fill(batches, lambda items, what: items)
            assert all(cache.features_and_jacobian(batch).jacobian.shape[0] == batch.n_pairs for batch in batches)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write(b"\n")
        process.stdin.flush()
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    both = cache_of(tmp_path / "both")
    assert both.fill(batches, pass_on) == 0
    assert shards(both) == shards(full)


def test_file_that_is_removed_while_in_use_is_told(full, batches):
    for path in full.path.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(InputError, match="if it was removed in the meantime, start again"):
        full.features_and_jacobian(batches[0])


def test_folder_that_cannot_be_used_is_refused(tmp_path, batches, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make the feature cache"):
        cache_of(tmp_path / "file").fill(batches, pass_on)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 1000))
    with pytest.raises(InputError, match=r"needs 0\.\d GB more in .* make room, or name a folder on another disk"):
        cache_of(tmp_path).fill(batches, pass_on)


def weights(settings):
    return read_checkpoint(RunFolder(settings.run).checkpoint("last")).trainer["part"]


def assert_same_weights(a, b):
    assert weights(a).keys() == weights(b).keys()
    for name, value in weights(a).items():
        assert torch.equal(value, weights(b)[name]), name


@pytest.fixture(scope="module", params=["gmp-2c3", "acsf"])
def uncached(request, tmp_path_factory):
    """A run with features whose derivatives the kernels apply, or whose derivatives are stored."""
    folder = tmp_path_factory.mktemp(request.param)
    settings = small_settings(folder, features={"set": request.param}, optimisation={"epochs": 3})
    train(settings, Display())
    return settings


def cached(uncached, tmp_path):
    data = uncached.data.model_copy(update={"cache": tmp_path / "cache"})
    return uncached.model_copy(update={"data": data, "run": tmp_path / "run"})


def test_training_from_the_cache_gives_the_same_bits(uncached, tmp_path):
    settings = cached(uncached, tmp_path)
    train(settings, Display(), last_epoch=1)
    train(settings, Display(), resume=True)
    assert_same_weights(settings, uncached)
    log = RunFolder(settings.run).log.read_text()
    assert "Features: 0 frames from the cache" in log
    assert "Features: 14 frames from the cache" in log
    evaluation = RunFolder(settings.run).report / "errors.md"
    assert evaluation.read_text() == (RunFolder(uncached.run).report / "errors.md").read_text()


def test_cache_holds_derivatives_where_they_are_needed(uncached, tmp_path):
    settings = cached(uncached, tmp_path)
    train(settings, Display(), last_epoch=1)
    (folder,) = settings.data.cache.iterdir()
    files = [safetensors.safe_open(path, "pt") for path in folder.glob("*.safetensors")]
    kinds = {name.split(".")[1] for file in files for name in file.keys()}  # noqa: SIM118
    assert kinds == ({"features", "jacobian"} if settings.features.set == "acsf" else {"features"})


@pytest.mark.parametrize("uncached", ["acsf"], indirect=True)
def test_more_frames_than_memory_are_trained_from_the_cache(uncached, tmp_path, monkeypatch):
    monkeypatch.setattr("mliap_hybrid.runs.preparation.available_memory", lambda: 100_000)
    settings = cached(uncached, tmp_path)
    train(settings, Display())
    assert "they stay in the feature cache" in RunFolder(settings.run).log.read_text()
    assert_same_weights(settings, uncached)


def test_run_may_go_on_with_another_cache_folder(uncached, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_cache, "SHARD_FRAMES", 64)  # one file, for which no worker is started
    settings = cached(uncached, tmp_path)
    train(settings, Display(), last_epoch=1)
    data = settings.data.model_copy(update={"cache": tmp_path / "moved", "cache_workers": 2})
    train(settings.model_copy(update={"data": data}), Display(), resume=True)
    assert_same_weights(settings, uncached)
