"""Small unified models whose charges follow the atoms, to test the LAMMPS side without a trained potential.

They are pickled by reference, so this module must be importable where LAMMPS runs.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class CoordinationCharges:
    """Repulsive ions whose charges depend on how many neighbours they have.

    With the window w(r) = (1 - r^2 / r_c^2)^3 and the coordination n_i = sum_j w(r_ij), an ion of element e has

    - ``shift``: q_i = q0_e + c_e n_i, plus the same number for all ions that makes the sum Q;
    - ``increments``: q_i = q0_e + sum_j w(r_ij) (u_j - u_i) with u_i = c_e n_i, which keeps the sum of all q0_e.

    The pair energy is A w(r) exp(-r / rho).

    Parameters
    ----------
    element_types : list of str
        Elements the model answers to.
    base : list of float, e
        q0 of each element.
    charges_per_neighbour : list of float, e
        c of each element.
    cutoff : float, Å
        r_c.
    smearing : float, Å
        Width sigma of the charges.
    neutrality : 'shift' or 'increments'
    total_charge : float, e
        Q.
    response : bool
        Whether the forces hold the change of the charges, as they must.
    """

    predicts_charges = True
    repulsion = 1000.0  # A, eV
    decay = 0.33  # rho, Å
    ndescriptors = 1
    nparams = 1
    interface: Any = None

    def __init__(
        self,
        element_types: list[str],
        base: list[float],
        charges_per_neighbour: list[float],
        cutoff: float = 6.0,
        smearing: float = 1.0,
        neutrality: Literal["shift", "increments"] = "shift",
        total_charge: float = 0.0,
        response: bool = True,
    ) -> None:
        self.element_types = element_types
        self.base = np.array(base)
        self.charges_per_neighbour = np.array(charges_per_neighbour)
        self.cutoff = cutoff
        self.rcutfac = 0.5 * cutoff
        self.smearing = smearing
        self.neutrality = neutrality
        self.total_charge: float | None = total_charge if neutrality == "shift" else None
        self.typical_charges: list[float] | None = list(base)
        self.response = response

    def compute_descriptors(self, data: Any) -> None:
        """Nothing: there are none."""

    def compute_gradients(self, data: Any) -> None:
        """Nothing: there are none."""

    def compute_forces(self, data: Any) -> None:
        """Predict the charges, have their potentials solved for, and return what follows from the two."""
        centre, elements = self._centres(data)  # (n_pairs,), (n_list_atoms,)
        r2 = np.einsum("pc,pc->p", data.rij, data.rij)  # (n_pairs,)
        distances = np.sqrt(r2)
        window, window_derivative = self.window(r2)  # (n_pairs,) each: w and dw/d(r^2)
        coordination = np.zeros(data.nlistatoms)  # (n_list_atoms,)
        np.add.at(coordination, centre, window)
        pair_energies = self.repulsion * window * np.exp(-distances / self.decay)
        # d(pair energy)/d(r^2) of half the pair energy, since every pair is listed twice
        energy_derivatives = 0.5 * pair_energies * (window_derivative / window - 0.5 / (self.decay * distances))

        charges, unconstrained = self.charges(data, centre, elements, coordination, window)
        potentials = self.solve(data, charges)
        if self.response:
            energy_derivatives += self._response(
                data, centre, elements, window, window_derivative, unconstrained, potentials
            )
        per_atom = 0.5 * np.bincount(centre, pair_energies, minlength=data.nlistatoms)  # (n_list_atoms,)
        data.eatoms = per_atom
        data.energy = per_atom.sum()
        data.update_pair_forces(2.0 * energy_derivatives[:, None] * data.rij)

    def window(self, r2: Array) -> tuple[Array, Array]:
        """w and dw/d(r^2) at squared distances, shape (n_pairs,)."""
        inside = 1.0 - r2 / self.cutoff**2
        return inside**3, -3.0 * inside**2 / self.cutoff**2

    def charges(
        self, data: Any, centre: NDArray[np.intp], elements: NDArray[np.int32], coordination: Array, window: Array
    ) -> tuple[Array, Array]:
        """q_i of listed atoms, shape (n_list_atoms,), and u of all atoms, shape (n_total,)."""
        unconstrained = np.zeros(data.ntotal)
        unconstrained[data.iatoms[: data.nlistatoms]] = self.charges_per_neighbour[elements] * coordination
        if self.neutrality == "shift":
            charges = self.base[elements] + self.charges_per_neighbour[elements] * coordination
            total, n_atoms = data.sum_over_ranks([charges.sum(), data.nlistatoms])
            return charges + (data.total_charge - total) / n_atoms, unconstrained
        data.forward_exchange(unconstrained, unconstrained, 1)
        steps = window * (unconstrained[data.pair_j] - unconstrained[data.pair_i])  # (n_pairs,)
        return self.base[elements] + np.bincount(centre, steps, minlength=data.nlistatoms), unconstrained

    def solve(self, data: Any, charges: Array) -> Array:
        """Potentials phi_i of listed atoms, shape (n_list_atoms,)."""
        return data.solve_coulomb(charges)

    def _response(
        self,
        data: Any,
        centre: NDArray[np.intp],
        elements: NDArray[np.int32],
        window: Array,
        window_derivative: Array,
        unconstrained: Array,
        potentials: Array,
    ) -> Array:
        """sum_k phi_k dq_k/d(r_p^2) for each pair p, shape (n_pairs,)."""
        if self.neutrality == "shift":
            total, n_atoms = data.sum_over_ranks([potentials.sum(), data.nlistatoms])
            per_charge = potentials - total / n_atoms  # (n_list_atoms,): dE/d(charge before the shift)
            return (per_charge * self.charges_per_neighbour[elements])[centre] * window_derivative
        phi = np.zeros(data.ntotal)
        phi[data.iatoms[: data.nlistatoms]] = potentials
        data.forward_exchange(phi, phi, 1)
        differences = window * (phi[data.pair_j] - phi[data.pair_i])  # (n_pairs,)
        per_unconstrained = np.bincount(centre, differences, minlength=data.nlistatoms)  # (n_list_atoms,): dE/du_i
        direct = phi[data.pair_i] * (unconstrained[data.pair_j] - unconstrained[data.pair_i])  # (n_pairs,)
        return ((per_unconstrained * self.charges_per_neighbour[elements])[centre] + direct) * window_derivative

    @staticmethod
    def _centres(data: Any) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
        """Row of each pair's centre among the listed atoms, and their elements."""
        return np.repeat(np.arange(data.nlistatoms), data.numneighs), data.ielems[: data.nlistatoms]


class SolvesItself(CoordinationCharges):
    """The same without `kspace_style`: every rank sums over all atoms' wave vectors and keeps its own share."""

    solves_coulomb = True

    def solve(self, data: Any, charges: Array) -> Array:
        """Gather all atoms, solve, and hand forces and virial at fixed charges to LAMMPS."""
        import torch

        from mliap_hybrid.neighbors import neighbor_pairs
        from mliap_hybrid.physics.ewald import gaussian_charge_energy
        from mliap_hybrid.structure import Batch

        own = np.column_stack([data.x[data.iatoms[: data.nlistatoms]] - data.box_origin, charges])  # (n_list_atoms, 4)
        shares = data.comm.allgather(own)
        rows = torch.from_numpy(np.concatenate(shares))  # (n_atoms, 4)
        i, j, shifts = neighbor_pairs(rows[:0, :3].numpy(), data.cell, data.periodic, 1.0)
        batch = Batch(
            positions=rows[:, :3],
            numbers=torch.ones(len(rows), dtype=torch.int64),
            cells=torch.from_numpy(data.cell)[None],
            periodic=torch.tensor([data.periodic]),
            structure_of_atom=torch.zeros(len(rows), dtype=torch.int64),
            pair_i=i,
            pair_j=j,
            pair_shifts=shifts,
            total_charges=rows[:, 3].sum(0, keepdim=True),
        )
        result = gaussian_charge_energy(batch, rows[:, 3], self.smearing)
        start = sum(map(len, shares[: data.comm.rank]))
        mine = slice(start, start + len(own))
        potentials = result.potentials[mine].numpy()
        virial = result.virials[0].numpy() / data.comm.size
        data.add_coulomb(charges, potentials, result.forces[mine].numpy(), virial)
        return potentials


class OneBadCharge(CoordinationCharges):
    """Predicts a charge that makes no sense for the atom with ID 7.

    Parameters
    ----------
    step : int
        When.
    value : float, e
        Which.
    """

    def __init__(self, step: int, value: float, *ions: Any) -> None:
        super().__init__(*ions)
        self.step = step
        self.value = value

    def solve(self, data: Any, charges: Array) -> Array:
        """Spoil the charge, then go on."""
        if data.step == self.step:
            charges[data.tag[data.iatoms[: data.nlistatoms]] == 7] = self.value
        return super().solve(data, charges)
