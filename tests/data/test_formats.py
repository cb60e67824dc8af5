"""Files of other makers: read, in the units that they or the training file say, or refused with what they need."""

import gzip
import shutil
from contextlib import suppress

import ase.io
import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect

from mliap_hybrid.config import LabelKeys, LabelUnits
from mliap_hybrid.data.formats import _read_file
from mliap_hybrid.data.frames import lookup
from mliap_hybrid.data.n2p2 import write_n2p2
from mliap_hybrid.data.reading import frame_to_batch, read_frames
from mliap_hybrid.errors import InputError
from mliap_hybrid.testing.metal_alloy import alloy_frames
from mliap_hybrid.units import BOHR, HARTREE, KCAL_PER_MOL


@pytest.fixture(scope="module")
def methanol():
    """Positions, energies, forces (eV, Å) of 7 frames, and atomic numbers."""
    random, start = np.random.default_rng(0), molecule("CH3OH")
    positions, energies, forces = [], [], []
    for _ in range(7):
        atoms = start.copy()
        atoms.positions += random.normal(0, 0.05, atoms.positions.shape)
        atoms.calc = EMT()
        positions.append(atoms.positions)
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
    return np.array(positions), np.array(energies), np.array(forces), start.numbers.astype(np.uint8)


def read_one(path, units=None, index=3):
    frames = read_frames([path])
    return frame_to_batch(frames[index], 3.0, LabelKeys(), units or LabelUnits())


N_ALLOY = len(alloy_frames(1)[0])


def forces_of(frame):
    return frame.atoms.calc.results["forces"]


def compare(batch, methanol, index=3):
    positions, energies, forces, numbers = methanol
    np.testing.assert_allclose(batch.positions.numpy(), positions[index], atol=1e-9)
    np.testing.assert_array_equal(batch.numbers.numpy(), numbers)
    assert batch.energies.item() == pytest.approx(energies[index], abs=1e-9)
    np.testing.assert_allclose(batch.forces.numpy(), forces[index], atol=1e-9)


class TestMolecules:
    def test_rmd17_is_in_kcal_per_mol(self, methanol, tmp_path):
        r, e, f, z = methanol
        kcal = {"energies": e / KCAL_PER_MOL, "forces": f / KCAL_PER_MOL}
        np.savez(tmp_path / "a.npz", nuclear_charges=z, coords=r, old_indices=np.arange(7), **kcal)
        compare(read_one(tmp_path / "a.npz"), methanol)
        compare(read_one(tmp_path / "a.npz", LabelUnits(energy="kcal/mol", length="Å")), methanol)

    @pytest.mark.parametrize("column", [False, True])
    def test_others_must_say_their_units(self, methanol, tmp_path, column):
        r, e, f, z = methanol
        np.savez(tmp_path / "a.npz", R=r, E=e[:, None] if column else e, F=f, z=z)
        with pytest.raises(InputError, match=r"frame 3: the file does not say its units.*expected data\.units\.energy"):
            read_one(tmp_path / "a.npz")
        compare(read_one(tmp_path / "a.npz", LabelUnits(energy="eV")), methanol)
        half = read_one(tmp_path / "a.npz", LabelUnits(energy="kcal/mol"))
        assert half.energies.item() == pytest.approx(e[3] * KCAL_PER_MOL)

    def test_frames_filled_up_with_zeros(self, methanol, tmp_path):
        r, e, f, z = methanol
        numbers = np.tile(z, (7, 1))
        numbers[3, -1] = 0
        np.savez(tmp_path / "a.npz", R=r, E=e, F=f, Z=numbers, N=(numbers > 0).sum(1))
        batch = read_one(tmp_path / "a.npz", LabelUnits(energy="eV"))
        assert batch.n_atoms == 5
        np.testing.assert_allclose(batch.forces.numpy(), f[3, :-1], atol=1e-12)

    @pytest.mark.parametrize("units", [("Ang", "kcal/mol", 1.0, KCAL_PER_MOL), ("au", "au", BOHR, HARTREE)])
    def test_sgdml_says_its_units(self, methanol, tmp_path, units):
        r, e, f, z = methanol
        length_name, energy_name, length, energy = units
        file = {"type": "d", "z": z, "R": r / length, "E": e[:, None] / energy, "F": f * length / energy}
        np.savez(tmp_path / "a.npz", **file, r_unit=length_name, e_unit=energy_name)
        compare(read_one(tmp_path / "a.npz"), methanol)
        with pytest.raises(InputError, match="the file says its own units"):
            read_one(tmp_path / "a.npz", LabelUnits(energy="kJ/mol"))

    def test_what_is_found_and_what_is_needed(self, methanol, tmp_path):
        r, e, f, z = methanol
        np.savez(tmp_path / "a.npz", q=r, E=e, z=z)
        with pytest.raises(InputError, match=r"expected one of R, coords, pos.*; found q, E, z"):
            read_frames([tmp_path / "a.npz"])
        np.savez(tmp_path / "b.npz", R=r, E=e, F=f[:, :2], z=z)
        with pytest.raises(InputError, match=r"'F' has shape \(7, 2, 3\); expected \(7, 6, 3\)"):
            read_frames([tmp_path / "b.npz"])
        (tmp_path / "c.npz").write_text("not an archive")
        with pytest.raises(InputError, match=r"is not an \.npz file of numbers"):
            read_frames([tmp_path / "c.npz"])
        np.savez(tmp_path / "d.npz", type="d", z=z, R=r, F=f)
        with pytest.raises(InputError, match="has no 'E'"):
            read_frames([tmp_path / "d.npz"])


class TestBrokenArrays:
    """What ends in numpy or zipfile, or would be read as other atoms, is one sentence of the reader's own."""

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            ("z", [8, -1], r"'z' is \[8, -1\]; expected the atomic number"),
            ("z", [8, 119], "expected the atomic number"),
            ("z", [8, 1.5], "expected the atomic number"),
            ("z", [[8, 1]], "expected the atomic number"),
            ("R", np.zeros((3, 2, 3), complex), "'R' is of type complex128"),
            ("R", np.float64(1.0), "'R' has shape"),
            ("lattice", np.eye(2), r"'lattice' has shape \(2, 2\)"),
            ("r_unit", ["Ang", "bohr"], "units"),
            ("type", ["d", "d"], "its 'type' is"),
        ],
    )
    def test_sgdml(self, tmp_path, name, value, said):
        sound = {"type": "d", "z": [8, 1], "R": np.ones((3, 2, 3)), "E": np.zeros(3), "F": np.zeros((3, 2, 3))}
        np.savez(tmp_path / "a.npz", **sound)
        assert len(read_frames([tmp_path / "a.npz"])) == 3
        np.savez(tmp_path / "a.npz", **sound | {name: value})
        with pytest.raises(InputError, match=said):
            read_frames([tmp_path / "a.npz"])

    @pytest.mark.parametrize("numbers", [[8, 1.5], [8, -1], [np.nan, 1]])
    def test_molecules(self, tmp_path, numbers):
        np.savez(tmp_path / "a.npz", z=numbers, R=np.zeros((3, 2, 3)))
        with pytest.raises(InputError, match="expected atomic numbers, 0 where there is no atom"):
            read_frames([tmp_path / "a.npz"])

    @pytest.mark.parametrize("kind", [{}, {"type": "d"}])
    def test_a_bit_that_flipped(self, tmp_path, kind):
        np.savez(tmp_path / "a.npz", **kind, z=[8, 1], R=np.zeros((3, 2, 3)), E=np.zeros(3), F=np.zeros((3, 2, 3)))
        content, random = (tmp_path / "a.npz").read_bytes(), np.random.default_rng(0)
        for bit in random.integers(8 * len(content), size=100).tolist():
            changed = bytearray(content)
            changed[bit // 8] ^= 1 << bit % 8
            (tmp_path / "a.npz").write_bytes(changed)
            with suppress(InputError):  # raised by the reader of arrays, not for ASE, which reads other files
                _read_file(tmp_path / "a.npz", None)


class TestUnitsOfN2p2:
    """The format has none: Ha and bohr, unless the training file says otherwise."""

    def test_said_units_are_converted_once(self, tmp_path):
        frames = alloy_frames(2)
        write_n2p2(tmp_path / "atomic.data", frames)
        lines = ["begin"]
        lines += ["lattice " + " ".join(f"{x:.10f}" for x in row) for row in frames[0].cell.array]
        for symbol, place, force in zip(frames[0].symbols, frames[0].positions, frames[0].get_forces(), strict=True):
            x, f = (" ".join(f"{value:.10f}" for value in values) for values in (place, force))
            lines.append(f"atom {x} {symbol} 0 0 {f}")
        lines += [f"energy {frames[0].get_potential_energy():.10f}", "charge 0", "end", ""]
        (tmp_path / "ev.data").write_text("\n".join(lines))
        atomic, ev = LabelUnits(energy="Ha", length="bohr"), LabelUnits(energy="eV", length="Å")
        for file, units in (("atomic.data", None), ("atomic.data", atomic), ("ev.data", ev)):
            batch = read_one(tmp_path / file, units, 0)
            np.testing.assert_allclose(batch.positions.numpy(), frames[0].positions, atol=1e-7)
            np.testing.assert_allclose(batch.cells[0].numpy(), frames[0].cell.array, atol=1e-7)
            np.testing.assert_allclose(batch.forces.numpy(), frames[0].get_forces(), atol=1e-7)
            assert batch.energies.item() == pytest.approx(frames[0].get_potential_energy(), abs=1e-7)

    def test_unsaid_units_stay_unsaid_in_the_resolved_file(self):
        """What a run writes down and reads again must not turn a default into something that was said."""
        assert LabelUnits().model_dump()["energy"] is None
        assert LabelUnits(**LabelUnits().model_dump()) == LabelUnits()


class TestDeepmd:
    def write(self, folder, frames):
        (folder / "set.000").mkdir(parents=True)
        (folder / "type_map.raw").write_text("Cu\nAu\n")
        (folder / "type.raw").write_text("\n".join("1" if z == 79 else "0" for z in frames[0].numbers))
        arrays = {
            "box": [a.cell.array.ravel() for a in frames],
            "coord": [a.positions.ravel() for a in frames],
            "energy": [a.get_potential_energy() for a in frames],
            "force": [a.get_forces().ravel() for a in frames],
            "virial": [(-a.get_stress(voigt=False) * a.get_volume()).ravel() for a in frames],
        }
        for name, values in arrays.items():
            np.save(folder / f"set.000/{name}.npy", np.array(values))

    def test_a_system_is_read(self, tmp_path):
        frames = alloy_frames(3)
        self.write(tmp_path / "all/one", frames)
        read = read_frames([tmp_path / "all"])  # the folder above does as well
        assert len(read) == 3
        keys, ours = LabelKeys(virial="virial"), LabelKeys(stress="stress")
        for before, after in zip(frames, read, strict=True):
            expected, found = frame_to_batch(before, 3.0, ours), frame_to_batch(after, 3.0, keys)
            for name in ("numbers", "positions", "cells", "energies", "forces", "virials"):
                np.testing.assert_allclose(getattr(found, name).numpy(), getattr(expected, name).numpy(), atol=1e-9)

    def test_molecules(self, tmp_path):
        self.write(tmp_path / "one", alloy_frames(2))
        (tmp_path / "one/nopbc").touch()
        assert not read_frames([tmp_path / "one"])[0].atoms.pbc.any()

    def test_atoms_that_a_frame_does_not_have(self, tmp_path):
        frames = alloy_frames(2)
        self.write(tmp_path / "one", frames)
        types = np.array([[int(z == 79) for z in atoms.numbers] for atoms in frames])
        types[1, 3] = -1
        np.save(tmp_path / "one/set.000/real_atom_types.npy", types)
        read = read_frames([tmp_path / "one"])
        np.testing.assert_array_equal(read[0].atoms.numbers, frames[0].numbers)
        for before, after in ((frames[1].numbers, read[1].atoms.numbers), (frames[1].get_forces(), forces_of(read[1]))):
            np.testing.assert_array_equal(after, np.delete(before, 3, axis=0))

    @pytest.mark.parametrize(
        ("spoil", "said"),
        [
            (lambda f: (f / "type_map.raw").unlink(), "has no type_map.raw: write the element"),
            (lambda f: (f / "type_map.raw").write_text("OW HW"), "'OW' is not an element"),
            (lambda f: (f / "type.raw").write_text("0 1 2 0"), "expected a type from 0 to 1"),
            (lambda f: (f / "set.000/box.npy").unlink(), "has no box.npy; expected one, or a file nopbc"),
            (lambda f: (f / "set.000/coord.npy").unlink(), "has no coord.npy"),
            (lambda f: np.save(f / "set.000/force.npy", np.zeros((2, 9))), r"force.npy has shape \(2, 9\)"),
            (lambda f: (f / "set.000/energy.npy").write_text("0"), "is not a numpy array"),
            (lambda f: shutil.rmtree(f / "set.000"), "no folder set.000"),
            (lambda f: (f / "type.raw").unlink(), "expected a system of DeePMD-kit"),
            (lambda f: (f / "type.raw").write_text("0 ² 1 0"), "expected a type from 0 to 1"),
            (lambda f: np.save(f / "set.000/coord.npy", np.full((2, 96), 1j)), "is no array of numbers"),
            (
                lambda f: np.save(f / "set.000/real_atom_types.npy", np.full((2, N_ALLOY), 2)),
                "expected types from -1 to 1",
            ),
        ],
    )
    def test_a_broken_system_is_refused(self, tmp_path, spoil, said):
        self.write(tmp_path / "one", alloy_frames(2))
        spoil(tmp_path / "one")
        with pytest.raises(InputError, match=said):
            read_frames([tmp_path / "one"])


@pytest.mark.parametrize("name", ["a.traj", "a.db", "a.json", "a.extxyz"])
def test_compressed_files_of_ase(tmp_path, name):
    frames = alloy_frames(2)
    ase.io.write(tmp_path / name, frames)
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    read = read_frames([tmp_path / f"{name}.gz"])
    assert read[1].source == f"{tmp_path / name}.gz, frame 1"
    np.testing.assert_allclose(read[1].atoms.get_forces(), frames[1].get_forces(), atol=1e-7)


def test_columns_of_a_database_that_ase_computes_itself(tmp_path):
    """A column `charge` is what was written, not the sum of initial charges that ASE gives in its place."""
    (atoms,) = alloy_frames(1)
    with connect(tmp_path / "a.db") as database:
        database.write(atoms, charge=-1.0, mass=7.0)
    (frame,) = read_frames([tmp_path / "a.db"])
    assert lookup(frame, "charge", "data.keys.total_charge") == -1.0
    assert frame_to_batch(frame, 3.0, LabelKeys(total_charge="charge")).total_charges.tolist() == [-1.0]


class TestWhatIsQuoted:
    """Messages stay short, whatever a file holds."""

    long = "x" * 1_000_000

    def check(self, path, keys=None):
        with pytest.raises(InputError) as caught:
            frame_to_batch(read_frames([path])[0], 3.0, keys or LabelKeys())
        assert len(str(caught.value)) < 6000
        return str(caught.value)

    def test_n2p2(self, tmp_path):
        (tmp_path / "a.data").write_text(f"begin\n{self.long} 1\nend\n")
        assert "(1000000 characters)" in self.check(tmp_path / "a.data")
        (tmp_path / "b.data").write_text(f"begin\nenergy {self.long}\nend\n")
        assert "(1000000 characters)" in self.check(tmp_path / "b.data")
        (tmp_path / "c.data").write_text(f"begin\natom 0 0 0 {self.long} 0 0 0 0 0\nend\n")
        self.check(tmp_path / "c.data")

    def test_extxyz(self, tmp_path):
        head = 'Lattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3'
        (tmp_path / "a.extxyz").write_text(f"1\n{head} e={self.long}\nH 0 0 0\n")
        assert "expected numbers" in self.check(tmp_path / "a.extxyz", LabelKeys(energy="e"))
        many = " ".join(f"key{index}=1" for index in range(5000))
        (tmp_path / "b.extxyz").write_text(f"1\n{head} {many}\nH 0 0 0\n")
        assert "more" in self.check(tmp_path / "b.extxyz")
        (tmp_path / "c.extxyz").write_text(f"{self.long}\n\n")
        self.check(tmp_path / "c.extxyz")

    def test_a_cell_without_volume(self, tmp_path):
        (atoms,) = alloy_frames(1)
        atoms.set_cell(np.zeros((3, 3)))
        atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=np.zeros((4, 3)), stress=np.ones(6))
        with pytest.raises(InputError, match="has no volume"):
            frame_to_batch(atoms, 3.0, LabelKeys(stress="stress"))
