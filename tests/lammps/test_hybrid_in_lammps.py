"""The hybrid potential in the real LAMMPS: against Python, and against differences of LAMMPS' own energy."""

import itertools
import re

import numpy as np
import pytest

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.check import check_models
from mliap_hybrid.lammps.command import run_lammps
from mliap_hybrid.lammps.data_file import in_lammps_orientation, read_dump, write_data_file
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.lammps.single_points import SinglePoint, lammps_results
from mliap_hybrid.testing.finite_differences import relative_difference
from mliap_hybrid.testing.models import ION_CHARGES, charge_predicting_model, contracted_model, sodium_chloride_model
from mliap_hybrid.testing.structures import random_structure, rock_salt
from mliap_hybrid.units import LAMMPS_METAL_PRESSURE

pytestmark = pytest.mark.mpi

SHEARED_CELL = np.array([[11.4, 0.0, 0.0], [1.9, 11.2, 0.0], [-1.3, 2.2, 11.8]])

HEAD = """\
units           metal
atom_style      charge
atom_modify     map array
{before_data}
read_data       {name}.data
{after_data}
{potential}
{kspace_modify}
compute         virial all pressure NULL virial
thermo_style    custom step temp pe c_virial[1] c_virial[2] c_virial[3] c_virial[4] c_virial[5] c_virial[6]
thermo          1
dump            forces all custom 1 {name}.dump id fx fy fz
dump_modify     forces sort id format float %.17g
variable        energy equal pe
"""
# LAMMPS tabulates the real-space part and retunes mesh and splitting in every run; differences need neither.
FIXED_MESH = "pair_modify pair coul/long table 0\nkspace_modify mesh 45 45 45 gewald 0.45 order 7"
# With predicted charges the real-space part ends at the model's cutoff.
FIXED_MESH_OF_PREDICTED = "kspace_modify mesh 45 45 45 gewald 0.85 order 7"

MODELS = {
    "short-range": lambda: sodium_chloride_model(None),
    "fixed_charges": lambda: sodium_chloride_model(ION_CHARGES),
    "shifted_charges": lambda: charge_predicting_model("shift"),
    "charge_increments": lambda: charge_predicting_model("increments"),
    "contractions": contracted_model,
    "charges_by_contractions": lambda: contracted_model(predicts_charges=True),
}
WITHOUT_CHARGES = ("short-range", "contractions")
each_model = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Model -> its file and manifest."""
    folder = tmp_path_factory.mktemp("models")
    return {name: (folder / f"{name}.pt", export_model(make(), folder / f"{name}.pt")) for name, make in MODELS.items()}


@pytest.fixture(scope="module")
def charged(exported):
    return exported["fixed_charges"]


def input_lines(folder, exported, atoms, body, name, kspace_modify=FIXED_MESH, before_data="", after_data=""):
    """Those of one model; writes its data file."""
    path, manifest = exported
    write_data_file(folder / f"{name}.data", atoms, ["Na", "Cl"], manifest.description.constants("charge"))
    potential = potential_block(manifest, str(path), accuracy=1e-6)
    if manifest.description.predicted("charge") and kspace_modify == FIXED_MESH:
        kspace_modify = FIXED_MESH_OF_PREDICTED
    elif not manifest.description.constants("charge"):
        kspace_modify = ""
    modified = {"kspace_modify": kspace_modify, "before_data": before_data, "after_data": after_data}
    return HEAD.format(name=name, potential=potential, **modified) + body


def run_models(folder, exported, atoms, body, ranks=1, **lines):
    """Model -> what LAMMPS printed of it. All run in one process, whose start takes most of the time."""
    inputs = [
        f'print "MODEL {name}"\n{input_lines(folder, each, atoms, body, name, **lines)}'
        for name, each in exported.items()
    ]
    (folder / "in.test").write_text("clear\n".join(inputs))
    return dict(of_model.split("\n", 1) for of_model in run_lammps(folder / "in.test", ranks).split("MODEL ")[1:])


def printed(output, name):
    """Numbers (n_lines, n) after a name that starts a line."""
    return np.array([[float(word) for word in line.split()] for line in re.findall(rf"^{name} (.*)$", output, re.M)])


STRUCTURES = {
    "crystal": lambda: rock_salt(2),
    "triclinic": lambda: random_structure(24, ["Na", "Cl"], SHEARED_CELL, seed=2),
}


@pytest.fixture(scope="module")
def comparisons(exported):
    cases = list(itertools.product(MODELS, STRUCTURES))
    checked = check_models([(exported[model][0], STRUCTURES[structure]()) for model, structure in cases], (1, 2, 4))
    return dict(zip(cases, checked, strict=True))


@each_model
@pytest.mark.parametrize("structure", STRUCTURES)
def test_equals_python_on_any_number_of_ranks(comparisons, model, structure):
    found = comparisons[model, structure]
    assert len(found) == (18 if model in WITHOUT_CHARGES else 36)
    for comparison in found:
        assert comparison.ok, comparison


@pytest.fixture(scope="module")
def in_a_corner(exported):
    atoms = in_lammps_orientation(random_structure(6, ["Na", "Cl"], np.diag([6.0, 6.0, 6.0]), seed=3))
    atoms.set_cell([24.0, 12.0, 12.0])  # all atoms in one corner: three of four ranks are empty
    points = [SinglePoint(path, atoms) for path, _ in exported.values()]
    return {ranks: dict(zip(exported, lammps_results(points, ranks), strict=True)) for ranks in (1, 4)}


@each_model
def test_ranks_without_atoms(in_a_corner, model):
    one, four = (in_a_corner[ranks][model] for ranks in (1, 4))
    assert four.energy == pytest.approx(one.energy, abs=1e-9)
    np.testing.assert_allclose(four.forces, one.forces, atol=1e-9)
    np.testing.assert_allclose(four.virial, one.virial, atol=1e-9)


MOVES = [(atom, axis) for atom in (1, 2, 40) for axis in range(3)]


@pytest.fixture(scope="module", params=[1, 2])
def forces_and_differences(request, exported, tmp_path_factory):
    """Model -> forces (n_moves,) and their differences of the energy."""
    folder, step = tmp_path_factory.mktemp("forces"), 1e-3
    body = "run 0\nundump forces\n"
    for atom, axis in MOVES:
        body += f"group one id {atom}\n"
        for sign, back in ((+1, -1), (-1, +1)):
            for amount in (sign * step, back * step):
                vector = " ".join(str(amount if k == axis else 0.0) for k in range(3))
                body += f"displace_atoms one move {vector}\n"
                if amount == sign * step:
                    body += 'run 0 post no\nprint "ENERGY $(v_energy:%.17g)"\n'
        body += "group one delete\n"
    output = run_models(folder, exported, in_lammps_orientation(rock_salt(2)), body, request.param)
    found = {}
    for model in exported:
        energies = printed(output[model], "ENERGY").reshape(len(MOVES), 2)
        forces = read_dump(folder / f"{model}.dump")
        found[model] = (
            np.array([forces[atom - 1, axis] for atom, axis in MOVES]),
            -(energies[:, 0] - energies[:, 1]) / (2 * step),
        )
    return found


@each_model
def test_forces_are_differences_of_the_energy(forces_and_differences, model):
    assert relative_difference(*forces_and_differences[model]) < 1e-4


@pytest.fixture(scope="module")
def virials_and_differences(exported, tmp_path_factory):
    """Model -> virial (6,) and strain derivatives of the energy."""
    edges, step = np.array([11.4, 11.2, 11.8]), 2e-4
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
    atoms = random_structure(24, ["Na", "Cl"], np.diag(edges), seed=2)
    folder = tmp_path_factory.mktemp("virial")
    output = run_models(folder, exported, atoms, body, after_data="change_box all triclinic")
    found = {}
    for model in exported:
        energies = printed(output[model], "ENERGY").reshape(6, 2)
        (pressures,) = printed(output[model], "VIRIAL")
        virial = pressures * edges.prod() / LAMMPS_METAL_PRESSURE
        found[model] = virial, -(energies[:, 0] - energies[:, 1]) / (2 * step)
    return found


@each_model
def test_virial_is_the_strain_derivative_of_the_energy(virials_and_differences, model):
    assert relative_difference(*virials_and_differences[model]) < 1e-4


@pytest.fixture(scope="module")
def forces_by_newton(exported, tmp_path_factory):
    """Setting -> folder with the dumped forces of all models."""
    folders = {newton: tmp_path_factory.mktemp(newton) for newton in ("on", "off")}
    for newton, folder in folders.items():
        run_models(folder, exported, rock_salt(2), "run 0\n", ranks=2, before_data=f"newton {newton}")
    return folders


@each_model
def test_newton_off(forces_by_newton, model):
    on, off = (read_dump(folder / f"{model}.dump") for folder in forces_by_newton.values())
    np.testing.assert_allclose(off, on, atol=1e-9)


@pytest.fixture(scope="module")
def energy_errors(exported, tmp_path_factory):
    """Model -> how far the total energy goes in the same time with a step and with half of it, eV/atom."""
    body = """\
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
    outputs = []
    for step, n_steps in ((2e-4, 30), (1e-4, 60)):
        lines = body.format(step=step, n_steps=n_steps)
        outputs.append(run_models(tmp_path_factory.mktemp("energy"), exported, rock_salt(2), lines, ranks=2))
    return {
        model: [np.diff(printed(output[model], "TOTAL"), axis=0).item() for output in outputs] for model in exported
    }


@each_model
def test_energy_is_conserved(energy_errors, model):
    """The crystal turns potential energy into motion; what is not conserved is the integrator's h^2."""
    coarse, fine = energy_errors[model]
    assert abs(coarse) < 1e-3
    assert (4.0 * fine - coarse) / 3.0 == pytest.approx(0.0, abs=2e-6)  # extrapolated to h = 0


class TestUserMistakes:
    """One clear sentence, a status other than zero, no traceback."""

    @staticmethod
    def fails(folder, exported, atoms, body, match, ranks=1, change=None):
        text = input_lines(folder, exported, atoms, body, "test", kspace_modify="")
        if change:
            assert change[0] in text
            text = text.replace(*change)
        script = folder / "in.test"
        script.write_text(text)
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
        text = input_lines(tmp_path, charged, rock_salt(2), "run 0\n", "test", kspace_modify="")
        text = re.sub(r"pair_style .*", f"pair_style mliap unified {charged[0]} 0", text)
        text = text.replace("* * mliap Na Cl", "* * Na Cl").replace("pair_coeff      * * coul/long\n", "")
        script = tmp_path / "in.test"
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
