"""Layouts that genuine outputs of programs have, and that ASE's readers stop at or take for something else."""

import re

import ase.io
import more_programs
import numpy as np
import programs
import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator

from mliap_hybrid.config import LabelKeys
from mliap_hybrid.data.reading import frame_to_batch, read_frames
from mliap_hybrid.data.stress_plausibility import implausible_stresses
from mliap_hybrid.data.suspect_frames import suspicious_frames
from mliap_hybrid.errors import InputError
from mliap_hybrid.testing.metal_alloy import alloy_frames
from mliap_hybrid.units import HARTREE

END = "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM"
POSITIONS = " POSITION      "


@pytest.fixture(scope="module")
def alloy():
    return alloy_frames(3)


@pytest.fixture(scope="module")
def water():
    atoms = molecule("H2O")
    forces = np.random.default_rng(1).normal(size=(3, 3))
    atoms.calc = SinglePointCalculator(atoms, energy=-2041.5, forces=forces - forces.mean(0))
    return atoms


def check(frame, atoms, virial=True):
    """Energy, forces and virial of a frame are those of a structure."""
    keys = LabelKeys(energy="free_energy" if "free_energy" in frame.atoms.calc.results else "energy")
    if virial:
        keys = keys.model_copy(update={"virial": "virial"} if "virial" in frame.atoms.info else {"stress": "stress"})
    batch = frame_to_batch(frame, 2.0, keys)
    order, expected = np.argsort(batch.numbers.numpy(), kind="stable"), np.argsort(atoms.numbers, kind="stable")
    np.testing.assert_allclose(batch.positions.numpy()[order], atoms.positions[expected], atol=1e-6)
    np.testing.assert_allclose(batch.forces.numpy()[order], atoms.get_forces()[expected], atol=1e-6)
    assert batch.energies.item() == pytest.approx(atoms.get_potential_energy(), rel=3e-8, abs=1e-5)
    if virial:
        of_label = -atoms.get_stress(voigt=False) * atoms.get_volume()
        np.testing.assert_allclose(batch.virials[0].numpy(), of_label, atol=1e-4)
        np.testing.assert_allclose(batch.cells[0].numpy(), atoms.cell.array, atol=1e-6)


def steps_of(text):
    """Head and steps of an OUTCAR; each step goes from its first iteration to the line of its last energies."""
    lines = text.split("\n")
    starts = [i for i, line in enumerate(lines) if re.search(r"Iteration +\d+\( +1\)", line)]
    return lines[: starts[0]], [lines[a:b] for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]


class TestOutcar:
    def test_energies_without_dispersion_beside_them(self, alloy, tmp_path):
        text = re.sub(r"(TOTEN  = +\S+ eV)", r"\1    w/o vdW =       -1.00000000", programs.outcar(alloy))
        text = re.sub(r"(without entropy= +\S+)", r"\1 eV    w/o vdW =       -1.00000000", text)
        text = re.sub(r"(sigma->0\) = +\S+)", r"\1 eV    w/o vdW =       -1.00000000", text)
        (tmp_path / "OUTCAR").write_text(text)
        for frame, atoms in zip(read_frames([tmp_path / "OUTCAR"]), alloy, strict=True):
            check(frame, atoms)
            assert frame.atoms.calc.results["energy"] == pytest.approx(
                atoms.get_potential_energy() + programs.SMEARING, abs=1e-6
            )

    def test_steps_of_a_force_field_are_left_out(self, alloy, tmp_path, caplog):
        head, steps = steps_of(programs.outcar(alloy))
        field = [
            "  ML FORCE on cell =-STRESS in cart. coord. units (eV/cell)",
            "  in kB      99.00000    99.00000    99.00000     9.00000     9.00000     9.00000",
            f" {POSITIONS}                                TOTAL-FORCE (eV/Angst) (ML)",
            " " + 83 * "-",
            *["        1.00000        1.00000        1.00000        9.00000        9.00000        9.00000"] * 4,
            " " + 83 * "-",
            "  ML FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)",
            "  ---------------------------------------------------",
            "  free  energy ML TOTEN  =       -1.00000000 eV",
            "",
            "  ML energy  without entropy=       -1.00000000  ML energy(sigma->0) =       -1.00000000",
            "",
        ]
        lines = [*head, *field, *steps[0], *field, *field, *steps[1], *steps[2], *field]
        (tmp_path / "OUTCAR").write_text("\n".join(lines))
        for frame, atoms in zip(read_frames([tmp_path / "OUTCAR"]), alloy, strict=True):
            check(frame, atoms)
        assert "left out 4 steps of VASP's machine-learned force field" in caplog.text
        (tmp_path / "OUTCAR").write_text("\n".join([*head, *field, *field]))
        with pytest.raises(InputError, match="no frame but 2 steps of VASP's machine-learned force field"):
            read_frames([tmp_path / "OUTCAR"])

    @pytest.mark.parametrize("bare", [0, 1, 2])
    def test_steps_without_positions_are_left_out(self, alloy, tmp_path, bare, caplog):
        head, steps = steps_of(programs.outcar(alloy, n_steps=[7, 50, 7]))
        start = next(i for i, line in enumerate(steps[bare]) if line.startswith(POSITIONS))
        del steps[bare][start : start + 3 + len(alloy[0])]
        (tmp_path / "OUTCAR").write_text("\n".join(head + [line for step in steps for line in step]))
        kept = [atoms for index, atoms in enumerate(alloy) if index != bare]
        for frame, atoms in zip(read_frames([tmp_path / "OUTCAR"]), kept, strict=True):
            check(frame, atoms)
            assert "electrons_unconverged" not in frame.atoms.info
        assert "left out 1 steps without positions" in caplog.text

    def test_positions_after_the_energies(self, alloy, tmp_path):
        head, steps = steps_of(programs.outcar(alloy))
        for step in steps:
            start = next(i for i, line in enumerate(step) if line.startswith(POSITIONS))
            block = step[start : start + 3 + len(alloy[0])]
            del step[start : start + 3 + len(alloy[0])]
            step += block
        (tmp_path / "OUTCAR").write_text("\n".join(head + [line for step in steps for line in step]))
        for frame, atoms in zip(read_frames([tmp_path / "OUTCAR"]), alloy, strict=True):
            check(frame, atoms)

    def test_numbers_of_some_species_are_missing(self, alloy, tmp_path):
        text = programs.outcar(alloy)
        text = re.sub(r"ions per type = +\d+", "ions per type =          ", text, count=1)
        (tmp_path / "OUTCAR").write_text(text)
        with pytest.raises(InputError, match=r"numbers for \d species.*give vasprun.xml"):
            read_frames([tmp_path / "OUTCAR"])


class TestEspresso:
    def test_the_last_energy_before_forces_counts(self, alloy, tmp_path):
        text = programs.espresso(alloy[0])
        first = (
            "!    total energy              =       -1.00000000 Ry\n     estimated scf accuracy    <       0.1 Ry\n\n"
        )
        (tmp_path / "pw.out").write_text(text.replace("!    total", first + "!    total"))
        (frame,) = read_frames([tmp_path / "pw.out"])
        check(frame, alloy[0])

    def test_bands_without_their_points(self, alloy, tmp_path):
        bands = (
            "\n     End of self-consistent calculation\n\n          k = 0.0000 0.0000 0.0000     band energies (ev):\n"
        )
        text = programs.espresso(alloy[0])
        (tmp_path / "pw.out").write_text(text.replace("!    total", f"{bands}\n    -5.1  -4.9\n\n!    total"))
        (frame,) = read_frames([tmp_path / "pw.out"])
        check(frame, alloy[0])


class TestAbinit:
    def test_the_cell_is_that_of_the_lattice(self, alloy, tmp_path):
        (tmp_path / "run.out").write_text(more_programs.abinit(alloy[0]))
        (frame,) = read_frames([tmp_path / "run.out"])
        assert np.allclose(frame.atoms.cell.array, alloy[0].cell.array, atol=1e-6)
        check(frame, alloy[0])

    def test_a_cell_that_changes_is_refused(self, alloy, tmp_path):
        (tmp_path / "run.out").write_text(more_programs.abinit(alloy[0]) + more_programs.abinit(alloy[1]))
        with pytest.raises(InputError, match="with 2 lattices"):
            read_frames([tmp_path / "run.out"])


class TestSeveralStructures:
    def test_steps_of_an_optimisation(self, water, tmp_path):
        (tmp_path / "run.out").write_text(more_programs.orca([water, water]))
        frames = read_frames([tmp_path / "run.out"])
        assert len(frames) == 2
        check(frames[1], water, virial=False)

    def test_steps_of_gamess_are_refused(self, tmp_path):
        step = ["1BEGINNING GEOMETRY SEARCH POINT NSERCH=   0 ...", " COORDINATES OF ALL ATOMS ARE (ANGS)", ""]
        (tmp_path / "run.out").write_text("\n".join(["          * GAMESS VERSION = 30 SEP 2018 *", *step, *step]))
        with pytest.raises(InputError, match="GAMESS with 2 structures, of which ASE makes one"):
            read_frames([tmp_path / "run.out"])

    def test_steps_of_a_scan_are_refused(self, water, tmp_path):
        (tmp_path / "run.out").write_text(more_programs.orca([water, water], end="TRAJECTORY STEP"))
        with pytest.raises(InputError, match="ORCA with 2 structures, of which ASE makes one"):
            read_frames([tmp_path / "run.out"])


def test_nwchem_with_symmetries_and_numbered_tags(water, tmp_path):
    (tmp_path / "run.out").write_text(more_programs.nwchem(water))
    (frame,) = read_frames([tmp_path / "run.out"])
    np.testing.assert_allclose(frame.atoms.positions, water.positions, atol=1e-6)
    assert frame.atoms.get_potential_energy() == pytest.approx(water.get_potential_energy(), rel=1e-7)
    np.testing.assert_allclose(frame.atoms.get_forces(), water.get_forces(), atol=1e-4)


def test_the_energy_of_a_line_search_is_left_out(water, tmp_path):
    """NWChem prints it after the gradient, without positions of its own."""
    moved = water.copy()
    moved.positions *= 1.05
    moved.calc = SinglePointCalculator(moved, energy=-2042.5, forces=water.get_forces())
    trial = "         Total DFT energy =      -70.000000000000\n\n  Line search: \n     step= 1.00 grad=-1.3D-02\n\n"
    (tmp_path / "run.out").write_text(more_programs.nwchem(water) + trial + more_programs.nwchem(moved))
    frames = read_frames([tmp_path / "run.out"])
    energies = [frame.atoms.get_potential_energy() for frame in frames]
    np.testing.assert_allclose(energies, [-2041.5, -2042.5], rtol=1e-7)
    np.testing.assert_allclose(frames[1].atoms.positions, moved.positions, atol=1e-6)


@pytest.mark.filterwarnings("ignore:FHI-aims IO:FutureWarning")
def test_the_last_step_of_aims_has_its_positions(water, tmp_path):
    frames = []
    for share in (1.0, 1.05, 1.1):
        atoms = water.copy()
        atoms.positions *= share
        atoms.calc = SinglePointCalculator(atoms, energy=-2041.5 - share, forces=share * water.get_forces())
        frames.append(atoms)
    (tmp_path / "run.out").write_text(more_programs.aims(frames))
    for frame, atoms in zip(read_frames([tmp_path / "run.out"]), frames, strict=True):
        check(frame, atoms, virial=False)


class TestGaussian:
    @pytest.mark.parametrize("level", ["MP2", "MP3"])
    def test_the_archive_says_the_level(self, water, tmp_path, level):
        energy = water.get_potential_energy() / HARTREE
        said = rf" 1\1\GINC-NODE\Force\R{level}-FC\6-31G\H2O1\ME\01-Jan-2024\0\\HF={energy + 0.1:.7f}\MP2={energy:.7f}"
        said += rf"\MP3={energy - 0.01:.7f}\RMSD=1e-9\@" if level == "MP3" else r"\RMSD=1e-9\@"
        text = programs.gaussian(water, second_order=-0.1 * HARTREE)
        (tmp_path / "run.log").write_text(text + "\n".join(said[k : k + 70] for k in range(0, len(said), 70)) + "\n")
        if level == "MP2":
            check(read_frames([tmp_path / "run.log"])[0], water, virial=False)
            return
        with pytest.raises(InputError, match=r"the energy of MP3 is .*that of MP2"):
            read_frames([tmp_path / "run.log"])

    def test_electrons_that_did_not_converge_are_told(self, water, tmp_path):
        said = " >>>>>>>>>> Convergence criterion not met.\n Convergence failure -- run terminated.\n"
        (tmp_path / "run.log").write_text(programs.gaussian(water) + said)
        frames = read_frames([tmp_path / "run.log"])
        assert any("did not converge" in sentence for sentence in suspicious_frames(frames, LabelKeys()))


class TestNamesOfFiles:
    @pytest.mark.parametrize("name", ["run.out", "run.txt", "run"])
    def test_gaussian_by_its_content(self, water, tmp_path, name):
        text = programs.gaussian(water).replace("Entering Gaussian System, Link 0=g16", "Entering Link 1 = l1.exe")
        (tmp_path / name).write_text(text.replace("Gaussian 16:", "Copyright (c) 2003, Gaussian, Inc."))
        check(read_frames([tmp_path / name])[0], water, virial=False)

    @pytest.mark.parametrize("name", ["vasprun.xml.relax1", "run.xml", "OUT-1.log"])
    def test_vasp_by_its_content(self, alloy, tmp_path, name):
        text = programs.outcar(alloy) if name == "OUT-1.log" else programs.vasprun(alloy)
        (tmp_path / name).write_text(text)
        assert len(read_frames([tmp_path / name])) == 3

    def test_a_dump_with_line_ends_of_windows(self, alloy, tmp_path):
        ends = [f"0 {x} " for x in (4, 4, 4)]
        rows = [f"{k + 1} Cu {x} {y} {z}" for k, (x, y, z) in enumerate(alloy[0].positions)]
        lines = ["ITEM: TIMESTEP", "0", "ITEM: NUMBER OF ATOMS", str(len(rows)), "ITEM: BOX BOUNDS pp pp pp", *ends]
        lines += ["ITEM: ATOMS id element x y z", *rows, ""]
        (tmp_path / "run.lammpstrj").write_bytes("\r\n".join(lines).encode())
        (frame,) = read_frames([tmp_path / "run.lammpstrj"])
        np.testing.assert_allclose(frame.atoms.positions, alloy[0].positions)

    @pytest.mark.parametrize(
        ("name", "text", "said"),
        [
            ("run.out", " Psi4: something\n", "neither its name nor its first lines"),
            ("run.log", "nothing\n", "neither its name nor its first lines"),
            ("run.xyzzy", "nothing\n", "neither its name nor its first lines"),
            ("running_scf.log", "  WELCOME TO ABACUS v3.8\n", "give the folder of the calculation"),
            ("pw.out", "     Program PWSCF v.7.2 starts\n", "holds no frame, read as espresso-out"),
        ],
    )
    def test_what_is_not_known(self, tmp_path, name, text, said):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=said):
            read_frames([tmp_path / name])


class TestCp2k:
    def test_kinds_with_numbers(self, alloy, tmp_path):
        pytest.importorskip("dpdata")
        text = re.sub(r"Atomic kind: (\w+) *", r"Atomic kind: \g<1>1      ", programs.cp2k(alloy[0]))
        text = re.sub(r"(?m)^( +\d+ +\d+ )(Au|Cu) ", r"\1\g<2>1", text)
        (tmp_path / "run.out").write_text(text)
        (frame,) = read_frames([tmp_path / "run.out"])
        check(frame, alloy[0])

    def test_what_is_missing_is_said(self, alloy, tmp_path):
        pytest.importorskip("dpdata")
        text = programs.cp2k(alloy[0])
        start, end = text.index(" ATOMIC FORCES in"), text.index(" SUM OF ATOMIC")
        (tmp_path / "run.out").write_text(text[:start] + text[end:])
        with pytest.raises(InputError, match="FORCE_EVAL/PRINT/FORCES"):
            read_frames([tmp_path / "run.out"])
        programs.cp2k_trajectory(tmp_path / "run", alloy)
        (tmp_path / "run" / "run-frc-1.xyz").unlink()
        with pytest.raises(InputError, match="no forces of its steps: print them"):
            read_frames([tmp_path / "run"])


def test_raw_files_of_deepmd_without_sets(alloy, tmp_path):
    folder, frames = tmp_path / "system", [atoms for atoms in alloy if np.array_equal(atoms.numbers, alloy[0].numbers)]
    folder.mkdir()
    symbols = sorted(set(alloy[0].symbols))
    (folder / "type_map.raw").write_text("\n".join(symbols))
    (folder / "type.raw").write_text("\n".join(str(symbols.index(s)) for s in alloy[0].symbols))
    np.savetxt(folder / "coord.raw", [atoms.positions.ravel() for atoms in frames])
    np.savetxt(folder / "box.raw", [atoms.cell.array.ravel() for atoms in frames])
    np.savetxt(folder / "energy.raw", [atoms.get_potential_energy() for atoms in frames])
    np.savetxt(folder / "force.raw", [atoms.get_forces().ravel() for atoms in frames])
    np.savetxt(folder / "virial.raw", [-atoms.get_volume() * atoms.get_stress(voigt=False).ravel() for atoms in frames])
    for frame, atoms in zip(read_frames([folder]), frames, strict=True):
        check(frame, atoms)


@pytest.mark.parametrize("name", ["stress", "virial"])
def test_six_numbers_of_a_tensor_in_extended_xyz(alloy, tmp_path, name):
    blocks = []
    for atoms in alloy:
        six = atoms.get_stress() if name == "stress" else -atoms.get_stress() * atoms.get_volume()
        cell = " ".join(map(str, atoms.cell.array.ravel()))
        words = f'Lattice="{cell}" energy={atoms.get_potential_energy()} {name}="{" ".join(map(str, six))}"'
        blocks += [str(len(atoms)), f'{words} Properties=species:S:1:pos:R:3:forces:R:3 pbc="T T T"']
        rows = zip(atoms.symbols, atoms.positions, atoms.get_forces(), strict=True)
        blocks += [f"{symbol} " + " ".join(map(str, (*place, *force))) for symbol, place, force in rows]
    (tmp_path / "train.xyz").write_text("\n".join([*blocks, ""]))
    for frame, atoms in zip(read_frames([tmp_path / "train.xyz"]), alloy, strict=True):
        check(frame, atoms)


def test_one_pair_of_frames_says_nothing_of_stresses(tmp_path):
    """Structures of a random search: two cells are alike by chance, in different minima, and outweigh all others."""
    frames = alloy_frames(8, seed=3)
    other = frames[0].copy()
    other.set_cell(1.05 * frames[0].cell.array, scale_atoms=True)
    work = 0.05 * frames[0].get_stress()[:3].sum() * frames[0].get_volume()
    results = {**frames[0].calc.results, "energy": frames[0].get_potential_energy() - 4.0 * work}
    other.calc = SinglePointCalculator(other, **results)
    ase.io.write(tmp_path / "search.traj", [*frames, other])
    read = read_frames([tmp_path / "search.traj"])
    batches = [frame_to_batch(frame, 2.0, LabelKeys(stress="stress")) for frame in read]
    assert not [sentence for sentence in implausible_stresses(batches) if "sign" in sentence]
