"""fix mliap/species: on any number of ranks what `mliap-hybrid species` finds in a dump of the same run."""

import csv

import pytest
from lammps_runs import run, run_well

from mliap_hybrid.reactions.analysis import COUNTS, EVENTS, RATES, write_counts, write_events, write_rates
from mliap_hybrid.reactions.bonds import BondCriteria
from mliap_hybrid.reactions.of_trajectory import analyse
from mliap_hybrid.reactions.trajectory import read_trajectory

FIX = "fix species all mliap/species 5 found H NULL H form 0.2 break 0.5 persistence 0.004"
BEGIN = """
units metal
boundary p p p
lattice sc 2.5
region box prism 0 6 0 6 0 6 1.2 0 0
create_box 3 box
create_atoms 1 box
set group all type/fraction 3 0.3 7
set group all type/fraction 2 0.05 8
mass * 1.0
displace_atoms all random 0.6 0.6 0.6 11
pair_style morse 5.0
pair_coeff * * 4.5 1.94 0.74
velocity all create 6000.0 5
minimize 0 0 60 60
reset_timestep 0
timestep 0.0002
"""
"""Hydrogen that reacts, in a skewed cell; atoms of type 2 are left out."""

RUN = """
group known type 1 3
dump all known custom 5 run.dump id element x y z
dump_modify all sort id element H He H
fix move all nve
thermo_style custom step f_species[1] f_species[2] f_species[3]
thermo 5
run 60
run 40
"""


def rows(file):
    with file.open() as stream:
        return list(csv.reader(stream))


@pytest.mark.parametrize("ranks", [None, 2, 4])
def test_the_same_as_in_a_dump(tmp_path, ranks):
    result = run_well(tmp_path, BEGIN + FIX + RUN, ranks)
    criteria = BondCriteria(0.2, 0.5, 0.004)
    found = analyse(read_trajectory(tmp_path / "run.dump", 0.0002, []), criteria)
    assert len(found.events) > 20
    assert len(found.times) == 21
    last = result.thermo[-1]
    assert (last["f_species[1]"], last["f_species[3]"]) == (found.counts[-1].total(), len(found.events))
    assert last["f_species[2]"] == len(found.counts[-1])

    write_counts(found, tmp_path / COUNTS)
    write_rates(found, tmp_path / RATES)
    assert rows(tmp_path / COUNTS) == rows(tmp_path / "found" / COUNTS)
    assert rows(tmp_path / RATES) == rows(tmp_path / "found" / RATES)
    # In the dump, atoms are counted without those of type 2: their IDs are others.
    write_events(found, tmp_path / EVENTS)
    assert [row[:2] for row in rows(tmp_path / EVENTS)] == [row[:2] for row in rows(tmp_path / "found" / EVENTS)]


def test_ids_are_those_of_the_run_and_empty_ranks_have_none(tmp_path):
    lines = """
units real
boundary p p p
atom_modify map array
region box block 0 40 0 20 0 20
create_box 2 box
create_atoms 1 single 2 5 5
create_atoms 2 single 2.9 5 5
create_atoms 1 single 5 5 5
group last id 3
set group last type 1
mass * 1.0
pair_style zero 5.0
pair_coeff * *
timestep 1.0
fix pull last move linear -0.01 0 0
fix species all mliap/species 50 found H O
run 400
"""
    run_well(tmp_path, lines, 4)
    (event,) = rows(tmp_path / "found" / EVENTS)[1:]
    assert event[1:] == ["H + HO -> H2O", "1 2 3"]
    assert 0.0 < float(event[0]) <= 0.4  # fs in ps


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("fix s all mliap/species 5 found H", "an element for each of the 3 atom types"),
        ("fix s all mliap/species 0 found H H H", "the interval is 0"),
        ("fix s all mliap/species 5 found H Hh H", "'Hh' is no element"),
        ("fix s all mliap/species 5 found H H H breaks 0.5", "breaks is no keyword"),
        ("fix s all mliap/species 5 found H H H form 0.7", "bonds form 0.7 and break 0.65"),
        ("fix s all mliap/species 5 found H H H form", "form needs a value"),
        ("fix s all mliap/species 5 in.lammps H H H overwrite no", "in.lammps cannot be written"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path, change, message):
    result = run(tmp_path, BEGIN + change + RUN.replace("f_species[1] f_species[2] f_species[3]", ""))
    assert result.status != 0
    assert message in result.text


def test_files_of_an_earlier_run_are_kept(tmp_path):
    (tmp_path / "found").mkdir()
    (tmp_path / "found" / EVENTS).write_text("precious")
    result = run(tmp_path, BEGIN + FIX + RUN, 2)
    assert result.status != 0
    assert "exists: name another folder, or add `overwrite yes`" in result.text
    assert (tmp_path / "found" / EVENTS).read_text() == "precious"
    run_well(tmp_path, BEGIN + FIX + " overwrite yes" + RUN, 2)
    assert (tmp_path / "found" / EVENTS).read_text() != "precious"


def test_two_fixes_do_not_share_a_folder(tmp_path):
    result = run(tmp_path, BEGIN + FIX + "\n" + FIX.replace("fix species", "fix other") + RUN)
    assert result.status != 0
    assert "another one writes to found" in result.text


@pytest.mark.parametrize("change", ["region some block 0 3 0 3 0 3\ndelete_atoms region some", "set atom 1*40 type 2"])
def test_atoms_that_change_end_the_run(tmp_path, change):
    lines = RUN + f"\n{change}\nrun 10\n"
    result = run(tmp_path, BEGIN + FIX + lines, 2)
    assert result.status != 0
    assert "expected the same atoms throughout" in result.text
    assert (tmp_path / "found" / COUNTS).exists()
