"""Trajectories that `species` and `spectrum` read: dumps of LAMMPS, extended xyz with charges, tables of moments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from kind import Kind
from mutations import damaged_text

from mliap_hybrid.reactions.bonds import BondCriteria
from mliap_hybrid.reactions.of_trajectory import analyse
from mliap_hybrid.reactions.trajectory import read_trajectory
from mliap_hybrid.spectra.charged_frames import read_charged_frames
from mliap_hybrid.spectra.conductivity import conductivity
from mliap_hybrid.spectra.infrared import infrared_spectrum
from mliap_hybrid.spectra.moments import MomentSeries, moments_of_frames, moments_of_table

ATOMS = ((1, 2, "O", -0.8, 0.0, 0.0, 0.0), (2, 1, "H", 0.4, 0.96, 0.0, 0.0), (3, 1, "H", 0.4, -0.24, 0.93, 0.0))


def _dump(columns: str, rows: str, n_frames: int, bounds: str = "pp pp pp\n0.0 8.0\n0.0 8.0\n0.0 8.0") -> str:
    frames = []
    for k in range(n_frames):
        lines = [rows.format(id=i, type=t, element=e, q=q, x=x + 0.02 * k, y=y, z=z) for i, t, e, q, x, y, z in ATOMS]
        head = f"ITEM: TIMESTEP\n{10 * k}\nITEM: NUMBER OF ATOMS\n3\nITEM: BOX BOUNDS {bounds}\n"
        frames.append(f"{head}ITEM: ATOMS {columns}\n" + "\n".join(lines) + "\n")
    return "".join(frames)


TILTED = "xy xz yz pp pp pp\n0.0 8.5 0.5\n0.0 8.0 0.0\n0.0 8.0 0.0"

OF_SPECIES = (
    _dump("id element x y z", "{id} {element} {x} {y} {z}", 3),
    _dump("id type x y z", "{id} {type} {x} {y} {z}", 2, TILTED),
    _dump("id type element xs ys zs", "{id} {type} {element} 0.1 0.{id} 0.{type}", 2),
    "2\npbc=F\nH 0 0 0\nH 0.74 0 0\n2\npbc=F\nH 0 0 0\nH 3.0 0 0\n",
)

OF_SPECTRUM = (
    _dump("id q xu yu zu", "{id} {q} {x} {y} {z}", 5),
    _dump("id q x y z ix iy iz", "{id} {q} {x} {y} {z} 0 0 1", 5, TILTED),
    _dump("id q x y z mux muy muz", "{id} {q} {x} {y} {z} 0.1 0.2 0.3", 5),
    '2\nLattice="8 0 0 0 8 0 0 0 8" Properties=species:S:1:pos:R:3:initial_charges:R:1\nNa 0 0 0 1\nCl 2 0 0 -1\n' * 5,
)

OF_MOMENTS = "# TimeStep mx my mz\n" + "".join(f"{10 * k} {0.1 * k * k} {0.2 * k} 0.3\n" for k in range(8))


def _written(text: bytes, folder: Path) -> Path:
    """A file of the case, named as such files are."""
    file = folder / ("run.dump" if text.lstrip().startswith(b"ITEM") else "run.xyz")
    file.write_bytes(text)
    return file


def _of_species() -> st.SearchStrategy[tuple[bytes, list[str]]]:
    return st.tuples(damaged_text(OF_SPECIES), st.sampled_from(([], ["H", "O"], ["H"], ["Xx"])))


def _check_species(case: tuple[bytes, list[str]], folder: Path) -> None:
    text, elements = case
    found = analyse(read_trajectory(_written(text, folder), 1e-3, elements), BondCriteria(0.25, 0.65, 0.0))
    assert len(found.times) == len(found.counts) > 0
    assert np.isfinite(found.times).all()
    assert all(n > 0 for counts in found.counts for n in counts.values())


def _of_spectrum() -> st.SearchStrategy[bytes]:
    return damaged_text(OF_SPECTRUM)


def _check_spectrum(text: bytes, folder: Path) -> None:
    _check_series(moments_of_frames(read_charged_frames(_written(text, folder), 1e-3)))


def _check_moments(text: bytes, folder: Path) -> None:
    (folder / "moments.txt").write_bytes(text)
    _check_series(moments_of_table(folder / "moments.txt", 1e-3, 512.0))


def _check_series(series: MomentSeries) -> None:
    assert np.isfinite(series.moments).all()
    assert np.isfinite(series.interval)
    assert series.interval > 0
    assert np.isfinite(series.volume)
    assert series.volume > 0
    spectrum, ions = infrared_spectrum(series, 300.0, 5.0), conductivity(series, 300.0, 10.0)
    for values in (spectrum.wave_numbers, spectrum.absorption, ions.times, ions.green_kubo, ions.einstein, ions.value):
        assert np.isfinite(values).all()


KINDS = (
    Kind("trajectories for species", "atoms, times and counts", 8_000, _of_species, _check_species),
    Kind("trajectories for spectrum", "moments and spectra finite", 7_000, _of_spectrum, _check_spectrum),
    Kind("tables of moments", "moments and spectra finite", 4_000, lambda: damaged_text([OF_MOMENTS]), _check_moments),
)
