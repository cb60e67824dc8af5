"""Every physical constant and unit conversion. Inside the package: eV, Å, e, amu, ps; converted once, at the borders.

Values: CODATA 2018 (Tiesinga et al., Rev. Mod. Phys. 93, 025010 (2021)).
"""

from __future__ import annotations

from mliap_hybrid.errors import InputError, did_you_mean

BOHR = 0.529177210903
"""Bohr radius in Å."""

HARTREE = 27.211386245988
"""Hartree energy in eV."""

COULOMB_CONSTANT = HARTREE * BOHR
"""k_e = e^2 / (4 pi epsilon_0) in eV Å / e^2 (14.3996...)."""

KCAL_PER_MOL = 0.043364104241800934
"""One kcal/mol in eV (thermochemical calorie, exact N_A and e)."""

KJ_PER_MOL = KCAL_PER_MOL / 4.184
"""One kJ/mol in eV."""

BOLTZMANN = 8.617333262e-5
"""k_B in eV/K."""

LIGHT_SPEED = 0.0299792458
"""c in cm/ps: a wave number of 1/cm is a frequency of this in 1/ps."""

VACUUM_IMPEDANCE = 376.730313668
"""1 / (epsilon_0 c) in Ohm."""

CONDUCTIVITY = 1602.176634
"""One e^2/(eV ps Å) = e/(V ps Å) in S/m."""

LAMMPS_METAL_PRESSURE = 1.6021765e6
"""One eV/Å^3 in bar, with the digits that LAMMPS has for `units metal` (nktv2p in update.cpp)."""

ENERGY_UNITS = {
    "eV": 1.0,
    "meV": 1e-3,
    "Ha": HARTREE,
    "kcal/mol": KCAL_PER_MOL,
    "kJ/mol": KJ_PER_MOL,
}
"""Name of an energy unit -> its value in eV."""

LENGTH_UNITS = {"Å": 1.0, "angstrom": 1.0, "bohr": BOHR, "nm": 10.0}
"""Name of a length unit -> its value in Å."""

STRESS_UNITS = {
    "eV/Å^3": 1.0,
    "GPa": 1.0 / 160.21766340,
    "MPa": 1e-3 / 160.21766340,
    "kbar": 0.1 / 160.21766340,
    "bar": 1e-4 / 160.21766340,
    "atm": 1.01325e-4 / 160.21766340,
    "Ha/bohr^3": HARTREE / BOHR**3,
    "kcal/mol/Å^3": KCAL_PER_MOL,
}
"""Name of a unit of stress -> its value in eV/Å^3."""

LAMMPS_ENERGY_UNITS = {"metal": "eV", "real": "kcal/mol"}
"""LAMMPS `units` styles whose length is Å -> their energy unit."""

LAMMPS_TIME_UNITS = {"metal": 1.0, "real": 1e-3}
"""The same -> their time unit in ps."""


def energy_unit(name: str) -> float:
    """Value of the energy unit `name` in eV.

    Raises
    ------
    InputError
        If the unit is not known.
    """
    if name not in ENERGY_UNITS:
        raise InputError(f"unknown energy unit '{name}': {did_you_mean(name, ENERGY_UNITS)}")
    return ENERGY_UNITS[name]


def length_unit(name: str) -> float:
    """Value of the length unit `name` in Å.

    Raises
    ------
    InputError
        If the unit is not known.
    """
    if name not in LENGTH_UNITS:
        raise InputError(f"unknown length unit '{name}': {did_you_mean(name, LENGTH_UNITS)}")
    return LENGTH_UNITS[name]


def stress_unit(name: str) -> float:
    """Value of the unit of stress `name` in eV/Å^3; a minus before the name turns the sign.

    Raises
    ------
    InputError
        If the unit is not known.
    """
    bare = name.removeprefix("-")
    if bare not in STRESS_UNITS:
        raise InputError(f"unknown unit of stress '{name}': {did_you_mean(bare, STRESS_UNITS)}")
    return -STRESS_UNITS[bare] if name.startswith("-") else STRESS_UNITS[bare]


def lammps_energy_unit(unit_style: str) -> float:
    """Energy unit of the LAMMPS style `unit_style` in eV.

    Raises
    ------
    InputError
        If the style's lengths are not Å, so that the model cannot be used with it.
    """
    if unit_style not in LAMMPS_ENERGY_UNITS:
        raise InputError(
            f"LAMMPS runs with `units {unit_style}`, but mliap_hybrid works in Å: "
            f"expected one of {', '.join(sorted(LAMMPS_ENERGY_UNITS))}"
        )
    return ENERGY_UNITS[LAMMPS_ENERGY_UNITS[unit_style]]


def lammps_time_unit(unit_style: str) -> float:
    """Time unit of the LAMMPS style `unit_style` in ps.

    Raises
    ------
    InputError
        As `lammps_energy_unit`.
    """
    lammps_energy_unit(unit_style)
    return LAMMPS_TIME_UNITS[unit_style]
