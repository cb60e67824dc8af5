"""PBE of a molecule or cluster: free energy, forces, dipole moment and Hirshfeld charges, by PySCF.

Basis def2-SVP, with its effective core potential (28 electrons) for silver; Coulomb energy by density fitting in
def2-universal-jfit (Weigend, Phys. Chem. Chem. Phys. 8, 1057 (2006)); grid of 50 radial shells of at most 194 points.
Forces include the response of the grid, so that they are the derivatives of the computed energy. Electrons are paired
and occupy the orbitals by the Fermi function of `ELECTRON_TEMPERATURE`: an odd electron or two electrons in a
degenerate pair of orbitals then leave the energy smooth. The energy of smooth derivatives is the free energy E - T S.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from ase import Atoms
from ase.units import Bohr, Hartree
from pyscf import dft, gto
from pyscf.scf import addons, atom_ks

BASIS = "def2-svp"
FITTING_BASIS = "def2-universal-jfit"
GRID = (50, 194)
ELECTRON_TEMPERATURE = 0.1 / Hartree
"""k_B T of the electrons in Hartree: 0.1 eV."""


@dataclass(frozen=True)
class Labels:
    """Labels of one frame in eV, Å and e."""

    energy: float
    """eV: free energy of the electrons and the repulsion of the nuclei."""
    forces: np.ndarray
    """(n_atoms, 3) eV/Å."""
    dipole: np.ndarray
    """(3,) e Å, about the origin of the coordinates."""
    charges: np.ndarray
    """(n_atoms,) e: Hirshfeld."""
    density_matrix: np.ndarray
    """(n_orbitals, n_orbitals): a start for the next frame of the same molecule."""


class NotConverged(RuntimeError):
    """The self-consistent field did not converge."""


def pbe(atoms: Atoms, total_charge: int, start: np.ndarray | None = None, with_forces: bool = True) -> Labels:
    """Labels of `atoms` with the charge `total_charge` (e).

    Parameters
    ----------
    atoms : Atoms, not periodic
    total_charge : int, e
    start : array, shape (n_orbitals, n_orbitals), optional
        Density matrix to start from.
    with_forces : bool
        Without them the forces are zero: three times as fast.

    Raises
    ------
    NotConverged
        If the self-consistent field does not converge.
    """
    molecule = _molecule(list(atoms.symbols), atoms.positions, total_charge)
    field = dft.rks.RKS(molecule, xc="pbe").density_fit(auxbasis=FITTING_BASIS)
    field.grids.atom_grid, field.grids.prune = GRID, dft.gen_grid.nwchem_prune
    field.conv_tol, field.conv_tol_grad, field.max_cycle = 1e-7, 5e-5, 60  # Hartree
    field.diis_space = 16
    if molecule.nelectron % 2:  # the place of an unpaired electron is found slowly, and lost by large first steps
        field.damp, field.diis_start_cycle = 0.5, 8
    field.with_df.build()  # else PySCF computes the three-centre integrals again in each cycle
    field = addons.smearing(field, sigma=ELECTRON_TEMPERATURE, method="fermi")
    field.kernel(dm0=start)
    if not field.converged:
        raise NotConverged(f"PBE of {atoms.get_chemical_formula()}, charge {total_charge:+d}")
    forces = np.zeros((len(atoms), 3))
    if with_forces:
        gradients = field.nuc_grad_method()
        gradients.grid_response = True
        forces = -gradients.kernel() * (Hartree / Bohr)  # (n_atoms, 3)
    density_matrix = field.make_rdm1()
    return Labels(
        energy=float(field.e_free) * Hartree,
        forces=forces,
        dipole=np.asarray(field.dip_moment(molecule, density_matrix, unit="AU", verbose=0)) * Bohr,
        charges=_hirshfeld(field, density_matrix),
        density_matrix=np.asarray(density_matrix),
    )


def _molecule(symbols: list[str], positions: np.ndarray, total_charge: int) -> gto.Mole:
    ecp = {"Ag": "def2-svp"} if "Ag" in symbols else {}
    molecule = gto.Mole(
        atom=list(zip(symbols, positions.tolist(), strict=True)),
        charge=total_charge,
        spin=None,  # electrons are shared by the Fermi function, so their number may be odd
        basis=BASIS,
        ecp=ecp,
        verbose=0,
    )
    return molecule.build()


def _hirshfeld(field: dft.rks.RKS, density_matrix: np.ndarray) -> np.ndarray:
    """(n_atoms,) e: each grid point's electrons shared in proportion to the densities of the free atoms.

    F. L. Hirshfeld, Theor. Chim. Acta 44, 129 (1977).
    """
    molecule, grids = field.mol, field.grids
    orbitals = field._numint.eval_ao(molecule, grids.coords)  # (n_points, n_orbitals), Bohr^-3/2
    density = np.einsum("pa,pa->p", orbitals @ density_matrix, orbitals)  # (n_points,), e/Bohr^3
    free = np.array(
        [
            free_atom_density(molecule.atom_pure_symbol(i), np.linalg.norm(grids.coords - centre, axis=1))
            for i, centre in enumerate(molecule.atom_coords())
        ]
    )  # (n_atoms, n_points)
    share = free / np.maximum(free.sum(axis=0), 1e-300)  # (n_atoms, n_points)
    charges = molecule.atom_charges() - share @ (density * grids.weights)  # (n_atoms,)
    return charges + (molecule.charge - charges.sum()) / len(charges)  # the grid loses some 1e-4 e


def free_atom_density(symbol: str, distances: np.ndarray) -> np.ndarray:
    """(n,) e/Bohr^3: density of the spherical neutral PBE atom at `distances` (n,) Bohr from its nucleus."""
    atom, coefficients, occupations = _free_atom(symbol)
    points = np.zeros((len(distances), 3))
    points[:, 2] = distances
    orbitals = atom.eval_gto("GTOval_sph", points) @ coefficients  # (n, n_orbitals)
    # The occupation of a shell is the same for all its m, so that the density is the same in every direction.
    return (orbitals**2) @ occupations


@cache
def _free_atom(symbol: str) -> tuple[gto.Mole, np.ndarray, np.ndarray]:
    atom = gto.Mole(
        atom=[[symbol, (0.0, 0.0, 0.0)]],
        basis=BASIS,
        ecp={"Ag": "def2-svp"} if symbol == "Ag" else {},
        spin=None,
        verbose=0,
    ).build()
    field = atom_ks.AtomSphericAverageRKS(atom)
    field.xc, field.init_guess = "pbe", "1e"  # PySCF's own start for atoms knows no effective core potential
    field.kernel()
    if not field.converged:
        raise NotConverged(f"PBE of the atom {symbol}")
    return atom, field.mo_coeff, field.mo_occ
