"""Planted faults of labels are told, with a sentence that names the way out."""

import gzip
import logging
import re
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from mliap_hybrid.config import (
    LabelKeys,
    LabelUnits,
    parse_training_file,
    read_training_file,
    write_training_file,
)
from mliap_hybrid.data.convergence import mark_convergence
from mliap_hybrid.data.frames import Frame
from mliap_hybrid.data.missing_labels import check_missing_labels, n_labelled_frames
from mliap_hybrid.data.reading import frame_to_batch, read_frames
from mliap_hybrid.data.shared_labels import shared_labels_warning
from mliap_hybrid.data.suspect_frames import suspicious_frames
from mliap_hybrid.errors import InputError
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.training_data import load_data
from mliap_hybrid.testing.metal_alloy import alloy_frames
from mliap_hybrid.units import BOHR, HARTREE, KCAL_PER_MOL, STRESS_UNITS

DATA = Path(__file__).parents[2] / "../shared/data"
OWN = Path(__file__).parents[2] / "training"
KBAR = 1 / STRESS_UNITS["kbar"]


@pytest.fixture(scope="module")
def alloy():
    return alloy_frames()


def settings_of(folder, frames, data=None, name="data.extxyz", **settings):
    """Settings of a training on the frames, which are written into the folder if there are any."""
    if frames is not None:
        ase.io.write(folder / name, frames)
    content = {
        "run": str(folder / "run"),
        "data": {"files": [str(folder / name)], "validation": 0.2, "test": 0.1} | (data or {}),
        "features": {"set": "gmp-2c", "max_order": 1, "widths": [0.7], "cutoff": 3.0},
        "network": {"hidden": [4]},
        **settings,
    }
    return parse_training_file(content, "planted")


def told(folder, caplog, frames, data=None, name="data.extxyz", **settings):
    """Warnings of reading the frames for a training, or the refusal."""
    settings = settings_of(folder, frames, data, name, **settings)
    caplog.clear()
    try:
        with caplog.at_level(logging.WARNING, logger="mliap_hybrid"):
            load_data(settings, Display())
    except InputError as error:
        return str(error)
    return caplog.text


def with_stress(frames, change):
    """Copies with `s` = change(stress (3, 3), frame) as nine numbers, or as six if it has six."""
    copies = []
    for atoms in frames:
        copy = atoms.copy()
        copy.calc = SinglePointCalculator(copy, energy=atoms.get_potential_energy(), forces=atoms.get_forces())
        copy.info["s"] = np.asarray(change(atoms.get_stress(voigt=False), atoms)).ravel()
        copies.append(copy)
    return copies


def with_labels(frames, **changes):
    copies = []
    for atoms in frames:
        copy = atoms.copy()
        results = {name: change(atoms) for name, change in changes.items()}
        copy.calc = SinglePointCalculator(copy, **{**atoms.calc.results, **results})
        copies.append(copy)
    return copies


def six(order):
    places = {"vasp": ((0, 1), (1, 2), (0, 2)), "lammps": ((0, 1), (0, 2), (1, 2))}[order]
    return lambda s, _: [s[0, 0], s[1, 1], s[2, 2], *(s[place] for place in places)]


def kinetic(atoms):
    return len(atoms) * 0.05 / atoms.get_volume() * np.eye(3)


STRESSES = {
    "virial in eV": (lambda s, a: -s * a.get_volume(), r"virials in eV.*data\.units\.stress.*data\.keys\.virial"),
    "opposite sign": (lambda s, a: -s, "Their sign is the opposite of ASE's"),
    "kbar": (lambda s, a: s * KBAR, "stresses in kbar"),
    "kbar of an OUTCAR": (lambda s, a: -s * KBAR, "stresses in kbar.*Their sign is the opposite"),
    "GPa": (lambda s, a: s * KBAR / 10, "stresses in GPa"),
    "bar of a dump, with the kinetic part": (lambda s, a: (kinetic(a) - s) * KBAR * 1e3, "stresses in (bar|atm)"),
    "order of VASP": (six("vasp"), r"set data\.units\.stress_order \(vasp\)"),
    "order of LAMMPS": (six("lammps"), r"set data\.units\.stress_order \(lammps\)"),
    "zeros": (lambda s, a: 0.0 * s, "are zero in all 40 frames"),
    "not symmetric": (lambda s, a: s + np.array([[0, 0.01, 0], [0, 0, 0], [0, 0, 0]]), "not symmetric"),
}
"""Fault -> what the file has, and what is said."""


def test_right_labels_are_left_in_peace(alloy, tmp_path, caplog):
    assert told(tmp_path, caplog, with_stress(alloy, lambda s, a: s), {"keys": {"stress": "s"}}) == ""


@pytest.mark.parametrize("fault", STRESSES)
def test_planted_stresses(alloy, tmp_path, caplog, fault):
    change, expected = STRESSES[fault]
    said = told(tmp_path, caplog, with_stress(alloy, change), {"keys": {"stress": "s"}})
    assert re.search(expected, said), said


def test_the_kinetic_part_of_a_pressure(tmp_path, caplog):
    frames = alloy_frames(120)
    for index, atoms in enumerate(frames):
        sizes = np.sqrt(atoms.get_masses() * 0.35)[:, None]  # at 4000 K, in ASE's units
        atoms.set_momenta(sizes * np.random.default_rng(index).normal(size=(4, 3)))

    def written(change):
        copies = with_stress(frames, change)
        for copy, atoms in zip(copies, frames, strict=True):
            copy.set_momenta(atoms.get_momenta())
        return copies

    def pressure(s, atoms):
        velocities, momenta = atoms.get_velocities(), atoms.get_momenta()
        return s - momenta.T @ velocities / atoms.get_volume()

    assert told(tmp_path, caplog, written(lambda s, a: s), {"keys": {"stress": "s"}}) == ""
    said = told(tmp_path, caplog, written(pressure), {"keys": {"stress": "s"}})
    assert "the virials follow the momenta of 120 frames" in said
    assert "compute pressure NULL virial" in said


@pytest.mark.parametrize(
    ("change", "units"),
    [
        (lambda s, a: -s * KBAR, {"stress": "-kbar"}),
        (lambda s, a: s * KBAR / 10, {"stress": "GPa"}),
        (lambda s, a: -np.array(six("lammps")(s, a)) * KBAR * 1e3, {"stress": "-bar", "stress_order": "lammps"}),
        (lambda s, a: -np.array(six("vasp")(s, a)) * KBAR, {"stress": "-kbar", "stress_order": "vasp"}),
    ],
)
def test_stresses_in_units_that_are_said(alloy, tmp_path, caplog, change, units):
    """The virial is that of the right label, and nothing is told."""
    frames = with_stress(alloy, change)
    assert told(tmp_path, caplog, frames, {"keys": {"stress": "s"}, "units": units}) == ""
    batch = frame_to_batch(read_frames([tmp_path / "data.extxyz"])[3], 3.0, LabelKeys(stress="s"), LabelUnits(**units))
    expected = -alloy[3].get_stress(voigt=False) * alloy[3].get_volume()
    np.testing.assert_allclose(batch.virials[0].numpy(), expected, atol=1e-6)


def test_virials_have_a_key(alloy, tmp_path, caplog):
    frames = with_stress(alloy, lambda s, a: -s * a.get_volume() / KCAL_PER_MOL)
    for atoms in frames:
        atoms.calc.results["energy"] /= KCAL_PER_MOL
        atoms.calc.results["forces"] = atoms.calc.results["forces"] / KCAL_PER_MOL
    data = {"keys": {"virial": "s"}, "units": {"energy": "kcal/mol"}}
    assert told(tmp_path, caplog, frames, data, loss={"virial": 1.0}) == ""
    keys, units = LabelKeys(virial="s"), LabelUnits(energy="kcal/mol")
    batch = frame_to_batch(read_frames([tmp_path / "data.extxyz"])[0], 3.0, keys, units)
    expected = -alloy[0].get_stress(voigt=False) * alloy[0].get_volume()
    np.testing.assert_allclose(batch.virials[0].numpy(), expected, atol=1e-6)
    wrong = with_stress(alloy, lambda s, a: s)
    said = told(tmp_path, caplog, wrong, {"keys": {"virial": "s"}})
    assert "a stress belongs under data.keys.stress. Their sign is the opposite" in said


def test_an_unsymmetric_stress_of_ase_itself(alloy, tmp_path, caplog):
    """ASE keeps six of the nine numbers of an entry that is called `stress`."""
    ase.io.write(tmp_path / "data.extxyz", alloy[:8])
    lines = (tmp_path / "data.extxyz").read_text().splitlines()
    nine = "1.0 0.0 0.0 0.5 1.0 0.0 0.0 0.0 1.0"
    head, _, rest = lines[1].partition('stress="')
    lines[1] = head + f'stress="{nine}"' + rest.partition('"')[2]
    (tmp_path / "data.extxyz").write_text("\n".join([*lines, ""]))
    assert "is not symmetric" in told(tmp_path, caplog, None, {"keys": {"stress": "stress"}})
    assert "symmetric" not in told(tmp_path, caplog, None)


LABELS = {
    "energies in kcal/mol": ({"energy": lambda a: a.get_potential_energy() / KCAL_PER_MOL}, "not in units that belong"),
    "energies in Ha": ({"energy": lambda a: a.get_potential_energy() / HARTREE}, "not in units that belong"),
    "forces in kcal/mol/Å": ({"forces": lambda a: a.get_forces() / KCAL_PER_MOL}, "looks like forces in kcal/mol/Å"),
    "forces in Ha/bohr": ({"forces": lambda a: a.get_forces() * BOHR / HARTREE}, "in Ha/bohr"),
    "gradients for forces": ({"forces": lambda a: -a.get_forces()}, "the forces have the wrong sign"),
    "energies of 0 K": ({"free_energy": lambda a: a.get_potential_energy() - 0.02}, "data.keys.energy to free_energy"),
    "zeros for energies": ({"energy": lambda a: 0.0}, "is 0 in all 40 frames"),
    "one energy for all": ({"energy": lambda a: -3.7}, "is -3.7 in all 40 frames"),
}
"""Fault -> labels, and what is said."""


@pytest.mark.parametrize("fault", LABELS)
def test_planted_energies_and_forces(tmp_path, caplog, fault):
    changes, expected = LABELS[fault]
    crystal = alloy_frames(1)[0]
    frames = []
    for index in range(40):  # in one cell, as of a run at constant volume
        atoms = crystal.copy()
        atoms.rattle(0.05, seed=index)
        atoms.calc = EMT()
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **results)
        frames.append(atoms)
    assert told(tmp_path, caplog, frames) == ""
    said = told(tmp_path, caplog, with_labels(frames, **changes), name="data.traj")
    assert expected in said, said


def test_a_dump_of_lammps_has_no_energies(tmp_path, caplog):
    """ASE reads it with an energy of zero in every frame."""
    lines = []
    for step in range(12):
        lines += ["ITEM: TIMESTEP", str(step), "ITEM: NUMBER OF ATOMS", "2", "ITEM: BOX BOUNDS pp pp pp"]
        lines += ["0 9"] * 3 + ["ITEM: ATOMS id type element x y z fx fy fz"]
        lines += [f"1 1 Na 0 0 0 0 0 {step + 1}", f"2 2 Cl 0 0 {2 + 0.1 * step} 0 0 {-step - 1}"]
    (tmp_path / "run.lammpstrj").write_text("\n".join([*lines, ""]))
    said = told(tmp_path, caplog, None, name="run.lammpstrj")
    assert "is 0 in all 12 frames, so that it is no energy of theirs" in said
    assert "loss.energy" in said
    types = (
        (tmp_path / "run.lammpstrj").read_text().replace("type element", "type").replace("Na ", "").replace("Cl ", "")
    )
    (tmp_path / "run.lammpstrj").write_text(types)
    assert "data.elements: [Na, Cl]" in told(tmp_path, caplog, None, name="run.lammpstrj")
    assert "is 0 in all 12 frames" in told(tmp_path, caplog, None, {"elements": ["Na", "Cl"]}, "run.lammpstrj")


def test_elements_of_types_without_a_dump(alloy, tmp_path, caplog):
    said = told(tmp_path, caplog, alloy, {"elements": ["Na", "Cl"]})
    assert "data.elements names the elements of the atom types of dumps of LAMMPS, and none of" in said


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_frames_after_a_blank_line_are_read(alloy, tmp_path, suffix):
    ase.io.write(tmp_path / "data.extxyz", alloy)
    lines = (tmp_path / "data.extxyz").read_text().splitlines()
    text = "\n".join([*lines[:12], "", "", *lines[12:], "", ""])
    path = tmp_path / f"blank.extxyz{suffix}"
    path.write_bytes(gzip.compress(text.encode()) if suffix else text.encode())
    read = read_frames([path])
    assert len(read) == len(alloy)
    for frame, atoms in zip(read, alloy, strict=True):
        np.testing.assert_allclose(frame.atoms.get_forces(), atoms.get_forces(), atol=1e-7)


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize(("label", "name"), [("stress", "stress"), ("virial", "virial"), ("stress", "REF_stress")])
def test_tensors_in_nested_brackets_are_read(tmp_path, label, name, quoted):
    """As the library extxyz of libAtoms writes them; ASE refuses two names and cuts others."""
    tensor, quote = np.array([[1.0, 4.0, 5.0], [4.0, 2.0, -6e-3], [5.0, -6e-3, 3.0]]), '"' if quoted else ""
    head = 'Lattice="3 1 0 0 4 0 0 0 5" Properties=species:S:1:pos:R:3 energy=-1.0'
    frame = f"1\n{head} {name}={quote}{tensor.tolist()}{quote} pbc=[T, T, T]\nH 0 0 1\n"
    (tmp_path / "data.extxyz").write_text(2 * frame)
    batch = frame_to_batch(read_frames([tmp_path / "data.extxyz"])[1], 2.0, LabelKeys(forces=None, **{label: name}))
    factor = -60.0 if label == "stress" else 1.0  # of the volume 3 x 4 x 5
    np.testing.assert_allclose(batch.virials[0].numpy(), factor * tensor, rtol=1e-12)
    (tmp_path / "data.extxyz").write_text(frame.replace("[4.0, 2.0", "[-4.0, 2.0"))
    with pytest.raises(InputError, match="not symmetric"):
        frame_to_batch(read_frames([tmp_path / "data.extxyz"])[0], 2.0, LabelKeys(forces=None, **{label: name}))


def test_labels_of_before_a_displacement(alloy, tmp_path, caplog):
    """ASE writes them into extended xyz; copies that are only shifted have them by right."""
    shifted = [atoms.copy() for atoms in alloy[:3]]
    for atoms, labelled in zip(shifted, alloy, strict=False):
        atoms.positions += [0.3, 0.1, 0.0]
        atoms.calc = SinglePointCalculator(atoms, **labelled.calc.results)
    ase.io.write(tmp_path / "shifted.extxyz", [*alloy, *shifted])
    assert shared_labels_warning(read_frames([tmp_path / "shifted.extxyz"]), LabelKeys()) is None
    displaced = alloy_frames()[:3]
    for atoms in displaced:
        atoms.rattle(0.05)
    said = told(tmp_path, caplog, [*alloy, *displaced])
    assert f"3 of {len(alloy) + 3} frames have the energy and forces of another frame with other positions" in said


def test_an_empty_comment_line_is_no_end(tmp_path):
    path = tmp_path / "plain.xyz"
    path.write_text("1\n\nH 0 0 0\n2\n\nH 0 0 0\nH 0 0 1\n")
    assert [len(frame.atoms) for frame in read_frames([path])] == [1, 2]


def test_files_for_validation_and_test(alloy, tmp_path, caplog):
    for name, part in (("v.extxyz", alloy[30:35]), ("t.extxyz", alloy[35:])):
        ase.io.write(tmp_path / name, part)
    data = {"validation_files": [str(tmp_path / "v.extxyz")], "test_files": [str(tmp_path / "t.extxyz")]}
    settings = settings_of(tmp_path, alloy[:30], data)
    parts = load_data(settings, Display())
    assert {name: len(part) for name, part in parts.items()} == {"train": 30, "validation": 5, "test": 5}
    assert [batch.sources[0] for batch in parts["validation"]] == [f"{tmp_path}/v.extxyz, frame {k}" for k in range(5)]
    write_training_file(settings, tmp_path / "sub.yaml")
    assert read_training_file(tmp_path / "sub.yaml").data.validation_files == [tmp_path / "v.extxyz"]


def test_weights_of_frames_are_told(alloy, tmp_path, caplog):
    frames = [atoms.copy() for atoms in alloy]
    for copy, atoms in zip(frames, alloy, strict=True):
        copy.calc = atoms.calc
        copy.info["config_weight"] = 1.0
    assert told(tmp_path, caplog, frames) == ""
    for index, copy in enumerate(frames):
        copy.info["config_weight"] = 1.0 + index % 3
    assert "weights (config_weight), which nothing reads" in told(tmp_path, caplog, frames)


def test_electrons_that_did_not_converge(tmp_path):
    """A step without the word, and one with it after all the steps that are allowed: VASP writes it then, too."""
    iteration, end = "---- Iteration  1(  1) ----\n", "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)\n"
    reached = "---- aborting loop because EDIFF is reached ----\n"
    steps = [7 * iteration + reached, 9 * iteration, 12 * iteration + reached, 11 * iteration + reached, ""]
    (tmp_path / "OUTCAR").write_text("   NELM   =     12;   NELMIN=  2\n" + "".join(step + end for step in steps))
    structures = [Atoms("H") for _ in steps]
    mark_convergence(structures, (tmp_path / "OUTCAR").read_text(), "vasp-out")
    assert [bool(atoms.info) for atoms in structures] == [False, True, True, False, False]
    (sentence,) = suspicious_frames([Frame(a, f"OUTCAR, frame {i}") for i, a in enumerate(structures)], LabelKeys())
    assert "the electrons of 2 of 5 frames did not converge" in sentence
    assert "first OUTCAR, frame 1" in sentence
    scf = "<calculation>" + 60 * "<scstep>"
    (tmp_path / "vasprun.xml").write_text(f'<i type="int" name="NELM">    60</i>{scf}<calculation><scstep>')
    structures = [Atoms("H"), Atoms("H")]
    mark_convergence(structures, (tmp_path / "vasprun.xml").read_text(), "vasp-xml")
    assert [bool(atoms.info) for atoms in structures] == [True, False]


def test_charges_that_nobody_has_set(alloy, tmp_path, caplog):
    frames = [atoms.copy() for atoms in alloy]
    for copy, atoms in zip(frames, alloy, strict=True):
        copy.calc = atoms.calc
        copy.set_array("q", np.zeros(len(copy)))
    assert "'q', which data.keys.charges names, is zero in all 40" in told(
        tmp_path, caplog, frames, {"keys": {"charges": "q"}}
    )


class TestMixedFrames:
    """Slabs and molecules among crystals with stresses, crystals among molecules with dipole moments."""

    def frames(self, alloy):
        slab = alloy[0].copy()
        slab.pbc = (True, True, False)
        slab.calc = alloy[0].calc
        return [*alloy[:20], slab]

    def test_the_way_is_named(self, alloy, tmp_path, caplog):
        said = told(tmp_path, caplog, self.frames(alloy), {"keys": {"stress": "stress"}})
        assert "frame 20: the frame is not periodic in three directions" in said
        assert "1 of 21 frames lack it" in said
        assert "data.missing_labels to allow" in said

    def test_the_label_is_used_where_it_has_a_meaning(self, alloy, tmp_path, caplog):
        data = {"keys": {"stress": "stress"}, "missing_labels": "allow", "validation": 0.1}
        assert told(tmp_path, caplog, self.frames(alloy), data) == ""
        frame = read_frames([tmp_path / "data.extxyz"])[20]
        batch = frame_to_batch(frame, 3.0, LabelKeys(stress="stress"), allow_missing=True)
        assert batch.virials is None
        assert batch.forces is not None

    def test_dipole_moments(self, alloy, tmp_path, caplog):
        water = molecule("H2O")
        water.calc = SinglePointCalculator(water, energy=-1.0, forces=np.full((3, 3), 0.1))
        crystal = alloy[0].copy()
        crystal.calc = alloy[0].calc
        for atoms in (water, crystal):
            atoms.info["mu"] = np.array([0.0, 0.0, 0.4])
        frames = [Frame(water, "water"), Frame(crystal, "crystal")]
        with pytest.raises(InputError, match=r"crystal: the frame is periodic .* 'mu'.*missing_labels to allow"):
            check_missing_labels(frames, LabelKeys(dipole="mu"), allowed=False)
        check_missing_labels(frames, LabelKeys(dipole="mu"), allowed=True)
        assert n_labelled_frames(frames, LabelKeys(dipole="mu"))["dipole"] == 1
