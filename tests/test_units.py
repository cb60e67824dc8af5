"""Constants against ASE's and LAMMPS' own, and a clear answer to unknown units."""

import ase.units
import pytest

from mliap_hybrid import units
from mliap_hybrid.errors import InputError


def test_constants_agree_with_ase():
    assert pytest.approx(ase.units.Bohr, rel=1e-8) == units.BOHR
    assert pytest.approx(ase.units.Hartree, rel=1e-7) == units.HARTREE
    assert pytest.approx(ase.units.kcal / ase.units.mol, rel=1e-7) == units.KCAL_PER_MOL
    assert pytest.approx(ase.units.kJ / ase.units.mol, rel=1e-7) == units.KJ_PER_MOL
    # LAMMPS: qqr2e = 14.399645 and nktv2p = 1.6021765e6 for units metal.
    assert pytest.approx(14.399645, rel=1e-7) == units.COULOMB_CONSTANT
    assert pytest.approx(1.602176634e6, rel=1e-7) == units.LAMMPS_METAL_PRESSURE


def test_unknown_units_are_answered():
    with pytest.raises(InputError, match=r"unknown energy unit 'kcal': did you mean 'kcal/mol'"):
        units.energy_unit("kcal")
    with pytest.raises(InputError, match="unknown length unit"):
        units.length_unit("parsec")
    with pytest.raises(InputError, match="units lj"):
        units.lammps_energy_unit("lj")
    assert units.lammps_energy_unit("real") == units.KCAL_PER_MOL
