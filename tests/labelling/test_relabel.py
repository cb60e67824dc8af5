"""Labels of a calculator: the same as ASE's, by any number of processes, and gone on with after whatever happened."""

from typing import ClassVar

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from typer.testing import CliRunner

from mliap_hybrid.cli.main import app
from mliap_hybrid.errors import InputError
from mliap_hybrid.labelling.calculators import CalculatorSource, plain_value
from mliap_hybrid.labelling.relabel import relabel
from mliap_hybrid.labelling.single_point import Labeller

EMT_SOURCE = CalculatorSource("emt")

SCRIPT = """
import os
from pathlib import Path
from ase.calculators.emt import EMT

class Moody(EMT):
    def __init__(self, mood):
        super().__init__()
        self.mood = mood

    def calculate(self, atoms=None, *others):
        if atoms.positions[0, 0] > 0.5:
            if self.mood == "ends":
                os._exit(3)
            if self.mood == "stops":
                raise SystemExit(0)
            raise RuntimeError("no convergence")
        super().calculate(atoms, *others)
        if self.mood == "wrong":
            self.results["forces"] = self.results["forces"] * float("nan")
"""


def frames(n=6):
    random = np.random.default_rng(5)
    crystals = [bulk("Cu", cubic=True) for _ in range(n)]
    for atoms in crystals:
        atoms.positions += random.normal(0, 0.1, atoms.positions.shape)
        atoms.calc = SinglePointCalculator(atoms, energy=-99.0, forces=np.ones((len(atoms), 3)))
        atoms.info |= {"config_type": "hot", "REF_energy": -98.0}
    return crystals


def shown(items, _):
    return iter(items)


def check(file, structures):
    """Every structure is in the file, with what ASE finds for it."""
    found = sorted(read(file, ":"), key=lambda atoms: atoms.info["frame"])
    assert [atoms.info["frame"] for atoms in found] == list(range(len(structures)))
    for one, other in zip(found, structures, strict=True):
        expected = other.copy()
        expected.calc = EMT()
        assert one.get_potential_energy() == pytest.approx(expected.get_potential_energy(), abs=1e-6)
        np.testing.assert_allclose(one.get_forces(), expected.get_forces(), atol=1e-6)
        np.testing.assert_allclose(one.get_stress(), expected.get_stress(), atol=1e-8)
        assert one.info["config_type"] == "hot"
        assert "REF_energy" not in one.info


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_labels_are_those_of_the_calculator(tmp_path, n_jobs):
    outcome = relabel(frames(), EMT_SOURCE, tmp_path / "out.extxyz", (), n_jobs, shown)
    assert (outcome.n_before, outcome.n_now, outcome.failures) == (0, 6, {})
    check(tmp_path / "out.extxyz", frames())


def test_what_was_stopped_goes_on(tmp_path):
    file = tmp_path / "out.extxyz"
    relabel(frames(), EMT_SOURCE, file, (), 1, shown)
    whole = file.read_text()
    for part in (0, 3, len(whole) // 3, len(whole) - 1):
        file.write_text(whole[:part])
        outcome = relabel(frames(), EMT_SOURCE, file, (), 1, shown)
        assert outcome.n_before + outcome.n_now == 6
        assert outcome.n_now > 0
        check(file, frames())
    assert relabel(frames(), EMT_SOURCE, file, (), 1, shown).n_before == 6


def test_frames_that_fail_are_told_and_tried_again(tmp_path):
    (tmp_path / "moody.py").write_text(SCRIPT)
    file, structures = tmp_path / "out.extxyz", frames(3)
    structures[1].positions += [1.0, 0, 0]
    moody = CalculatorSource(f"{tmp_path / 'moody.py'}:Moody", {"mood": "fails"})
    outcome = relabel(structures, moody, file, (), 1, shown)
    assert outcome.n_now == 2
    assert outcome.failures == {1: "no energy: RuntimeError: no convergence"}
    stops = CalculatorSource(moody.name, {"mood": "stops"})
    outcome = relabel(structures, stops, tmp_path / "stopped.extxyz", (), 1, shown)
    assert outcome.failures == {1: "the calculator ended the program (0)"}
    structures[1].positions -= [1.0, 0, 0]
    outcome = relabel(structures, moody, tmp_path / "again.extxyz", (), 1, shown)
    assert (outcome.n_before, outcome.n_now) == (0, 3)
    wrong = CalculatorSource(f"{tmp_path / 'moody.py'}:Moody", {"mood": "wrong"})
    outcome = relabel(frames(1), wrong, tmp_path / "other.extxyz", (), 1, shown)
    assert outcome.failures == {0: "forces: values that are no numbers"}


def test_a_process_that_ends_by_itself(tmp_path):
    (tmp_path / "moody.py").write_text(SCRIPT)
    structures = frames(3)
    structures[2].positions += [1.0, 0, 0]
    ends = CalculatorSource(f"{tmp_path / 'moody.py'}:Moody", {"mood": "ends"})
    with pytest.raises(InputError, match=r"ended by itself after 2 frames.*goes on after them"):
        relabel(structures, ends, tmp_path / "out.extxyz", (), 1, shown)
    structures[2].positions -= [1.0, 0, 0]
    with pytest.raises(InputError, match="labels of other structures"):
        relabel(structures[::-1], ends, tmp_path / "out.extxyz", (), 1, shown)
    assert relabel(structures, ends, tmp_path / "out.extxyz", (), 1, shown).n_before == 2


def test_files_of_others_are_kept(tmp_path):
    file = tmp_path / "out.extxyz"
    relabel(frames(2), EMT_SOURCE, file, (), 1, shown)
    with pytest.raises(InputError, match="labels of other structures"):
        relabel(frames(2)[::-1], EMT_SOURCE, file, (), 1, shown)
    labelled_file = file.read_text()
    own = labelled_file.replace("frame=", "number=")
    for text in ("precious notes\n", "\nmore notes\n", labelled_file + "and more\n", own, own.rstrip()):
        file.write_text(text)
        with pytest.raises(InputError, match="is not what this command has written"):
            relabel(frames(2), EMT_SOURCE, file, (), 1, shown)
        assert file.read_text() == text
    charged = frames(2)
    charged[1].info["charge"] = 1
    file.write_text(labelled_file[:-1])
    with pytest.raises(InputError, match="labels by emt, not by emt,asap_cutoff=True"):
        relabel(frames(2), CalculatorSource("emt", {"asap_cutoff": True}), file, (), 1, shown)
    assert file.read_text() == labelled_file[:-1]
    file.write_text(labelled_file)
    with pytest.raises(InputError, match="labels of other structures"):
        relabel(charged, EMT_SOURCE, file, (), 1, shown)
    for name, message in {"a.extxyz.gz": "ends with .extxyz", "a.traj": "ends with .extxyz"}.items():
        with pytest.raises(InputError, match=message):
            relabel(frames(2), EMT_SOURCE, tmp_path / name, (), 1, shown)


def test_values_are_what_a_person_means():
    said = {
        "1e-5": 1e-5,
        "3": 3,
        "-2.5": -2.5,
        "1:30": "1:30",
        "true": True,
        "null": None,
        "[1, 2]": [1, 2],
        "no": "no",
    }
    assert {text: plain_value(text) for text in said} == said
    with pytest.raises(InputError, match="cannot be read"):
        plain_value("[1,")


class Ions(Calculator):
    """Knows the total charge by its setting, if it has one."""

    implemented_properties: ClassVar = ["energy", "forces", "charges"]

    def calculate(self, atoms=None, properties=None, system_changes=None):
        charge = self.parameters.get("charge") or 0.0
        n = len(atoms)
        self.results = {"energy": charge**2, "forces": np.zeros((n, 3)), "charges": np.full(n, charge / n)}


class IonsThatAsk(Ions):
    default_parameters: ClassVar = {"charge": None}


def test_the_total_charge_of_a_frame_is_the_calculators():
    neutral, ion = Atoms("OH", positions=[[0, 0, 0], [0, 0, 1]]), Atoms("OH", positions=[[0, 0, 0], [0, 0, 1]])
    ion.info["charge"] = -1
    labeller = Labeller(IonsThatAsk(charge=2.0), ["charges"])
    energies = [labeller.label(atoms).get_potential_energy() for atoms in (neutral, ion, neutral)]
    assert energies == [4.0, 1.0, 4.0]
    with pytest.raises(InputError, match="total charge of -1 e, but the calculator's charges sum to 0: it does not"):
        Labeller(Ions(), ["charges"]).label(ion)


class Radicals(Calculator):
    """Its energy is that of as many unpaired electrons as it is told of."""

    implemented_properties: ClassVar = ["energy", "forces"]
    default_parameters: ClassVar = {"multiplicity": None}

    def calculate(self, atoms=None, properties=None, system_changes=None):
        n_unpaired = (self.parameters.multiplicity or 1) - 1
        self.results = {"energy": -float(n_unpaired), "forces": np.zeros((len(atoms), 3))}


@pytest.mark.parametrize("own", [None, 5])
def test_the_multiplicity_of_a_frame_is_the_calculators(own):
    oxygen, triplet, doublet = (Atoms("O2", positions=[[0, 0, 0], [0, 0, 1.2]]) for _ in range(3))
    triplet.info["multiplicity"], doublet.info["multiplicity"] = 3, 2.0
    labeller = Labeller(Radicals(multiplicity=own))
    energies = [labeller.label(atoms).get_potential_energy() for atoms in (oxygen, triplet, oxygen, doublet)]
    assert energies == [1.0 - (own or 1), -2.0, 1.0 - (own or 1), -1.0]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("emtt", {}, "there is no calculator 'emtt': did you mean 'emt'"),
        ("ase.calculators.tip3p:TIP3P", {"depth": 3}, "cannot be made with {'depth': 3}: TypeError"),
        ("ase.build:bulk", {"name": "Cu"}, "makes a Atoms, expected a calculator"),
        ("ase.calculators.emt:EMMT", {}, "has no EMMT: did you mean 'EMT'"),
        ("no_such_package_here:A", {}, "cannot be imported: ModuleNotFoundError"),
        ("no_such_file.py:A", {}, "there is no file no_such_file.py"),
        ("labels.py", {}, "labels.py is a file: name what makes the calculator, too"),
        (":", {}, "there is no calculator ':'"),
    ],
)
def test_calculators_that_are_not_there(name, options, message):
    with pytest.raises(InputError, match=message):
        CalculatorSource(name, options).make()


def test_the_command(tmp_path):
    write(tmp_path / "in.extxyz", frames(4))
    out = tmp_path / "out.extxyz"
    asked = ["relabel", str(tmp_path / "in.extxyz"), "-o", str(out), "-c", "ase.calculators.emt:EMT", "--every", "2"]
    result = CliRunner().invoke(app, [*asked, "--set", "asap_cutoff=false"])
    assert result.exit_code == 0, result.output
    assert "2 frames labelled" in result.output
    check(out, frames(4)[::2])
    result = CliRunner().invoke(app, [*asked, "--label", "charges", "-o", str(tmp_path / "charges.extxyz")])
    assert isinstance(result.exception, InputError)
    assert "2 of 2 frames have no labels; frame 0: no charges" in str(result.exception)


def test_a_dump_with_types(tmp_path):
    head = "ITEM: TIMESTEP\n7\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n0 9\n0 9\n0 9\n"
    (tmp_path / "run.dump").write_text(head + "ITEM: ATOMS id type x y z\n2 1 2.5 0 0\n1 2 0 0 0\n")
    call = ["relabel", str(tmp_path / "run.dump"), "-c", "emt", "-o", str(tmp_path / "out.extxyz")]
    assert "--elements" in str(CliRunner().invoke(app, call).exception)
    done = CliRunner().invoke(app, [*call, "--elements", "Cu Ni"])
    assert done.exit_code == 0, done.output
    atoms = Atoms("NiCu", [[0, 0, 0], [2.5, 0, 0]], cell=[9, 9, 9], pbc=True, calculator=EMT())
    found = read(tmp_path / "out.extxyz")
    assert str(found.symbols) == "NiCu"
    assert found.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
