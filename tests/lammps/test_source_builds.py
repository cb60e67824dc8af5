"""A LAMMPS built from source tells a model nothing but its pairs: what is said then, and what a connection checks.

The same faults on a real build: `tests/upstream/compare_faults.py`.
"""

import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from ase import Atoms
from typer.testing import CliRunner

from mliap_hybrid.cli.main import app
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.command import lammps_command
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.lammps.unified import open_unified
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.testing.lammps_instance import StandInInstance
from mliap_hybrid.testing.mliap_data import KokkosData, PluginData, UpstreamData
from mliap_hybrid.testing.models import ION_CHARGES, charge_predicting_model, sodium_chloride_model
from mliap_hybrid.testing.rank_arrays import rank_arrays
from mliap_hybrid.testing.structures import rock_salt
from mliap_hybrid.units import KCAL_PER_MOL


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.pt"
    export_model(sodium_chloride_model(ION_CHARGES), path)
    return path


@pytest.fixture
def run(model_file):
    """Runs a step as LAMMPS built from source would; keywords are those of the instance, None leaves it out."""

    def run(atoms, connected=True, path=model_file, kind=UpstreamData, **instance):
        unified = open_unified(str(path))
        arrays = rank_arrays(atoms, unified.model.cutoff, unified.element_types)
        data = kind(arrays)
        if connected:
            charges = np.array([ION_CHARGES[z] for z in atoms.numbers])
            unified.connect(StandInInstance(arrays, atoms, **({"q": charges} | instance)))
        unified.compute_forces(data)
        return data.result(len(atoms))

    return run


class TestRanksWithoutRows:
    """LAMMPS' own data objects raise where an array would be empty: nothing may be asked for before its size."""

    @pytest.fixture
    def unified(self, tmp_path):
        export_model(sodium_chloride_model(None), tmp_path / "model.pt", allow_small_box=True)
        return open_unified(str(tmp_path / "model.pt"))

    def step(self, unified, kind, had_rows, atoms, owned=None):
        arrays = rank_arrays(atoms, unified.model.cutoff, unified.element_types, owned=owned)
        data = kind(arrays, had_rows=had_rows)
        unified.compute_forces(data)
        return data.result(len(atoms))

    @pytest.mark.parametrize("kind", [UpstreamData, KokkosData])
    @pytest.mark.parametrize("had_rows", [False, True])
    def test_they_add_nothing(self, unified, kind, had_rows):
        atoms = rock_salt(1)
        whole = self.step(unified, kind, had_rows, atoms)
        parts = [self.step(unified, kind, had_rows, atoms, owned=owned) for owned in (range(8), [])]
        for k in (0, 2, 3):
            np.testing.assert_allclose(sum(part[k] for part in parts), whole[k], atol=1e-12)
        assert parts[1][0] == 0.0

    @pytest.mark.parametrize("kind", [UpstreamData, KokkosData])
    @pytest.mark.parametrize("had_rows", [False, True])
    def test_atoms_without_pairs_have_their_energy(self, unified, kind, had_rows):
        atoms = Atoms("NaCl", positions=[[0, 0, 0], [0, 0, 15.0]], cell=[30, 30, 30], pbc=True)
        energy, _, forces, _ = self.step(unified, kind, had_rows, atoms)
        expected = predict(unified.model.double(), frame_to_batch(atoms, unified.model.cutoff)).energies[0]
        assert energy == pytest.approx(float(expected), abs=1e-10)
        assert not forces.any()

    @pytest.mark.parametrize("kind", [UpstreamData, KokkosData])
    def test_the_stand_ins_raise_as_lammps_does(self, kind):
        arrays = rank_arrays(rock_salt(1), 4.5, ["Na", "Cl"], owned=[])
        with pytest.raises(ValueError, match=r"Invalid shape in axis 0: 0\."):
            _ = kind(arrays).elems
        with pytest.raises(ValueError, match=r"Invalid shape in axis 0: 0\."):
            _ = kind(arrays, had_rows=True).rij
        assert kind(arrays).rij is None


class TestUnchecked:
    """Without a connection one line says what could not be checked."""

    def test_one_line_at_the_first_step(self, model_file, capsys):
        atoms = rock_salt(2)
        unified = open_unified(str(model_file))
        arrays = rank_arrays(atoms, unified.model.cutoff, unified.element_types)
        for _ in range(2):
            unified.compute_forces(UpstreamData(arrays))
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(
            "WARNING: this LAMMPS does not tell a model its units, hidden pairs, box, charges and kspace_style"
        )
        assert "handed over in eV" in line
        assert "lammps-input --connect" in line

    def test_only_what_the_model_relies_on(self, tmp_path, run, capsys):
        export_model(sodium_chloride_model(None), tmp_path / "model.pt", allow_small_box=True)
        run(rock_salt(1), connected=False, path=tmp_path / "model.pt")
        assert "does not tell a model its units and hidden pairs, so" in capsys.readouterr().err

    def test_nothing_where_everything_was_checked(self, model_file, run, capsys):
        atoms = rock_salt(2)
        run(atoms)
        unified = open_unified(str(model_file))
        arrays = rank_arrays(atoms, unified.model.cutoff, unified.element_types)
        unified.compute_forces(PluginData(arrays, atoms, q=np.array([ION_CHARGES[z] for z in atoms.numbers])))
        assert capsys.readouterr().err == ""

    def test_charges_on_a_gpu(self, run, capsys):
        run(rock_salt(2), gpus=1)  # the instance has old copies of them
        assert "does not tell a model its hidden pairs and charges, so" in capsys.readouterr().err


class TestConnected:
    """Faults that a connected model refuses, as it does in the wheel."""

    @pytest.mark.parametrize("kind", [UpstreamData, KokkosData])
    def test_units_real(self, run, kind):
        atoms = rock_salt(2)
        metal, real = (run(atoms, kind=kind, units=units) for units in ("metal", "real"))
        for a, b in zip(metal, real, strict=True):
            np.testing.assert_allclose(b, a / KCAL_PER_MOL, rtol=1e-12)

    @pytest.mark.parametrize(
        ("instance", "sentence"),
        [
            ({"units": "lj"}, "units lj"),
            ({"q": np.tile([1.0, -1.0], 32)}, r"atom 1 \(Na\) has the charge \+1\.000000 e in LAMMPS but \+0\.8"),
            ({"q": None}, "atom_style charge"),
            ({"kspace_style": None}, "no kspace_style"),
            ({"dielectric": 78.0}, "dielectric 1.0, not 78"),
        ],
    )
    def test_refused(self, run, instance, sentence):
        with pytest.raises(InputError, match=sentence):
            run(rock_salt(2), **instance)

    def test_small_box(self, run):
        with pytest.raises(InputError, match=r"5\.640 Å.*smaller than the cutoff sphere"):
            run(rock_salt(1))

    def test_hidden_pairs(self, model_file, run):
        atoms = rock_salt(2)
        run(atoms)  # all pairs are there
        unified = open_unified(str(model_file))
        arrays = rank_arrays(atoms, unified.model.cutoff, unified.element_types)
        charges = np.array([ION_CHARGES[z] for z in atoms.numbers])
        unified.connect(StandInInstance(arrays, atoms, charges))
        hidden = (arrays.owner[arrays.pair_i] == 4) & (arrays.owner[arrays.pair_j] == 5)
        arrays.pair_i, arrays.pair_j, arrays.rij = (a[~hidden] for a in (arrays.pair_i, arrays.pair_j, arrays.rij))
        with pytest.raises(InputError, match=r"atom 5 has \d+ neighbours within the cutoff .*neigh_modify exclude"):
            unified.compute_forces(UpstreamData(arrays))

    def test_charge_sum(self, run):
        atoms = rock_salt(2)
        del atoms[0]
        with pytest.raises(InputError, match=r"sum to -0\.8000 e"):
            run(atoms)


def test_a_model_that_needs_the_plugin_is_refused_when_it_is_loaded(tmp_path):
    export_model(charge_predicting_model(), tmp_path / "model.pt")
    with pytest.raises(InputError, match="which need the plugin"):
        torch.load(tmp_path / "model.pt", weights_only=False)  # as LAMMPS' own ML-IAP does
    manifest = export_model(charge_predicting_model(), tmp_path / "model.pt")
    with pytest.raises(InputError, match="--coulomb exact"):
        potential_block(manifest, "model.pt", connect=True)


@pytest.mark.parametrize("kind", ["none", "fixed", "predicted"])
def test_printed_lines_hand_the_instance_over(tmp_path, kind):
    model = charge_predicting_model() if kind == "predicted" else sodium_chloride_model(charges_of(kind))
    block = potential_block(export_model(model, tmp_path / "m.pt", coulomb_engine="exact"), "m.pt", connect=True)
    lines = [" ".join(line.split()) for line in block.splitlines()]
    assert lines[1] == "python connect_model input 2 SELF m.pt format ps here &"
    assert lines[2] == '"from mliap_hybrid.lammps.connection import connect_model"'
    assert lines[3] == "python connect_model invoke"
    style = {"fixed": "hybrid/overlay mliap unified EXISTS 0 coul/long 9.0"}.get(kind, "mliap unified EXISTS 0")
    assert lines[4] == f"pair_style {style}"
    assert ("fix coulomb all external pf/array 1" in lines) == (kind == "predicted")
    assert ("# compute stress/atom lacks the Coulomb part, compute pressure has it" in lines) == (kind == "predicted")
    assert "in the wheel also real" not in block


def test_the_verb_prints_them(model_file):
    result = CliRunner().invoke(app, ["lammps-input", str(model_file), "--connect"])
    assert result.exit_code == 0, result.output
    assert f"connect_model input 2 SELF {model_file} format ps here" in result.output
    plain = CliRunner().invoke(app, ["lammps-input", str(model_file)])
    assert "units metal, in the wheel also real" in plain.output
    assert "python" not in plain.output


def charges_of(kind):
    return ION_CHARGES if kind == "fixed" else None


FAILING = """
import sys
from mpi4py import MPI
from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.failures import end_run
if MPI.COMM_WORLD.rank in {ranks}:
    try:
        raise {error}("atom 7 has the wrong charge")
    except Exception as error:
        end_run(error)
        raise
MPI.COMM_WORLD.Barrier()  # where LAMMPS' own error would leave the other ranks
MPI.COMM_WORLD.Barrier()
"""


def failing(n_ranks, ranks, error="InputError"):
    launcher = lammps_command(n_ranks)[:-1]
    begin = time.monotonic()
    code = FAILING.format(ranks=ranks, error=error)
    done = subprocess.run([*launcher, sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    return done.stderr, time.monotonic() - begin


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [{1}, {0, 1}])
def test_an_error_ends_all_ranks_with_one_sentence(ranks):
    said, _ = failing(2, ranks)
    assert said.count("the wrong charge") == 1
    assert f"ERROR on rank {min(ranks)}: atom 7" in said
    assert "Traceback" not in said


@pytest.mark.mpi
def test_an_error_of_the_program_keeps_its_traceback():
    said, _ = failing(2, {1}, "ZeroDivisionError")
    assert "Traceback" in said
    assert "ZeroDivisionError: atom 7" in said


@pytest.mark.parametrize(("error", "traceback"), [("InputError", False), ("ZeroDivisionError", True)])
def test_on_one_rank_lammps_prints_the_sentence_alone(error, traceback):
    said, _ = failing(1, {0}, error)
    assert ("Traceback" in said) == traceback
    assert said.splitlines()[-1].endswith("atom 7 has the wrong charge")
