"""The hybrid potential in the real LAMMPS: against Python, and against differences of LAMMPS' own energy."""

import re

import numpy as np
import pytest

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.check import check_model, lammps_result
from mliap_hybrid.lammps.command import run_lammps
from mliap_hybrid.lammps.data_file import in_lammps_orientation, read_dump, write_data_file
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.testing.finite_differences import relative_difference
from mliap_hybrid.testing.models import ION_CHARGES, charge_predicting_model, sodium_chloride_model
from mliap_hybrid.testing.structures import random_structure, rock_salt
from mliap_hybrid.units import LAMMPS_METAL_PRESSURE

pytestmark = pytest.mark.mpi

SYMBOL_CHARGES = {"Na": ION_CHARGES[11], "Cl": ION_CHARGES[17]}
SHEARED_CELL = np.array([[11.4, 0.0, 0.0], [1.9, 11.2, 0.0], [-1.3, 2.2, 11.8]])

HEAD = """\
units           {units}
atom_style      charge
atom_modify     map array
{newton}
read_data       structure.data
{potential}
{kspace_modify}
compute         virial all pressure NULL virial
thermo_style    custom step temp pe c_virial[1] c_virial[2] c_virial[3] c_virial[4] c_virial[5] c_virial[6]
thermo          1
dump            forces all custom 1 forces.dump id fx fy fz
dump_modify     forces sort id format float %.17g
variable        energy equal pe
"""
# LAMMPS tabulates the real-space part and retunes mesh and splitting in every run; differences need neither.
FIXED_MESH = "pair_modify pair coul/long table 0\nkspace_modify mesh 45 45 45 gewald 0.45 order 7"
# With predicted charges the real-space part ends at the model's cutoff.
FIXED_MESH_OF_PREDICTED = "kspace_modify mesh 45 45 45 gewald 0.85 order 7"

MODELS = {
    "short-range": lambda: sodium_chloride_model(None),
    "fixed charges": lambda: sodium_chloride_model(ION_CHARGES),
    "shifted charges": lambda: charge_predicting_model("shift"),
    "charge increments": lambda: charge_predicting_model("increments"),
}


@pytest.fixture(scope="module", params=MODELS)
def exported(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.pt"
    return path, export_model(MODELS[request.param](), path)


@pytest.fixture(scope="module")
def charged(tmp_path_factory):
    path = tmp_path_factory.mktemp("charged") / "model.pt"
    return path, export_model(sodium_chloride_model(), path)


def write_input(folder, exported, atoms, body, units="metal", newton="", kspace_modify=FIXED_MESH):
    path, manifest = exported
    write_data_file(folder / "structure.data", atoms, ["Na", "Cl"], manifest.description.constants("charge"))
    potential = potential_block(manifest, str(path), accuracy=1e-6)
    if manifest.description.predicted("charge") and kspace_modify == FIXED_MESH:
        kspace_modify = FIXED_MESH_OF_PREDICTED
    elif not manifest.description.constants("charge"):
        kspace_modify = ""
    head = HEAD.format(units=units, newton=newton, potential=potential, kspace_modify=kspace_modify)
    (folder / "in.test").write_text(head + body)
    return folder / "in.test"


@pytest.mark.parametrize("structure", ["crystal", "triclinic"])
def test_equals_python_on_any_number_of_ranks(exported, structure):
    atoms = rock_salt(2) if structure == "crystal" else random_structure(24, ["Na", "Cl"], SHEARED_CELL, seed=2)
    for comparison in check_model(exported[0], ranks=(1, 2, 4), atoms=atoms):
        assert comparison.ok, comparison


def test_ranks_without_atoms(exported, tmp_path):
    atoms = in_lammps_orientation(random_structure(6, ["Na", "Cl"], np.diag([6.0, 6.0, 6.0]), seed=3))
    atoms.set_cell([24.0, 12.0, 12.0])  # all atoms in one corner: three of four ranks are empty
    one, four = (lammps_result(exported[0], atoms, ranks) for ranks in (1, 4))
    assert four.energy == pytest.approx(one.energy, abs=1e-9)
    np.testing.assert_allclose(four.forces, one.forces, atol=1e-9)
    np.testing.assert_allclose(four.virial, one.virial, atol=1e-9)


@pytest.mark.parametrize("ranks", [1, 2])
def test_forces_are_differences_of_the_energy(exported, tmp_path, ranks):
    atoms = rock_salt(2)
    moves = [(atom, axis) for atom in (1, 2, 40) for axis in range(3)]
    step = 1e-3
    body = "run 0\n"
    for atom, axis in moves:
        body += f"group one id {atom}\n"
        for sign, back in ((+1, -1), (-1, +1)):
            for amount in (sign * step, back * step):
                vector = " ".join(str(amount if k == axis else 0.0) for k in range(3))
                body += f"displace_atoms one move {vector}\n"
                if amount == sign * step:
                    body += 'run 0 post no\nprint "ENERGY $(v_energy:%.17g)"\n'
        body += "group one delete\n"
    body = body.replace("run 0\n", "run 0\nundump forces\n", 1)
    output = run_lammps(write_input(tmp_path, exported, in_lammps_orientation(atoms), body), ranks)
    energies = np.array([float(e) for e in re.findall(r"^ENERGY (\S+)$", output, re.M)]).reshape(len(moves), 2)
    differences = -(energies[:, 0] - energies[:, 1]) / (2 * step)
    forces = read_dump(tmp_path / "forces.dump")
    assert relative_difference(np.array([forces[a - 1, x] for a, x in moves]), differences) < 1e-4


def test_virial_is_the_strain_derivative_of_the_energy(exported, tmp_path):
    edges = np.array([11.4, 11.2, 11.8])
    atoms = random_structure(24, ["Na", "Cl"], np.diag(edges), seed=2)
    step = 2e-4
    lx, ly, lz = edges
    # (what change_box changes, its value without strain, its change with a unit strain)
    strains = [("x final 0", lx, lx), ("y final 0", ly, ly), ("z final 0", lz, lz)]
    strains += [("xy final", 0.0, ly), ("xz final", 0.0, lz), ("yz final", 0.0, lz)]
    body = "undump forces\nrun 0\n"
    body += 'print "VIRIAL ' + " ".join(f"$(c_virial[{k}]:%.17g)" for k in range(1, 7)) + '"\n'
    for what, start, change in strains:
        for sign in (+1, -1):
            body += f"change_box all {what} {float(start + sign * step * change)!r} remap units box\n"
            body += 'run 0 post no\nprint "ENERGY $(v_energy:%.17g)"\n'
            body += f"change_box all {what} {float(start)!r} remap units box\n"
    script = write_input(tmp_path, exported, atoms, body)
    data = "read_data       structure.data\n"
    script.write_text(script.read_text().replace(data, f"{data}change_box all triclinic\n"))
    output = run_lammps(script)
    energies = np.array([float(e) for e in re.findall(r"^ENERGY (\S+)$", output, re.M)]).reshape(6, 2)
    pressures = np.array([float(word) for word in re.search(r"^VIRIAL (.*)$", output, re.M).group(1).split()])
    virial = pressures * edges.prod() / LAMMPS_METAL_PRESSURE
    assert relative_difference(virial, -(energies[:, 0] - energies[:, 1]) / (2 * step)) < 1e-4


def test_newton_off(exported, tmp_path):
    atoms = rock_salt(2)
    forces = []
    for newton in ("newton on", "newton off"):
        run_lammps(write_input(tmp_path, exported, atoms, "run 0\n", newton=newton), ranks=2)
        forces.append(read_dump(tmp_path / "forces.dump"))
    np.testing.assert_allclose(forces[1], forces[0], atol=1e-9)


def test_energy_is_conserved(exported, tmp_path):
    """The crystal turns 0.6 eV/atom of potential energy into motion; what is not conserved is the integrator's h^2."""
    errors = []
    for step, n_steps in ((2e-4, 100), (1e-4, 200)):
        body = f"""\
undump forces
velocity all create 300.0 7
timestep {step}
fix nve all nve
variable total equal etotal/atoms
run 0 post no
print "TOTAL $(v_total:%.17g)"
run {n_steps}
print "TOTAL $(v_total:%.17g)"
"""
        output = run_lammps(write_input(tmp_path, exported, rock_salt(2), body), ranks=2)
        first, last = (float(e) for e in re.findall(r"^TOTAL (\S+)$", output, re.M))
        errors.append(last - first)
    coarse, fine = errors
    assert abs(coarse) < 1e-3
    assert (4.0 * fine - coarse) / 3.0 == pytest.approx(0.0, abs=2e-6)  # extrapolated to h = 0


class TestUserMistakes:
    """One clear sentence, a status other than zero, no traceback."""

    @staticmethod
    def fails(folder, exported, atoms, body, match, ranks=1, change=None):
        script = write_input(folder, exported, atoms, body, kspace_modify="")
        if change:
            text = script.read_text()
            assert change[0] in text
            script.write_text(text.replace(*change))
        with pytest.raises(InputError) as caught:
            run_lammps(script, ranks)
        assert re.search(match, str(caught.value)), str(caught.value)
        assert "Traceback" not in str(caught.value)

    @pytest.mark.parametrize("ranks", [1, 2])
    def test_small_box(self, charged, tmp_path, ranks):
        self.fails(tmp_path, charged, rock_salt(1), "run 0\n", "smaller than the cutoff sphere", ranks)

    def test_wrong_element(self, charged, tmp_path):
        change = ("* * mliap Na Cl", "* * mliap Na Br")
        self.fails(tmp_path, charged, rock_salt(2), "run 0\n", "Br.*Na", change=change)

    @pytest.mark.parametrize("ranks", [1, 2])
    def test_wrong_charge(self, charged, tmp_path, ranks):
        change = ("type 1 charge 0.8", "type 1 charge 1.0")
        self.fails(tmp_path, charged, rock_salt(2), "run 0\n", "charge .* in the model", ranks, change)

    def test_charge_sum(self, charged, tmp_path):
        atoms = rock_salt(2)
        del atoms[5]
        self.fails(tmp_path, charged, atoms, "run 0\n", "sum to", ranks=2)

    def test_no_kspace(self, charged, tmp_path):
        script = write_input(tmp_path, charged, rock_salt(2), "run 0\n", kspace_modify="")
        text = script.read_text()
        text = re.sub(r"pair_style .*", f"pair_style mliap unified {charged[0]} 0", text)
        text = text.replace("* * mliap Na Cl", "* * Na Cl").replace("pair_coeff      * * coul/long\n", "")
        script.write_text(re.sub(r"kspace_.*", "", text))
        with pytest.raises(InputError, match="no kspace_style"):
            run_lammps(script)

    def test_truncated_model(self, charged, tmp_path):
        broken = tmp_path / "broken.pt"
        broken.write_bytes(charged[0].read_bytes()[:3000])
        change = (str(charged[0]), str(broken))
        self.fails(tmp_path, charged, rock_salt(2), "run 0\n", "damaged", ranks=2, change=change)

    def test_missing_model(self, charged, tmp_path):
        change = (str(charged[0]), "nowhere.pt")
        match = r"cannot find the model file 'nowhere\.pt'"
        self.fails(tmp_path, charged, rock_salt(2), "run 0\n", match, change=change)
