"""Files of numpy arrays: npz of molecules and of the sgdml package, folders of DeePMD."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from kind import Kind
from mutations import damaged_bytes, damaged_text
from structure_files import SOUND, check_frames, labelled

POSITIONS = np.array([[[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]]] * 2)
NUMBERS = np.array([8, 1, 1])

SGDML = {
    "type": np.array("d"),
    "z": NUMBERS,
    "R": POSITIONS,
    "E": np.array([-1.0, -2.0]),
    "F": 0.1 * POSITIONS,
    "r_unit": np.array("Ang"),
    "e_unit": np.array("eV"),
    "lattice": 7.0 * np.eye(3),
}

MOLECULES = (
    {"z": NUMBERS, "R": POSITIONS, "E": np.array([[-1.0], [-2.0]]), "F": 0.1 * POSITIONS},
    {
        "nuclear_charges": NUMBERS.astype(np.uint8),
        "coords": POSITIONS,
        "energies": np.array([-1.0, -2.0]),
        "forces": 0.1 * POSITIONS,
        "old_indices": np.arange(2),
    },
    {"species": np.array([[8, 1, 1], [8, 1, 0]]), "coordinates": POSITIONS.astype(np.float32)},
)

DEEPMD = {
    "type.raw": b"0\n1\n1\n",
    "type_map.raw": b"O H\n",
    "coord": POSITIONS.reshape(2, 9),
    "box": np.array([7.0 * np.eye(3).ravel()] * 2),
    "energy": np.array([-1.0, -2.0]),
    "force": 0.1 * POSITIONS.reshape(2, 9),
    "virial": np.ones((2, 9)),
}

VALUES = (np.nan, np.inf, -np.inf, 1e308, -1e308, 1e30, 1e-320, 0.0, -1.0, 119.0, 1000.0, 0.5)

KINDS_OF_NUMBERS = ("<f8", ">f8", "<f4", "<f2", "<i8", "<u1", "?", "<c16", "<U5", "S3", "M8[s]", "<i2", "<f16")


@st.composite
def damaged_array(draw: Any, array: np.ndarray) -> np.ndarray:
    """An array of another shape, type or order, or with other values."""
    how = draw(st.sampled_from(("value", "value", "type", "shape", "cut", "order", "empty", "fields")))
    if how == "value" and array.size and array.dtype.kind in "fiu":
        changed = array.astype(float)
        changed.flat[draw(st.integers(0, array.size - 1))] = draw(st.sampled_from(VALUES))
        return changed
    if how == "type":
        with np.errstate(all="ignore"):
            try:
                return array.astype(draw(st.sampled_from(KINDS_OF_NUMBERS)))
            except (ValueError, TypeError):
                return array
    if how == "shape":
        return draw(st.sampled_from((array.ravel(), array[None], array[..., None], array.T, np.array(1.0))))
    if how == "cut" and array.ndim:
        axis = draw(st.integers(0, array.ndim - 1))
        return np.take(array, range(draw(st.integers(0, array.shape[axis]))), axis)
    if how == "order":
        return np.asfortranarray(array)
    if how == "fields" and array.dtype.kind == "f":
        return array.ravel().view([("a", array.dtype)])
    return np.empty((0, 3)) if how == "empty" else array


@st.composite
def damaged_arrays(draw: Any, contents: Any) -> dict[str, Any]:
    """Arrays by name, of which up to two are damaged, gone, renamed, or one another's."""
    content = dict(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(0, 2))):
        if not content:
            break
        name = draw(st.sampled_from(sorted(content)))
        how = draw(st.sampled_from(("array", "array", "array", "drop", "rename", "another's")))
        if how == "drop":
            del content[name]
        elif how == "rename":
            content[draw(st.sampled_from(("unheard_of", "z", "R", "type", "numbers", "a/b")))] = content.pop(name)
        elif how == "another's":
            content[name] = content[draw(st.sampled_from(sorted(content)))]
        elif isinstance(content[name], np.ndarray):
            content[name] = draw(damaged_array(content[name]))
        else:
            content[name] = draw(damaged_text([content[name].decode()]))
    return content


def _npz(arrays: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


@st.composite
def _npz_files(draw: Any, contents: Any) -> bytes:
    """Whole archives of damaged arrays, some of them damaged themselves."""
    content = _npz(draw(damaged_arrays(contents)))
    return draw(damaged_bytes(content)) if draw(st.integers(0, 3)) == 0 else content


def _check_npz(case: Any, folder: Path) -> None:
    (folder / "a.npz").write_bytes(case[0])
    check_frames(folder / "a.npz", case[1])


@st.composite
def _deepmd_folders(draw: Any) -> dict[str, bytes]:
    """Files of a system: damaged arrays, some of whose files are damaged themselves."""
    content = draw(
        damaged_arrays((DEEPMD, DEEPMD | {"nopbc": b""}, DEEPMD | {"real_atom_types": np.array([[0, 1, 1]] * 2)}))
    )
    files = {}
    for name, value in content.items():
        if isinstance(value, bytes):
            files[name] = value
            continue
        stream = io.BytesIO()
        np.save(stream, value)
        of_file = stream.getvalue()
        files[f"set.000/{name.replace('/', '')}.npy"] = (
            draw(damaged_bytes(of_file)) if draw(st.integers(0, 19)) == 0 else of_file
        )
    return files


def _check_deepmd(case: Any, folder: Path) -> None:
    for name, content in case[0].items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    check_frames(folder, case[1])


KINDS = (
    Kind("npz of sgdml", SOUND, 6_000, lambda: labelled(_npz_files((SGDML,))), _check_npz),
    Kind("npz of molecules", SOUND, 6_000, lambda: labelled(_npz_files(MOLECULES)), _check_npz),
    Kind("folders of DeePMD", SOUND, 5_000, lambda: labelled(_deepmd_folders()), _check_deepmd),
)
