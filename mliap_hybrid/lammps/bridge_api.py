"""The structs of plugin/bridge_api.h, field by field: what the C++ pair style and Python tell each other."""

from __future__ import annotations

import ctypes
from ctypes import CFUNCTYPE, POINTER, c_char, c_char_p, c_double, c_int, c_int32, c_int64, c_void_p

from mliap_hybrid.lammps.species_api import Moment, Species

BRIDGE_VERSION = 11
"""Raised on both sides when a struct or a function changes."""

OK, INPUT_ERROR, EXCEPTION = 0, 1, 2
"""What Python returns to C++: done; the user can mend it and the message says how; the message is a traceback."""


class Model(ctypes.Structure):
    """``mliap_model``: filled by Python when it has opened a model file."""

    _fields_ = [
        ("handle", c_int32),
        ("nelements", c_int32),
        ("ndescriptors", c_int32),
        ("nparams", c_int32),
        ("rcutfac", c_double),
        ("elements", c_char_p),
        ("centroid_stress", c_int32),
        ("point_charges", c_int32),
        ("total_charge", c_double),
        ("predicts_charges", c_int32),
        ("solves_coulomb", c_int32),
        ("smearing", c_double),
        ("typical_charges", POINTER(c_double)),
        ("knows_distance", c_int32),
        ("outside", c_double),
        ("nmembers", c_int32),
    ]


WRITER = CFUNCTYPE(c_int, c_void_p, c_void_p)
"""Type of the functions of C++ that take pair energies or pair forces: addresses of the step and of the array."""

SOLVER = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p)
"""Type of ``solve_coulomb`` and ``add_field``: addresses of the step, the charges, and the potentials or moments."""

COULOMB_WRITER = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)
"""Type of ``add_coulomb``: addresses of the step, the charges, the potentials, the forces and the virial."""

COLLECTIVE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int32)
"""Type of ``sum_over_ranks`` and the exchanges: addresses of the step and of the array, and the length of it, or of its
rows."""


class Step(ctypes.Structure):
    """``mliap_step``: one call of the pair style's compute(). Array pointers are kept as addresses."""

    _fields_ = [
        ("nlocal", c_int32),
        ("ntotal", c_int32),
        ("nlistatoms", c_int32),
        ("natomneigh", c_int32),
        ("eflag", c_int32),
        ("vflag", c_int32),
        ("newton_pair", c_int32),
        ("check_run", c_int32),
        ("npairs", c_int64),
        ("elems", c_void_p),
        ("iatoms", c_void_p),
        ("ielems", c_void_p),
        ("numneighs", c_void_p),
        ("pair_i", c_void_p),
        ("jatoms", c_void_p),
        ("jelems", c_void_p),
        ("jtags", c_void_p),
        ("rij", c_void_p),
        ("x", c_void_p),
        ("f", c_void_p),
        ("q", c_void_p),
        ("tag", c_void_p),
        ("type", c_void_p),
        ("molecule", c_void_p),
        ("eatoms", c_void_p),
        ("energy", c_double),
        ("distances", c_void_p),
        ("member_forces", c_void_p),
        ("cell", c_double * 9),
        ("box_origin", c_double * 3),
        ("periodic", c_int32 * 3),
        ("comm", c_int32),
        ("ranks_on_machine", c_int32),
        ("ntimestep", c_int64),
        ("g_ewald", c_double),
        ("unit_style", c_char_p),
        ("kspace_style", c_char_p),
        ("total_charge", c_double),
        ("field", c_double * 3),
        ("places", c_void_p),
        ("pair", c_void_p),
        ("update_pair_energy", WRITER),
        ("update_pair_forces", WRITER),
        ("solve_coulomb", SOLVER),
        ("add_coulomb", COULOMB_WRITER),
        ("add_field", SOLVER),
        ("forward_exchange", COLLECTIVE),
        ("reverse_exchange", COLLECTIVE),
        ("sum_over_ranks", COLLECTIVE),
    ]


class Native(ctypes.Structure):
    """``mliap_native``: how a model is evaluated without Python, filled by ``prepare``. Functions are addresses."""

    _fields_ = [
        ("potential", c_void_p),
        ("charges", c_void_p),
        ("evaluate", c_void_p),
        ("members", c_void_p),
        ("error", c_void_p),
        ("energy_unit", c_double),
        ("n_threads", c_int32),
        ("increments", c_int32),
        ("largest_change", c_double),
        ("starting_charges", POINTER(c_double)),
        ("neighbor_share", c_double),
    ]


OPEN_MODEL = CFUNCTYPE(c_int, c_char_p, c_int32, POINTER(Model))
PREPARE = CFUNCTYPE(c_int, c_int32, c_void_p, POINTER(Native))
COMPUTE = CFUNCTYPE(c_int, c_int32, c_void_p)
CLOSE = CFUNCTYPE(None, c_int32)
OPEN_SPECIES = CFUNCTYPE(c_int, POINTER(Species))
FOLLOW_SPECIES = CFUNCTYPE(c_int, c_int32, POINTER(Moment))
WRITE_SPECIES = CFUNCTYPE(c_int, c_int32)


class Bridge(ctypes.Structure):
    """``mliap_bridge``: sizes to compare when Python attaches, and the functions that C++ calls."""

    _fields_ = [
        ("version", c_int32),
        ("bridge_size", c_int32),
        ("model_size", c_int32),
        ("step_size", c_int32),
        ("native_size", c_int32),
        ("open_model", OPEN_MODEL),
        ("prepare", PREPARE),
        ("compute", COMPUTE),
        ("close_model", CLOSE),
        ("open_species", OPEN_SPECIES),
        ("follow_species", FOLLOW_SPECIES),
        ("write_species", WRITE_SPECIES),
        ("close_species", CLOSE),
        ("message", c_char * 8192),
    ]
