"""Structures in: the same batch from every source, and one clear sentence for every broken one."""

import gzip
import lzma

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from pymatgen.core import Lattice, Molecule, Structure

from mliap_hybrid.config import LabelKeys, LabelUnits
from mliap_hybrid.data.frames import Frame
from mliap_hybrid.data.reading import frame_to_batch, read_frames, structure_to_batch
from mliap_hybrid.data.trajectories import frames_by_ase
from mliap_hybrid.errors import InputError
from mliap_hybrid.testing.finite_differences import relative_difference, virial_by_differences
from mliap_hybrid.testing.labelled import charged_lennard_jones, labelled_frames
from mliap_hybrid.testing.structures import rock_salt
from mliap_hybrid.units import BOHR, HARTREE

KEYS = LabelKeys(stress="stress", charges="reference_charges")
CUTOFF = 4.0


def same(a, b, tolerance=1e-7):
    for name in ("positions", "numbers", "cells", "pair_i", "pair_j", "energies", "forces", "virials", "charges"):
        if getattr(a, name) is None and getattr(b, name) is None:
            continue
        torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=tolerance, atol=tolerance)


@pytest.fixture(scope="module")
def atoms():
    return labelled_frames(1)[0]


@pytest.mark.parametrize("suffix", ["extxyz", "extxyz.xz", "extxyz.gz", "db", "traj"])
def test_every_format_gives_the_same_batch(tmp_path, suffix):
    frames = labelled_frames(3)
    path = tmp_path / f"frames.{suffix}"
    if suffix == "db":
        with connect(path) as database:
            for frame in frames:
                database.write(frame, data={"reference_charges": frame.arrays["reference_charges"]})
    elif suffix.startswith("extxyz."):
        ase.io.write(tmp_path / "plain.extxyz", frames)
        compress = lzma.compress if suffix.endswith("xz") else gzip.compress
        path.write_bytes(compress((tmp_path / "plain.extxyz").read_bytes()))
    else:
        ase.io.write(path, frames)
    keys = LabelKeys(stress="stress") if suffix == "traj" else KEYS  # a trajectory has no arrays of other names
    read = read_frames([path])
    assert [frame.source for frame in read] == [f"{path}, frame {index}" for index in range(3)]
    for before, after in zip(frames, read, strict=True):
        same(frame_to_batch(before, CUTOFF, keys), frame_to_batch(after, CUTOFF, keys))


def test_virial_is_minus_the_strain_derivative_of_the_energy(atoms):
    def energy(positions, cell):
        strained = Atoms(atoms.numbers, positions=positions, cell=cell, pbc=True)
        return charged_lennard_jones(strained).get_potential_energy()

    expected = virial_by_differences(energy, atoms.positions, atoms.cell.array, step=1e-4)
    assert relative_difference(frame_to_batch(atoms, CUTOFF, KEYS).virials[0], expected) < 1e-5


@pytest.mark.parametrize("form", ["voigt", "matrix", "nine"])
def test_stress_of_any_form_is_read(atoms, form):
    copy = atoms.copy()
    stress = atoms.get_stress(voigt=form == "voigt")
    copy.info["my_stress"] = stress.ravel() if form == "nine" else stress
    copy.info["my_energy"] = atoms.get_potential_energy()
    batch = frame_to_batch(copy, CUTOFF, LabelKeys(energy="my_energy", forces=None, stress="my_stress"))
    torch.testing.assert_close(batch.virials, frame_to_batch(atoms, CUTOFF, KEYS).virials)
    assert batch.forces is None


def test_units_are_converted_once(atoms):
    other = Atoms(atoms.numbers, positions=atoms.positions / BOHR, cell=atoms.cell.array / BOHR, pbc=True)
    other.set_array("reference_charges", atoms.arrays["reference_charges"])
    other.calc = SinglePointCalculator(
        other,
        energy=atoms.get_potential_energy() / HARTREE,
        forces=atoms.get_forces() * BOHR / HARTREE,
        stress=atoms.get_stress() * BOHR**3 / HARTREE,
    )
    units = LabelUnits(energy="Ha", length="bohr")
    same(frame_to_batch(other, CUTOFF, KEYS, units), frame_to_batch(atoms, CUTOFF, KEYS), tolerance=1e-10)


def test_total_charge_is_read(atoms):
    charged = atoms.copy()
    charged.calc = atoms.calc
    charged.info["q"] = -2
    assert frame_to_batch(charged, CUTOFF, LabelKeys(total_charge="q")).total_charges.tolist() == [-2.0]


def test_pymatgen_structure_and_molecule():
    atoms = rock_salt(1)
    structure = Structure(
        Lattice(atoms.cell.array), atoms.get_chemical_symbols(), atoms.positions, coords_are_cartesian=True
    )
    ours, theirs = frame_to_batch(atoms, CUTOFF), structure_to_batch(structure, CUTOFF)
    for name in ("numbers", "cells", "periodic"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name))
    assert ours.n_pairs == theirs.n_pairs

    molecule = Molecule(["O", "H"], [[0.0, 0.0, 0.0], [0.0, 0.0, 0.97]], charge=-1)
    batch = structure_to_batch(molecule, CUTOFF)
    assert batch.total_charges.tolist() == [-1.0]
    assert not batch.periodic.any()
    torch.testing.assert_close(batch.pair_vectors()[0], torch.tensor([0.0, 0.0, 0.97], dtype=torch.float64))


def test_disordered_structure_is_refused():
    structure = Structure(Lattice.cubic(3.0), [{"Na": 0.5, "K": 0.5}], [[0, 0, 0]])
    with pytest.raises(InputError, match="partly occupied"):
        structure_to_batch(structure, CUTOFF)


def refuse(atoms, keys, match, units=None):
    with pytest.raises(InputError, match=match) as caught:
        frame_to_batch(Frame(atoms, "file.extxyz, frame 7"), CUTOFF, keys, units)
    assert "file.extxyz, frame 7" in str(caught.value)
    return str(caught.value)


def test_unlabelled_frame_lists_the_keys_found(atoms):
    bare = atoms.copy()
    bare.info["config_type"] = "melt"
    message = refuse(bare, LabelKeys(), "no entry 'energy', which data.keys.energy names")
    assert "info: config_type" in message
    assert "arrays: reference_charges" in message
    assert "calculator: nothing" in message


@pytest.mark.parametrize("change", ["positions", "cell", "numbers"])
def test_labels_of_before_a_change_are_refused(change):
    (changed,) = labelled_frames(1)
    if change == "positions":
        changed.rattle(0.1)
    elif change == "cell":
        changed.set_cell(1.1 * changed.cell, scale_atoms=True)
    else:
        changed.numbers[0] = 19
    with pytest.raises(InputError, match=f"those of another structure: its .*{change}.* changed after"):
        frame_to_batch(changed, CUTOFF, LabelKeys())
    assert frame_to_batch(changed, CUTOFF).energies is None  # without labels it is a structure


def test_misnamed_label_is_answered_with_the_nearest(atoms):
    copy = atoms.copy()
    copy.info["REF_energy"] = -1.0
    refuse(copy, LabelKeys(energy="REF_enrgy"), "did you mean 'REF_energy'")


def test_label_of_another_shape_is_refused(atoms):
    refuse(atoms, LabelKeys(energy="forces"), r"'forces' has shape \(8, 3\), but data.keys.energy needs shape \(\)")
    refuse(atoms, LabelKeys(forces="reference_charges"), r"needs shape \(8, 3\)")
    refuse(atoms, LabelKeys(stress="forces"), "data.keys.stress needs shape")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_label_that_is_not_finite_is_refused(atoms, value):
    broken = atoms.copy()
    forces = atoms.get_forces()
    forces[5, 1] = value
    broken.calc = SinglePointCalculator(broken, energy=0.0, forces=forces)
    refuse(broken, LabelKeys(), f"'forces' of atom 5 is {value}")
    broken.calc = SinglePointCalculator(broken, energy=value, forces=forces)
    refuse(broken, LabelKeys(forces=None), f"'energy' is {value}")


def test_label_that_is_no_number_is_refused(atoms):
    broken = atoms.copy()
    broken.info["e"] = "low"
    refuse(broken, LabelKeys(energy="e"), "'e' is 'low'; expected numbers")


def test_stress_needs_a_cell_and_symmetry(atoms):
    cluster = Atoms("Na", positions=[[0, 0, 0]])
    cluster.info.update(energy=0.0, s=np.zeros(6))
    refuse(cluster, LabelKeys(forces=None, stress="s"), "periodic in three directions")
    skew = atoms.copy()
    skew.info.update(e=0.0, s=np.array([[1.0, 0.5, 0], [0, 1, 0], [0, 0, 1]]))
    refuse(skew, LabelKeys(energy="e", forces=None, stress="s"), "not symmetric")


def test_broken_structures_are_refused():
    refuse(Atoms(), None, "has no atoms")
    refuse(Atoms("X", positions=[[0, 0, 0]]), None, "dummy")
    refuse(Atoms("NaCl", positions=[[0, 0, 0], [0, 0, np.nan]]), None, "three finite numbers")
    refuse(Atoms("NaCl", positions=[[0, 0, 0], [0, 0, 0]]), None, "two atoms at one place")
    refuse(Atoms("Na", positions=[[0, 0, 0]], cell=[3, 3, np.nan], pbc=True), None, "expected finite numbers in Å")


def test_broken_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_frames([tmp_path / "none.extxyz"])
    garbage = tmp_path / "garbage.extxyz"
    garbage.write_text("not a structure\n")
    with pytest.raises(InputError, match=r"ASE cannot read .*garbage.extxyz"):
        read_frames([garbage])
    truncated = tmp_path / "truncated.extxyz.xz"
    truncated.write_bytes(lzma.compress(b"2\n\nNa 0 0 0\nCl 0 0 2\n")[:-20])
    with pytest.raises(InputError, match="ASE cannot read"):
        read_frames([truncated])
    empty = tmp_path / "empty.extxyz"
    empty.write_text("")
    with pytest.raises(InputError, match="empty"):
        read_frames([empty])


@pytest.mark.parametrize("text", ["2\n\nNa 0 0 0\n", "1\n\nNa 0 0 0\n50\n\nNa 0 0 0\nCl 0 0 2\n"])
def test_a_file_that_ends_within_a_frame(tmp_path, text):
    (tmp_path / "a.extxyz").write_text(text)
    for read in (lambda: read_frames([tmp_path / "a.extxyz"]), lambda: list(frames_by_ase(tmp_path / "a.extxyz"))):
        with pytest.raises(InputError, match=r"ends within a frame that announces \d+ atoms"):
            read()


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_labels_that_are_finite_in_their_own_unit_alone(atoms):
    broken = atoms.copy()
    broken.calc = SinglePointCalculator(broken, energy=1e308, forces=atoms.get_forces())
    refuse(broken, LabelKeys(), "the label 'energy' is too large a number in eV", LabelUnits(energy="Ha"))
