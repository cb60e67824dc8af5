"""sGDML: the energy of a molecule as an expansion in kernel derivatives about training geometries.

    E(r) = E_c + sum_j sum_q { grad_D' k(D(r), P_q D_j) . P_q w_j + b_j k(D(r), P_q D_j) },      F = -dE/dr

with the inverse distances D (descriptor.py), the Matérn kernel k (kernel.py), the permutations q of the
molecule's symmetric atoms, the weights w_j = -J_j alpha_j of the training forces and, where the energies were fitted
too, b_j. Permutations act on the training side alone, which is enough for E to be symmetric when they form a group;
they are unfolded once, so that the model is a plain sum over centres.

The model knows one molecule: its atoms come in the order of training, and all of them see each other. The derivatives
with respect to pair vectors, dE/dr_p, are pair forces, from which atomic forces and virials follow for molecules
anywhere, also where an MD program has divided a molecule between processors.

Chmiela et al., Nat. Commun. 9, 3887 (2018); Comput. Phys. Commun. 240, 38 (2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.model.molecules.descriptor import InverseDistances
from mliap_hybrid.model.molecules.kernel import KernelExpansion, scale_of

BATCH = 4096
"""Geometries predicted at a time: bounds the memory of pair vectors."""


LARGEST = 1 << 31
"""Entries of the unfolded centres, which take 16 bytes each."""


@dataclass(frozen=True)
class MoleculePrediction:
    """What a model says of molecules."""

    energies: Tensor
    """(n_molecules,) float64, eV."""
    forces: Tensor
    """(n_molecules, n_atoms, 3) float64, eV/Å."""
    virials: Tensor
    """(n_molecules, 3, 3) float64, eV: -dE/d(strain)."""


class GDMLModel:
    """Energies and pair forces of molecules of one kind."""

    def __init__(
        self,
        numbers: Tensor,
        sigma: float,
        descriptors: Tensor,
        weights: Tensor,
        permutations: Tensor,
        constant: float = 0.0,
        energy_weights: Tensor | None = None,
        cell: Tensor | None = None,
    ):
        """Unfold the permutations.

        Parameters
        ----------
        numbers : Tensor, shape (n_atoms,), int64
            Atomic numbers, in the order of the atoms.
        sigma : float, 1/Å
            Length scale of the kernel.
        descriptors : Tensor, shape (n_train, n_pairs), 1/Å
            D_j.
        weights : Tensor, shape (n_train, n_pairs), eV/Å
            w_j.
        permutations : Tensor, shape (n_permutations, n_atoms), int64
            A group; ``positions[permutation]`` has the same energy as ``positions``.
        constant : float, eV
            E_c.
        energy_weights : Tensor, shape (n_train,), eV, optional
            b_j.
        cell : Tensor, shape (3, 3), Å, optional
            Lattice vectors as rows, for nearest images.

        Raises
        ------
        InputError
            If a shape does not fit.
        """
        self.numbers = numbers
        self.sigma = float(sigma)
        self.descriptors = descriptors
        self.weights = weights
        self.permutations = permutations
        self.constant = float(constant)
        self.energy_weights = energy_weights
        self.cell = cell
        self.descriptor = InverseDistances(len(numbers), cell)
        self._check_shapes()
        self._expansion = self._unfold()

    @property
    def n_atoms(self) -> int:
        """Number of atoms of the molecule."""
        return len(self.numbers)

    @property
    def n_train(self) -> int:
        """Number of training geometries."""
        return len(self.descriptors)

    def predict(self, positions: Tensor) -> MoleculePrediction:
        """Energies, forces and virials.

        Parameters
        ----------
        positions : Tensor, shape (n_molecules, n_atoms, 3), Å
            In the order of `numbers`.

        Returns
        -------
        MoleculePrediction

        Raises
        ------
        InputError
            If the number of atoms is another.
        """
        parts = [self._predict_batch(part) for part in positions.split(BATCH)] or [self._predict_batch(positions)]
        return MoleculePrediction(*(torch.cat(values) for values in zip(*parts, strict=True)))

    def _predict_batch(self, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        energies, gradients, vectors = self.pair_gradients(positions)
        virials = -torch.einsum("npx,npy->nxy", vectors, gradients)  # (n_molecules, 3, 3)
        return energies, self.descriptor.forces(gradients), virials

    def pair_gradients(self, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Energies and their derivatives with respect to the pair vectors.

        Parameters
        ----------
        positions : Tensor, shape (n_molecules, n_atoms, 3), Å

        Returns
        -------
        energies : Tensor, shape (n_molecules,), eV
        gradients : Tensor, shape (n_molecules, n_pairs, 3), eV/Å
            dE/dr_p; the force of the pair on atom i, and the opposite of that on j.
        vectors : Tensor, shape (n_molecules, n_pairs, 3), Å
            r_p = r_j - r_i of ``descriptor.pair_i`` and ``descriptor.pair_j``.

        Raises
        ------
        InputError
            If the number of atoms is another.
        """
        if positions.ndim != 3 or positions.shape[1:] != (self.n_atoms, 3):
            raise InputError(
                f"positions have shape {tuple(positions.shape)}; this model is of a molecule of {self.n_atoms} atoms, "
                f"expected (n_molecules, {self.n_atoms}, 3)"
            )
        vectors = self.descriptor.vectors(positions)  # (n_molecules, n_pairs, 3)
        energies, gradients = self.from_vectors(vectors)
        return energies, gradients, vectors

    def from_vectors(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Energies (n_molecules,) and dE/dr_p (n_molecules, n_pairs, 3) of pair vectors (n_molecules, n_pairs, 3)."""
        values = self.descriptor.values(vectors)  # (n_molecules, n_pairs)
        scale = scale_of(self.sigma)
        energies, descriptor_gradients = self._expansion(scale * values)  # (n_molecules,), (n_molecules, n_pairs)
        gradients = (scale * descriptor_gradients)[..., None] * self.descriptor.gradients(vectors, values)
        return energies + self.constant, gradients

    def arrays(self) -> dict[str, Tensor]:
        """All of the model but the two numbers `sigma` and `constant`."""
        optional = {"energy_weights": self.energy_weights, "cell": self.cell}
        return {
            "numbers": self.numbers,
            "descriptors": self.descriptors,
            "weights": self.weights,
            "permutations": self.permutations,
        } | {name: value for name, value in optional.items() if value is not None}

    @classmethod
    def restore(cls, sigma: float, constant: float, arrays: Mapping[str, Tensor]) -> GDMLModel:
        """The model of `sigma` in 1/Å, `constant` in eV, and `arrays`."""
        return cls(
            numbers=arrays["numbers"],
            sigma=sigma,
            descriptors=arrays["descriptors"],
            weights=arrays["weights"],
            permutations=arrays["permutations"],
            constant=constant,
            energy_weights=arrays.get("energy_weights"),
            cell=arrays.get("cell"),
        )

    def with_constant(self, constant: float) -> GDMLModel:
        """The same model with another E_c in eV."""
        return self.restore(self.sigma, constant, self.arrays())

    def _check_shapes(self) -> None:
        n_pairs = self.descriptor.n_pairs
        expected = {
            "numbers": (self.n_atoms,),
            "descriptors": (self.n_train, n_pairs),
            "weights": (self.n_train, n_pairs),
            "permutations": (len(self.permutations), self.n_atoms),
            "energy_weights": (self.n_train,),
            "cell": (3, 3),
        }
        for name, array in self.arrays().items():
            if array.shape != expected[name]:
                raise InputError(f"the GDML array '{name}' has shape {tuple(array.shape)}; expected {expected[name]}")
        if not (self.descriptors > 0.0).all():
            raise InputError("the GDML array 'descriptors' has inverse distances that are not positive")
        unfolded = self.n_train * n_pairs * len(self.permutations)
        if unfolded > LARGEST:
            raise InputError(
                f"a GDML model of {self.n_train} geometries, {n_pairs} pairs and {len(self.permutations)} permutations "
                f"would take {16e-9 * unfolded:.0f} GB of memory; expected fewer geometries or permutations"
            )
        identity = torch.arange(self.n_atoms)
        if self.n_train == 0 or not (self.permutations == identity).all(1).any():
            raise InputError("a GDML model needs a training geometry and, among its permutations, the identity")
        if not (self.permutations.sort(1).values == identity).all():
            raise InputError("a GDML model has a row of 'permutations' that is none: expected each atom once in a row")

    def _unfold(self) -> KernelExpansion:
        pairs = self.descriptor.permuted_pairs(self.permutations)  # (n_permutations, n_pairs)
        scale = scale_of(self.sigma)
        value_weights = None
        if self.energy_weights is not None:
            value_weights = self.energy_weights.repeat_interleave(len(pairs))  # (n_train * n_permutations,)
        return KernelExpansion(
            scale * self.descriptors[:, pairs].flatten(0, 1),  # (n_train * n_permutations, n_pairs)
            scale / 3.0 * self.weights[:, pairs].flatten(0, 1),  # (n_train * n_permutations, n_pairs)
            value_weights,
        )
