"""Density tables: what they must integrate to, and elements that are not there."""

import numpy as np
import pytest
from ase.data import atomic_numbers
from scipy.integrate import quad

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.density import DensityTable, PseudoDensity
from mliap_hybrid.features.density_files import load_table
from mliap_hybrid.units import BOHR

# Valence electrons of the GTH pseudopotentials, from their published parameter lists.
VALENCE = {"H": 1, "C": 4, "O": 6, "Na": 9, "Mg": 10, "Al": 3, "Cl": 7, "K": 9, "Ti": 12, "Cu": 11, "I": 7, "Pt": 18}


@pytest.fixture(scope="module")
def table() -> DensityTable:
    return load_table("gth-pbe")


@pytest.mark.parametrize("number", range(1, 87))
def test_shipped_densities(table: DensityTable, number: int) -> None:
    density = table[number]
    electrons, _ = quad(lambda r: 4 * np.pi * r**2 * density(np.array(r)), 0, 15, limit=200, epsabs=1e-10)
    assert electrons == pytest.approx(round(electrons), rel=1e-3)
    assert electrons == pytest.approx(density.n_electrons, rel=1e-6)
    # No primitives that nearly cancel, and none so sharp or wide that a probe could not see it.
    assert np.abs(density.charges).sum() <= 3.0 * electrons
    assert density.exponents.min() >= 0.05
    assert density.exponents.max() <= 100.0
    assert len(density.exponents) <= 7


@pytest.mark.parametrize(("symbol", "electrons"), VALENCE.items())
def test_number_of_valence_electrons(table: DensityTable, symbol: str, electrons: int) -> None:
    assert table[atomic_numbers[symbol]].n_electrons == pytest.approx(electrons, rel=1e-3)


def test_size_of_the_hydrogen_atom(table: DensityTable) -> None:
    # <r> = 1.5 a_0 in the exact atom; PBE without spin makes it several per cent larger.
    mean_radius, _ = quad(lambda r: 4 * np.pi * r**3 * table[1](np.array(r)), 0, 15)
    assert mean_radius == pytest.approx(1.5 * BOHR, rel=0.12)
    assert mean_radius > 1.5 * BOHR


def test_missing_element_is_named_with_those_there_are() -> None:
    table = DensityTable("mine", {11: PseudoDensity(np.ones(1), np.ones(1)), 17: PseudoDensity(np.ones(1), np.ones(1))})
    with pytest.raises(InputError, match=r"'mine' has no Br \(Z = 35\).*Na Cl"):
        table[35]
    with pytest.raises(InputError, match="no element 200"):
        table[200]


def test_padding_adds_no_density() -> None:
    short, long = (
        PseudoDensity(np.array([2.0]), np.array([3.0])),
        PseudoDensity(np.array([1.0, 4.0]), np.array([5.0, 6.0])),
    )
    amplitudes, exponents = DensityTable("", {1: short, 2: long}).padded((2, 1))
    np.testing.assert_array_equal(amplitudes, [[1.0, 4.0], [2.0, 0.0]])
    assert (exponents > 0).all()
