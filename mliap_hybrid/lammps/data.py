"""What a unified model sees of one LAMMPS step: zero-copy numpy views under the names upstream's ML-IAP gives them."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mliap_hybrid.lammps.bridge_api import Model, Step
from mliap_hybrid.lammps.data_views import DOUBLE, DataViews
from mliap_hybrid.lammps.exchange_arrays import exchange_rows
from mliap_hybrid.lammps.handed_arrays import address_of, check, checked, in_lammps_order

if TYPE_CHECKING:
    from mpi4py.MPI import Comm


class MLIAPData(DataViews):
    """The data object handed to ``compute_descriptors``, ``compute_gradients`` and ``compute_forces`` of a model.

    Arrays are views of LAMMPS' own memory: valid during the call that gets them, to be copied if they are kept.
    Indices are local to the rank: 0 to ``nlocal``-1 are owned atoms, up to ``ntotal``-1 ghosts.
    Lengths, energies and charges are in the units of the run (``unit_style``).

    Attributes
    ----------
    nlocal, ntotal : int
        Number of owned atoms, and of owned and ghost atoms.
    nlistatoms, natomneigh : int
        Number of owned atoms the model acts on, and of all centres (more where ghost neighbours were asked for).
    npairs : int
        Number of pairs within the cutoff; every pair of owned atoms appears twice, as i-j and as j-i.
    elems : int array, shape (ntotal,)
        Index of each atom's element in the model's list, -1 for atoms that are not the model's.
    iatoms, ielems, numneighs : int array, shape (natomneigh,)
        Local index, element and number of pairs of each centre, in the order of the pairs.
    pair_i, pair_j, jatoms, jelems, jtags : int array, shape (npairs,)
        Local index of the centre and of the neighbour (twice named), the neighbour's element and atom ID.
    rij : float array, shape (npairs, 3)
        x_j - x_i.
    x, f : float array, shape (ntotal, 3)
        Positions, and forces to add to.
    q : float array, shape (ntotal,), or None
        Charges; None if the atom style has none.
    tag, type : int array, shape (ntotal,)
        Atom IDs and atom types.
    molecule : int array, shape (ntotal,), or None
        Molecule IDs; None if the atom style has none.
    cell, box_origin, periodic : float array (3, 3), float array (3,), tuple of 3 bools
        Edge vectors a, b, c as rows; the lower corner; whether each direction is periodic.
    eatoms : float array, shape (nlistatoms,)
        Energy per atom in the order of `iatoms`; can be written into and assigned.
    energy : float
        Energy of this rank's atoms; to be assigned.
    distances : float array, shape (nlistatoms,), or None
        Distances to the training set, in the order of `iatoms`; to be written into where they are asked for.
    member_forces : float array, shape (ntotal, n_members, 3), or None
        Forces by each member of a committee alone, to be added to where they are asked for.
    check_run : bool
        Whether atoms, charges or settings can have changed since the last step: at each setup of a run, and whenever
        the neighbour lists are new.
    eflag, vflag, step : int
        LAMMPS' flags for energy and virial (0: not needed this step), and the timestep.
    total_charge : float
        Sum of all charges of the system: the model's, or `total_charge` in the input; NaN if it follows from the
        atoms.
    ranks_on_machine : int
        Number of ranks that share the machine with this one, itself among them.

    Models whose charges follow the atoms call `solve_coulomb` (or `add_coulomb`) once in each step. That method,
    the exchanges and `sum_over_ranks` are collective: all ranks make the same calls, also those without atoms.
    """

    def __init__(self, step: Step, model: Model) -> None:
        super().__init__(step, model)
        self._address = ctypes.addressof(step)
        self._write_pair_energy = step.update_pair_energy
        self._write_pair_forces = step.update_pair_forces
        self._solve_coulomb = step.solve_coulomb
        self._add_coulomb = step.add_coulomb
        self._add_field = step.add_field
        self._forward_exchange = step.forward_exchange
        self._reverse_exchange = step.reverse_exchange
        self._sum_over_ranks = step.sum_over_ranks
        self._comm: Comm | None = None
        self.nelements: int = model.nelements
        self.ndescriptors: int = model.ndescriptors
        self.nparams: int = model.nparams
        self.size_gradforce: int = 3 * model.nparams * model.nelements
        self.gamma_nnz = 0
        self.gamma = self.gamma_row_index = self.gamma_col_index = None
        self.egradient = np.zeros(model.nelements * model.nparams)
        # Upstream lets models leave these for one another; nothing else reads them.
        self.descriptors: Any = None
        self.betas: Any = None
        self.gradforce: Any = None
        self.graddesc: Any = None

    # sizes and flags

    nlocal = property(lambda self: self._step.nlocal)
    ntotal = property(lambda self: self._step.ntotal)
    nlistatoms = property(lambda self: self._step.nlistatoms)
    natomneigh = property(lambda self: self._step.natomneigh)
    npairs = property(lambda self: self._step.npairs)
    eflag = property(lambda self: self._step.eflag)
    vflag = property(lambda self: self._step.vflag)
    newton_pair = property(lambda self: bool(self._step.newton_pair))
    check_run = property(lambda self: bool(self._step.check_run))
    step = property(lambda self: self._step.ntimestep)
    total_charge = property(lambda self: self._step.total_charge)
    ranks_on_machine = property(lambda self: self._step.ranks_on_machine)

    # the run

    @property
    def cell(self) -> NDArray[np.float64]:
        """Edge vectors of the box as rows, shape (3, 3)."""
        return np.array(self._step.cell).reshape(3, 3)

    @property
    def box_origin(self) -> NDArray[np.float64]:
        """Lower corner of the box, shape (3,)."""
        return np.array(self._step.box_origin)

    @property
    def periodic(self) -> tuple[bool, bool, bool]:
        """Whether the box is periodic along a, b and c."""
        a, b, c = self._step.periodic
        return bool(a), bool(b), bool(c)

    @property
    def unit_style(self) -> str:
        """LAMMPS' `units` style, such as 'metal' or 'real'."""
        return self._step.unit_style.decode()

    @property
    def kspace_style(self) -> str | None:
        """LAMMPS' `kspace_style`, None if none is defined."""
        return self._step.kspace_style.decode() if self._step.kspace_style else None

    @property
    def g_ewald(self) -> float | None:
        """Splitting parameter of the KSpace solver in inverse length, None if no `kspace_style` is defined."""
        return self._step.g_ewald if self._step.kspace_style else None

    @property
    def comm(self) -> Comm:
        """Communicator of all ranks of this LAMMPS, for mpi4py. Every rank calls the model in every step."""
        if self._comm is None:
            from mpi4py import MPI

            self._comm = MPI.Comm.f2py(self._step.comm)
        return self._comm

    # what the model returns

    @property
    def energy(self) -> float:
        """Energy of this rank's atoms."""
        return self._step.energy

    @energy.setter
    def energy(self, value: float) -> None:
        self._step.energy = value

    @property
    def eatoms(self) -> NDArray[np.float64]:
        """Energy per atom, shape (nlistatoms,), in the order of `iatoms`."""
        return self._view("eatoms", DOUBLE, (self._step.nlistatoms,))

    @eatoms.setter
    def eatoms(self, value: ArrayLike) -> None:
        self.eatoms[:] = value

    def update_pair_energy(self, eij: ArrayLike) -> None:
        """Set `eatoms` and `energy` from pair energies: half of each belongs to its centre i.

        Parameters
        ----------
        eij : array_like, shape (npairs,)
            Energy of each pair.

        Raises
        ------
        ValueError
            If the shape is another.
        """
        energies = checked("update_pair_energy", eij, (self.npairs,))
        check(self._write_pair_energy(self._address, address_of(energies)))

    def update_pair_forces(self, fij: ArrayLike) -> None:
        """Add pair forces and their virial: ``fij`` acts on i, its negative on j.

        Parameters
        ----------
        fij : array_like, shape (npairs, 3)
            Derivative of the total energy with respect to `rij`.

        Raises
        ------
        ValueError
            If the shape is another.
        """
        forces = checked("update_pair_forces", fij, (self.npairs, 3))
        check(self._write_pair_forces(self._address, address_of(forces)))

    # charges that follow the atoms

    def solve_coulomb(self, charges: ArrayLike) -> NDArray[np.float64]:
        """Let `kspace_style` solve for the Coulomb energy of smeared charges. Collective.

        The charges become LAMMPS' own (`q`, ghosts included). The energy, its share of each atom, and the forces and
        virial at fixed charges are added; `energy` and `eatoms` of the model must not hold them. What is left to the
        model is the force from the change of the charges.

        Parameters
        ----------
        charges : array_like, shape (nlistatoms,)
            In the order of `iatoms`, shifted to the total charge already.

        Returns
        -------
        array, shape (nlistatoms,)
            Potentials phi_i = dE/dq_i at fixed positions, in energy units of the run per charge.

        Raises
        ------
        ValueError
            If the shape is another.
        LAMMPSFailure
            If LAMMPS stops the run, for instance because a charge is not a number.
        """
        values = checked("solve_coulomb", charges, (self.nlistatoms,))
        potentials = np.zeros(self.nlistatoms)
        check(self._solve_coulomb(self._address, address_of(values), address_of(potentials)))
        return potentials

    def add_coulomb(self, charges: ArrayLike, potentials: ArrayLike, forces: ArrayLike, virial: ArrayLike) -> None:
        """Add a Coulomb energy 1/2 sum_i q_i phi_i that the model has solved for itself. Collective.

        Parameters
        ----------
        charges, potentials : array_like, shape (nlistatoms,)
            q_i, which become LAMMPS' own, and phi_i = dE/dq_i at fixed positions.
        forces : array_like, shape (nlistatoms, 3)
            -dE/dr_i at fixed charges.
        virial : array_like, shape (3, 3)
            This rank's share of -dE/d(strain) at fixed charges; the ranks' shares sum to the whole.

        Raises
        ------
        ValueError
            If a shape is another.
        LAMMPSFailure
            If LAMMPS stops the run.
        """
        n = self.nlistatoms
        share = checked("add_coulomb", virial, (3, 3))
        arrays = (
            checked("add_coulomb", charges, (n,)),
            checked("add_coulomb", potentials, (n,)),
            checked("add_coulomb", forces, (n, 3)),
            np.ascontiguousarray(in_lammps_order(share)),
        )
        check(self._add_coulomb(self._address, *map(address_of, arrays)))

    # a uniform electric field on charges

    @property
    def electric_field(self) -> NDArray[np.float64] | None:
        """(3,) V/Å: a field that the input asks for; None if it does not."""
        return np.array(self._step.field) if self._step.places else None

    @property
    def places(self) -> NDArray[np.float64]:
        """Positions (nlistatoms, 3) of the listed atoms as if they crossed no boundaries, in runs in a field."""
        return self._view("places", DOUBLE, (self._step.nlistatoms, 3))

    def add_field(self, charges: ArrayLike, moments: ArrayLike) -> None:
        """Add energy, forces and virial of listed atoms in the field (uniform_field.py).

        Charges are (nlistatoms,), moments (nlistatoms, 3); a ValueError says that a shape is another.
        """
        n = self.nlistatoms
        of_atoms = checked("add_field", charges, (n,)), checked("add_field", moments, (n, 3))
        check(self._add_field(self._address, *map(address_of, of_atoms)))

    # what other ranks know

    def forward_exchange(self, copy_from: Any, copy_to: Any, vec_len: int) -> None:
        """Give ghost atoms the values of their owners. Collective; named and called as in upstream's KOKKOS version.

        Parameters
        ----------
        copy_from : numpy array, or tensor on the processor, shape (ntotal, vec_len), float64 or float32
            Values of each atom; those of ghosts do not count.
        copy_to : the same kind of array
            Gets the values of owned atoms, and for each ghost those of its owner.
        vec_len : int
            Numbers of each atom, the same on all ranks.

        Raises
        ------
        TypeError, ValueError
            If the type or the shape of an array is another, or its memory has gaps.
        """
        self._exchange("forward_exchange", self._forward_exchange, copy_from, copy_to, vec_len)

    def reverse_exchange(self, copy_from: Any, copy_to: Any, vec_len: int) -> None:
        """Add the values of all ghosts to those of their owners. Collective; the adjoint of `forward_exchange`.

        `copy_to` gets for each owned atom the sum of its own values in `copy_from` and those of all its ghosts, of
        all ranks, and 0 for ghosts. Parameters and errors are those of `forward_exchange`.
        """
        self._exchange("reverse_exchange", self._reverse_exchange, copy_from, copy_to, vec_len)

    def _exchange(self, name: str, function: Any, copy_from: Any, copy_to: Any, vec_len: int) -> None:
        def exchange(rows: NDArray[np.float64]) -> None:
            check(function(self._address, address_of(rows), vec_len))

        exchange_rows(name, copy_from, copy_to, vec_len, self.ntotal, exchange)

    def sum_over_ranks(self, values: ArrayLike) -> NDArray[np.float64]:
        """Sum of an array, or of a number, over all ranks. Collective.

        Parameters
        ----------
        values : array_like
            Of the same shape on all ranks.

        Returns
        -------
        array of that shape
        """
        total = np.array(values, dtype=np.float64, order="C")
        check(self._sum_over_ranks(self._address, address_of(total), total.size))
        return total
