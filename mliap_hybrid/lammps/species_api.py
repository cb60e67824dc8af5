"""The structs of plugin/species_api.h, field by field: what fix mliap/species and Python tell each other."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_double, c_int8, c_int32, c_int64


class Species(ctypes.Structure):
    """``mliap_species``: what the input asks for; `handle` and `radii` are filled by Python."""

    _fields_ = [
        ("folder", c_char_p),
        ("elements", c_char_p),
        ("unit_style", c_char_p),
        ("form", c_double),
        ("break_apart", c_double),
        ("persistence", c_double),
        ("overwrite", c_int32),
        ("handle", c_int32),
        ("radii", POINTER(c_double)),
    ]


class Moment(ctypes.Structure):
    """``mliap_moment``: one moment of a run; the last three numbers are filled by Python."""

    _fields_ = [
        ("ntimestep", c_int64),
        ("time", c_double),
        ("volume", c_double),
        ("natoms", c_int64),
        ("npairs", c_int64),
        ("tags", POINTER(c_int32)),
        ("types", POINTER(c_int32)),
        ("pairs", POINTER(c_int32)),
        ("is_close", POINTER(c_int8)),
        ("nmolecules", c_double),
        ("nkinds", c_double),
        ("nreactions", c_double),
    ]
