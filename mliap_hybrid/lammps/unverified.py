"""What a run could not be asked for: a LAMMPS built from source tells a model nothing but its pairs, unless connected.

Nothing that can be wrong goes without a word: what `run_checks` has to leave out is said once, at the first step.
"""

from __future__ import annotations

import sys
from typing import Any

from mliap_hybrid.lammps.failures import world_communicator


def unverified(data: Any, wants_large_box: bool, has_fixed_charges: bool) -> list[str]:
    """Names of what the model relies on and the data object does not tell.

    Parameters
    ----------
    data : object
        The data object of LAMMPS, or one that was completed by an instance.
    wants_large_box : bool
        Whether boxes narrower than the cutoff sphere are to be refused.
    has_fixed_charges : bool
        Whether LAMMPS' charges and k-space solver must be the model's.

    Returns
    -------
    list of str
        Empty where everything could be asked for.
    """
    wanted = {"unit_style": "units", "x": "hidden pairs"}
    if wants_large_box:
        wanted["cell"] = "box"
    if has_fixed_charges:
        wanted |= {"q": "charges", "kspace_style": "kspace_style"}
    return [name for attribute, name in wanted.items() if not hasattr(data, attribute)]


def warn_of_unverified(names: list[str]) -> None:
    """Print one line that says what was not checked, on the first rank.

    Parameters
    ----------
    names : list of str
        Of `unverified`.
    """
    world = world_communicator()
    if not names or (world is not None and world.rank):
        return
    what = " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
    taken = "; energies are handed over in eV, as `units metal` takes them" if "units" in names else ""
    print(
        f"WARNING: this LAMMPS does not tell a model its {what}, so that they were not checked{taken}. With the lines "
        "of `mliap-hybrid lammps-input --connect` in the input they are",
        file=sys.stderr,
        flush=True,
    )
