"""Outputs of programs give back the labels that they were written with, in our units and signs."""

import gzip
import sys
import warnings

import numpy as np
import programs
import pytest
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from mliap_hybrid.config import LabelKeys, LabelUnits
from mliap_hybrid.data.reading import frame_to_batch, read_frames
from mliap_hybrid.data.suspect_frames import suspicious_frames
from mliap_hybrid.errors import InputError
from mliap_hybrid.testing.metal_alloy import alloy_frames


@pytest.fixture(scope="module")
def alloy():
    """Frames whose elements are not in the order of their numbers or names, and come back after another."""
    frames = []
    for atoms in alloy_frames(3):
        turned = atoms[[1, 0, 2, 3]]
        results = {**atoms.calc.results, "forces": atoms.get_forces()[[1, 0, 2, 3]]}
        turned.calc = SinglePointCalculator(turned, **results)
        frames.append(turned)
    return frames


@pytest.fixture(scope="module")
def methanol():
    atoms = molecule("CH3OH")
    atoms.rattle(0.05, seed=1)
    atoms.calc = EMT()
    atoms.calc = SinglePointCalculator(atoms, energy=atoms.get_potential_energy(), forces=atoms.get_forces())
    return atoms


def compare(path, expected, keys, index=0, energy=0.0):
    """The batch of a frame against a labelled structure; its energy above that of the label by `energy`."""
    batch = frame_to_batch(read_frames([path])[index], 2.0, LabelKeys(**keys))
    assert batch.numbers.tolist() == expected.numbers.tolist()
    np.testing.assert_allclose(batch.positions.numpy(), expected.positions, atol=1e-6)
    assert batch.energies.item() == pytest.approx(expected.get_potential_energy() + energy, abs=2e-6)
    np.testing.assert_allclose(batch.forces.numpy(), expected.get_forces(), atol=1e-6)
    if batch.virials is not None:
        virial = -expected.get_stress(voigt=False) * expected.get_volume()
        np.testing.assert_allclose(batch.virials[0].numpy(), virial, atol=2e-5)
        np.testing.assert_allclose(batch.cells[0].numpy(), expected.cell.array, atol=1e-6)
    return batch


def virial_of_dpdata(path, form, **options):
    """(3, 3) eV of the first frame, energy in eV, and lengths of forces, by dpdata alone, which turns cells."""
    dpdata = pytest.importorskip("dpdata")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        system = dpdata.LabeledSystem(str(path), fmt=form, **options)
    return system["virials"][0], system["energies"][0], np.linalg.norm(system["forces"][0], axis=1)


class TestVasp:
    @pytest.mark.parametrize("suffix", ["", ".gz"])
    def test_outcar(self, alloy, tmp_path, suffix):
        path, text = tmp_path / f"OUTCAR{suffix}", programs.outcar(alloy).encode()
        path.write_bytes(gzip.compress(text) if suffix else text)
        assert len(read_frames([path])) == 3
        for index, atoms in enumerate(alloy):
            compare(path, atoms, {"energy": "free_energy", "stress": "stress"}, index)
            compare(path, atoms, {}, index, programs.SMEARING)

    def test_free_energies_are_asked_for(self, alloy, tmp_path):
        (tmp_path / "OUTCAR").write_text(programs.outcar(alloy))
        said = suspicious_frames(read_frames([tmp_path / "OUTCAR"]), LabelKeys())
        assert any("set data.keys.energy to free_energy" in sentence for sentence in said)

    def test_electrons_that_did_not_converge_are_kept_and_told(self, alloy, tmp_path):
        (tmp_path / "OUTCAR").write_text(programs.outcar(alloy, [7, 60, 9]))
        said = suspicious_frames(read_frames([tmp_path / "OUTCAR"]), LabelKeys(energy="free_energy"))
        assert any("1 of 3 frames did not converge" in sentence and "frame 1" in sentence for sentence in said)

    @pytest.mark.parametrize("name", ["OUTCAR", "vasprun.xml"])
    def test_dpdata_agrees(self, alloy, tmp_path, name):
        """An oracle for sign and unit of stresses: its virial, up to the turn of its cell."""
        text = programs.outcar(alloy) if name == "OUTCAR" else programs.vasprun(alloy)
        (tmp_path / name).write_text(text)
        form = "vasp/outcar" if name == "OUTCAR" else "vasp/xml"
        virial, energy, _ = virial_of_dpdata(tmp_path / name, form)
        batch = compare(tmp_path / name, alloy[0], {"energy": "free_energy", "stress": "stress"})
        eigenvalues = np.linalg.eigvalsh(batch.virials[0].numpy())
        np.testing.assert_allclose(np.linalg.eigvalsh(virial), eigenvalues, atol=2e-5)
        assert batch.energies.item() == pytest.approx(energy, abs=2e-6)

    def test_vasprun(self, alloy, tmp_path):
        path = tmp_path / "vasprun.xml"
        path.write_text(programs.vasprun(alloy))
        for index, atoms in enumerate(alloy):
            compare(path, atoms, {"energy": "free_energy", "stress": "stress"}, index)

    @pytest.mark.parametrize("name", ["ML_AB", "ML_ABN.gz"])
    def test_ml_ab(self, alloy, tmp_path, name):
        frames = [*alloy, *alloy_frames(1, seed=5)]
        text = programs.ml_ab(frames).encode()
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
        assert len(read_frames([tmp_path / name])) == 4
        for index, atoms in enumerate(frames):
            compare(tmp_path / name, atoms, {"stress": "stress"}, index)
        with pytest.raises(InputError, match="the file says its own units"):
            frame_to_batch(read_frames([tmp_path / name])[0], 2.0, LabelKeys(), LabelUnits(energy="Ha"))

    @pytest.mark.parametrize(
        ("spoil", "said"),
        [
            (lambda text: text[: text.rindex("Stress") - 300], "forces need 4 lines of 3 finite numbers.*cut short"),
            (lambda text: text.replace("     Au      1", "     Xx      1"), "expected an element"),
            (lambda text: text.replace("Total energy (eV)", "Energy"), "no block 'Total energy'"),
            (lambda text: text[: text.rindex("     Configuration num.")], "says 3 configurations, but it has 2"),
        ],
    )
    def test_broken_ml_ab(self, alloy, tmp_path, spoil, said):
        text = programs.ml_ab(alloy)
        assert spoil(text) != text
        (tmp_path / "ML_AB").write_text(spoil(text))
        with pytest.raises(InputError, match=said):
            read_frames([tmp_path / "ML_AB"])


class TestCp2k:
    @pytest.mark.parametrize("newer", [True, False])
    def test_single_point(self, alloy, tmp_path, newer):
        pytest.importorskip("dpdata")
        (tmp_path / "run.out").write_text(programs.cp2k(alloy[0], newer))
        for path in (tmp_path / "run.out", f"cp2k/output:{tmp_path / 'run.out'}"):
            batch = compare(type(tmp_path)(path), alloy[0], {"virial": "virial"})
            assert batch.virials is not None

    def test_what_is_refused(self, alloy, tmp_path):
        pytest.importorskip("dpdata")
        text = programs.cp2k(alloy[0])
        (tmp_path / "two.out").write_text(text + text)
        with pytest.raises(InputError, match="with 2 energies; expected one"):
            read_frames([tmp_path / "two.out"])
        (tmp_path / "not.out").write_text(programs.cp2k(alloy[0], converged=False))
        with pytest.raises(InputError, match="ended early or did not converge"):
            read_frames([tmp_path / "not.out"])
        (tmp_path / "unit.out").write_text(text.replace("[GPa]", "[psi]"))
        with pytest.raises(InputError, match="in 'psi'; expected three, in one of"):
            read_frames([tmp_path / "unit.out"])
        (tmp_path / "kind.out").write_text(text.replace("Atomic kind: Au", "Atomic kind: A1"))
        with pytest.raises(InputError, match="'A1' is not an element"):
            read_frames([tmp_path / "kind.out"])


class TestCp2kTrajectory:
    def test_cells_of_all_steps(self, alloy, tmp_path):
        programs.cp2k_trajectory(tmp_path / "run", alloy)
        assert len(read_frames([tmp_path / "run"])) == 3
        for index, atoms in enumerate(alloy):
            batch = compare(tmp_path / "run", atoms, {}, index)
            np.testing.assert_allclose(batch.cells[0].numpy(), atoms.cell.array, atol=1e-8)

    def test_one_cell(self, alloy, tmp_path):
        programs.cp2k_trajectory(tmp_path / "run", alloy[:1], fixed_cell=True)
        batch = compare(tmp_path / "run", alloy[0], {})
        np.testing.assert_allclose(batch.cells[0].numpy(), alloy[0].cell.array, atol=1e-7)

    def test_steps_that_lack_forces_are_left_out(self, alloy, tmp_path):
        programs.cp2k_trajectory(tmp_path / "run", alloy)
        forces = tmp_path / "run/run-frc-1.xyz"
        forces.write_text("\n".join(forces.read_text().splitlines()[6:]) + "\n")
        assert len(read_frames([tmp_path / "run"])) == 2
        compare(tmp_path / "run", alloy[1], {}, 0)

    @pytest.mark.parametrize(
        ("name", "spoil", "said"),
        [
            ("run-pos-1.xyz", lambda text: text[: len(text) // 2], "cut short or broken"),
            ("run-pos-1.xyz", lambda text: text.replace(" Au", " Xx"), "'Xx' is not an element"),
            ("run-frc-1.xyz", lambda text: text.replace(" i =", " k ="), "does not name its step"),
            ("run-1.cell", lambda text: "\n".join(text.splitlines()[:2]), "step 1: the file of cells has no such step"),
        ],
    )
    def test_broken_files(self, alloy, tmp_path, name, spoil, said):
        programs.cp2k_trajectory(tmp_path / "run", alloy)
        file = tmp_path / "run" / name
        file.write_text(spoil(file.read_text()))
        with pytest.raises(InputError, match=said):
            read_frames([tmp_path / "run"])

    def test_no_cell(self, alloy, tmp_path):
        programs.cp2k_trajectory(tmp_path / "run", alloy)
        (tmp_path / "run/run-1.cell").unlink()
        with pytest.raises(InputError, match="nothing says the cell"):
            read_frames([tmp_path / "run"])


class TestAbacus:
    def test_single_point(self, alloy, tmp_path):
        pytest.importorskip("dpdata")
        ordered = programs.abacus(tmp_path / "run", alloy[0])
        forces = alloy[0].get_forces()[[0, 2, 3, 1]]
        ordered.calc = SinglePointCalculator(ordered, **{**alloy[0].calc.results, "forces": forces})
        for path in (tmp_path / "run", f"abacus/scf:{tmp_path / 'run'}"):
            batch = compare(type(tmp_path)(path), ordered, {"virial": "virial"})
            assert batch.virials is not None

    def test_what_is_refused(self, alloy, tmp_path):
        pytest.importorskip("dpdata")
        programs.abacus(tmp_path / "run", alloy[0], converged=False)
        with pytest.raises(InputError, match="did not converge"):
            read_frames([tmp_path / "run"])
        (tmp_path / "run/INPUT").write_text("calculation nscf\n")
        with pytest.raises(InputError, match="calculation nscf; expected one of scf"):
            read_frames([tmp_path / "run"])


def test_quantum_espresso(alloy, tmp_path):
    (tmp_path / "pw.out").write_text(programs.espresso(alloy[0]))
    for path in (tmp_path / "pw.out", f"qe/pw/scf:{tmp_path / 'pw.out'}"):
        batch = compare(type(tmp_path)(path), alloy[0], {"stress": "stress"})
        assert batch.virials is not None


class TestGaussian:
    @pytest.mark.parametrize("orientations", [("Input",), ("Input", "Standard")])
    def test_forces_and_positions_are_those_of_the_input(self, methanol, tmp_path, orientations):
        (tmp_path / "force.log").write_text(programs.gaussian(methanol, orientations))
        compare(tmp_path / "force.log", methanol, {})

    def test_turned_positions_are_refused(self, methanol, tmp_path):
        (tmp_path / "force.log").write_text(programs.gaussian(methanol, ("Standard",)))
        with pytest.raises(InputError, match=r"standard orientation alone.*Geom=PrintInputOrient"):
            read_frames([tmp_path / "force.log"])

    def test_energies_of_mp2(self, methanol, tmp_path):
        (tmp_path / "mp2.log").write_text(programs.gaussian(methanol, second_order=-5.0))
        for path in (tmp_path / "mp2.log", f"gaussian/log:{tmp_path / 'mp2.log'}"):
            compare(type(tmp_path)(path), methanol, {})


def test_raw_files_of_deepmd(alloy, tmp_path):
    dpdata = pytest.importorskip("dpdata")
    system = dpdata.LabeledSystem(alloy[0], fmt="ase/structure")
    system.to("deepmd/raw", str(tmp_path / "raw"))
    frames = read_frames([type(tmp_path)(f"deepmd/raw:{tmp_path / 'raw'}")])
    assert len(frames) == 1
    batch = frame_to_batch(frames[0], 2.0, LabelKeys(virial="virial"))
    assert batch.energies.item() == pytest.approx(alloy[0].get_potential_energy(), abs=1e-6)
    np.testing.assert_allclose(
        np.linalg.norm(batch.forces.numpy(), axis=1), np.linalg.norm(alloy[0].get_forces(), axis=1), atol=1e-5
    )


@pytest.mark.parametrize("form", ["deepmd/npy", "deepmd/npy/mixed"])
def test_deepmd_written_by_dpdata(alloy, tmp_path, form):
    dpdata = pytest.importorskip("dpdata")
    systems = dpdata.MultiSystems(dpdata.LabeledSystem(alloy[0], fmt="ase/structure"))
    for atoms in alloy[1:]:
        systems.append(dpdata.LabeledSystem(atoms, fmt="ase/structure"))
    systems.to(form, str(tmp_path / "systems"))
    frames = read_frames([tmp_path / "systems"])
    assert len(frames) == 3
    energies = sorted(frame_to_batch(frame, 2.0, LabelKeys()).energies.item() for frame in frames)
    np.testing.assert_allclose(energies, sorted(atoms.get_potential_energy() for atoms in alloy), atol=1e-6)
    batch = frame_to_batch(frames[0], 2.0, LabelKeys(virial="virial"))
    traces = [-np.trace(atoms.get_stress(voigt=False)) * atoms.get_volume() for atoms in alloy]
    assert min(abs(float(batch.virials[0].trace()) - trace) for trace in traces) < 1e-5


def test_without_dpdata(alloy, tmp_path, monkeypatch):
    (tmp_path / "run.out").write_text(programs.cp2k(alloy[0]))
    monkeypatch.setitem(sys.modules, "dpdata", None)
    with pytest.raises(InputError, match=r"cp2k/output is read by dpdata, which is not installed: pip install"):
        read_frames([tmp_path / "run.out"])


def test_formats_that_are_not_there(tmp_path):
    (tmp_path / "OUTCAR").write_text("")
    with pytest.raises(
        InputError, match=r"does not exist; as a format before it, 'vasp/outcra': did you mean 'vasp/outcar'"
    ):
        read_frames([type(tmp_path)(f"vasp/outcra:{tmp_path / 'OUTCAR'}")])
    with pytest.raises(InputError, match="nothing does not exist"):
        read_frames([type(tmp_path)(f"cp2k/output:{tmp_path / 'nothing'}")])
