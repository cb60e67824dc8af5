"""Which atom of a molecule belongs to which place of a kernel model, when atoms of one element come in any order.

The atoms are laid over the bonds of the training geometries, in every way that keeps elements and bonds. Ways that have
the same energy count as one. Of those that are left, the handedness of atoms with four bonds decides, and where it does
not, the distance to the nearest training geometry in the model's descriptor. The order in which the atoms come is kept
where it fits.
"""

from __future__ import annotations

import numpy as np
import torch
from ase.data import chemical_symbols
from numpy.typing import NDArray
from torch import Tensor

from mliap_hybrid.bonds import BOND
from mliap_hybrid.errors import InputError
from mliap_hybrid.model.molecules.gdml import GDMLModel
from mliap_hybrid.model.molecules.graph import matches
from mliap_hybrid.model.molecules.reference import LOOSE, MoleculeReference

BROKEN = 2.0
"""A bond longer than this times the sum of the covalent radii is one no more."""

NEARER = 1.1
"""A geometry is nearer to the training geometries in one order than in another by at least this factor."""

KEPT = 1.3
"""Atoms stay in their order unless another one is nearer by more than this factor, and theirs is beyond the training
geometries. (In 3BPA at 300 K, another order of a phenyl ring and an amino group was nearer by 1.45 to 2.9.)"""

SAME = 1e-6
"""1/Å: descriptors that differ by less are the same geometry."""


class MoleculeOrder:
    """The order of the atoms in the training geometries of a model."""

    def __init__(self, model: GDMLModel):
        self.model = model
        self.reference = MoleculeReference(model)
        self.n_reordered = 0
        """Molecules so far whose atoms came in another order."""

    def places(self, positions: Tensor, tags: NDArray[np.int64]) -> Tensor:
        """The atom that belongs to each place of the model.

        Parameters
        ----------
        positions : Tensor, shape (n_molecules, n_atoms, 3), float64, Å
            With the elements of the model, place by place.
        tags : array, shape (n_molecules,)
            Number, from 0, of the first atom of each molecule: its name.

        Returns
        -------
        Tensor, shape (n_molecules, n_atoms), int64

        Raises
        ------
        InputError
            If the molecule has other bonds, is of another handedness, or fits in several orders.
        """
        reference, n_atoms = self.reference, self.model.n_atoms
        places = torch.arange(n_atoms).repeat(len(positions), 1)  # (n_molecules, n_atoms)
        lengths = self.model.descriptor.vectors(positions).norm(dim=2)  # (n_molecules, n_pairs)
        relative = (lengths / reference.radii)[:, reference.bonds]  # (n_molecules, n_bonds)
        moved = (relative > LOOSE).any(1)  # (n_molecules,)
        for index in moved.nonzero()[:, 0].tolist():
            places[index] = self._by_bonds(lengths[index], int(tags[index]))
        if len(reference.inequivalent_orders) > 1 or reference.handedness is not None:
            self._by_geometry(places, moved, positions, tags)
        self.n_reordered += int((places != torch.arange(n_atoms)).any(1).sum())
        return places

    def _by_bonds(self, lengths: Tensor, tag: int) -> Tensor:
        """An order (n_atoms,) in which a molecule with distances (n_pairs,) has the bonds of the model."""
        reference, numbers = self.reference, self.model.numbers.tolist()
        for factor, exact in ((BOND, True), (LOOSE, False)):
            found = reference.as_matrix(lengths < factor * reference.radii)
            order = next(matches(numbers, reference.bond_matrix, found, exact=exact), None)
            if order is not None:
                return torch.tensor(order)
        broken = reference.bonds[(lengths > BROKEN * reference.radii)[reference.bonds]]
        if len(broken) < 2:  # a bond that is being pulled apart
            return torch.arange(self.model.n_atoms)
        pair = int(broken[0])
        names = [f"{chemical_symbols[numbers[int(of[pair])]]}{int(of[pair])}" for of in reference.pairs]
        raise InputError(
            f"the molecule of atom {tag + 1} has other bonds than the training geometries in every order of its atoms: "
            f"{names[0]} and {names[1]} (counted from 0) are {float(lengths[pair]):.2f} Å apart, and {len(broken) - 1} "
            "more of its bonds are broken; expected the molecule that the model was trained on, whole"
        )

    def _by_geometry(self, places: Tensor, moved: Tensor, positions: Tensor, tags: NDArray[np.int64]) -> None:
        """Change `places` (n_molecules, n_atoms) to the right one of the orders that keep the bonds."""
        candidates, handedness = self.reference.inequivalent_orders, self.reference.handedness
        fits = torch.ones(len(places), len(candidates), dtype=torch.bool)
        if handedness is not None:
            in_order = positions.gather(1, places[:, :, None].expand(-1, -1, 3))  # (n_molecules, n_atoms, 3)
            fits = handedness.compatible(handedness.signs(in_order), candidates)
        settled = fits[:, 0] & (fits.sum(1) == 1)  # (n_molecules,): the order stays as it is
        for index in (~settled).nonzero()[:, 0].tolist():
            compatible = fits[index].nonzero()[:, 0]  # (n_orders,)
            if len(compatible) == 0:
                raise InputError(
                    f"the molecule of atom {int(tags[index]) + 1} has another handedness than the training geometries "
                    "in every order of its atoms: it is another isomer than the one that the model was trained on"
                )
            orders = places[index][torch.from_numpy(candidates)[compatible]]  # (n_orders, n_atoms)
            keeps_first = bool(compatible[0] == 0) and not bool(moved[index])
            places[index] = orders[self._nearest(positions[index], orders, keeps_first, int(tags[index]))]

    def _nearest(self, positions: Tensor, orders: Tensor, keeps_first: bool, tag: int) -> int:
        """Which of the orders (n_orders, n_atoms) brings a molecule (n_atoms, 3) nearest to the training geometries."""
        if len(orders) == 1 or (keeps_first and self.reference.hides_handedness):
            return 0
        descriptor = self.model.descriptor
        values = descriptor.values(descriptor.vectors(positions[None]))[0]  # (n_pairs,)
        in_orders = values[descriptor.permuted_pairs(orders)]  # (n_orders, n_pairs)
        distances = torch.cdist(in_orders, self.reference.descriptors.flatten(0, 1)).amin(1)  # (n_orders,)
        best = int(distances.argmin())
        near = distances <= (KEPT if self.reference.hides_handedness else NEARER) * distances[best]  # (n_orders,)
        if keeps_first and distances[0] <= max(KEPT * float(distances[best]), self.reference.reach):
            return 0
        other = (in_orders - in_orders[best]).abs().amax(1) > SAME  # (n_orders,)
        if (near & other).any():
            raise InputError(
                f"the atoms of the molecule of atom {tag + 1} have another order than in the training geometries, and "
                f"{int((near & other).sum()) + 1} orders fit alike: give atoms of one element the order of training"
            )
        return best
