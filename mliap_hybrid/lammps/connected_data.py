"""Predicted charges in LAMMPS' own ML-IAP: an instance gives what they need, and a `fix external` takes their forces.

Forces and virial of the exact Coulomb sum go through the fix, which adds them to everything else before the
integration; the energy, of the system and of each atom, goes with the model's own:

    fix        coulomb all external pf/array 1
    fix_modify coulomb virial yes
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.handed_arrays import in_lammps_order
from mliap_hybrid.lammps.host_arrays import listed_atoms
from mliap_hybrid.lammps.instance_data import InstanceData

FIX_LINES = "`fix {0} all external pf/array 1` and `fix_modify {0} virial yes`"


class ConnectedData(InstanceData):
    """The data object of LAMMPS' own ML-IAP with what predicted charges need besides: that of `MLIAPData`.

    Parameters
    ----------
    data : object
        Of LAMMPS' own ML-IAP, with arrays in the memory of the processor.
    instance : lammps.lammps
    fix : str
        ID of the `fix external`.
    total_charge : float, e
        NaN if it follows from the atoms.

    Raises
    ------
    InputError
        If the fix is missing.
    """

    def __init__(self, data: Any, instance: Any, fix: str, total_charge: float):
        super().__init__(data, instance)
        self._fix = fix
        self.total_charge = total_charge
        self._added = False  # whether anything was in this step, whose data object this is
        self._virial: NDArray[np.float64] = np.zeros(6)
        self.coulomb_energies: NDArray[np.float64] = np.zeros(int(data.nlistatoms))
        """(n_list_atoms,) share of each listed atom in the Coulomb energy, to be handed over with the model's own."""
        if not instance.has_id("fix", fix):
            raise InputError(f"the model predicts charges and expects {FIX_LINES.format(fix)} in the input")

    def add_coulomb(self, charges: ArrayLike, potentials: ArrayLike, forces: ArrayLike, virial: ArrayLike) -> None:
        """Add a Coulomb energy 1/2 sum_i q_i phi_i, its forces and virial. Collective; as `MLIAPData.add_coulomb`.

        The energy is left in `coulomb_energies`: the fix would take that of the system, but not those of the atoms.
        """
        listed = listed_atoms(self._data)
        of_fix = self._instance.numpy.fix_external_get_force(self._fix)  # (nlocal, 3)
        if len(of_fix):
            self._instance.numpy.extract_atom("q")[listed] = charges
            if not self._added:  # what the fix holds is of the last step
                of_fix[:] = 0.0
            of_fix[listed] += forces
        self.coulomb_energies = self.coulomb_energies + 0.5 * np.asarray(charges) * np.asarray(potentials)
        self._virial = self._virial + self.sum_over_ranks(in_lammps_order(np.asarray(virial)))
        self._added = True
        self._instance.fix_external_set_energy_global(self._fix, 0.0)
        self._instance.fix_external_set_virial_global(self._fix, self._virial)
