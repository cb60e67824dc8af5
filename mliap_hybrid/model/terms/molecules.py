"""Energy of molecules of one kind, from a GDML model: a term of a hybrid model that is exact on any number of ranks.

    E = sum over molecules of E_GDML,      dE/dr_p = half of the model's pair gradient, for (i, j) and for (j, i) each

Where a molecule has atoms on several ranks, each of them computes it, keeps the shares of its own atoms, which are
equal, and its own half of the pair gradients. Energy, forces and virial then sum up to those of whole molecules.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.model.molecules.finder import Orders, find_molecules
from mliap_hybrid.model.molecules.gdml import GDMLModel
from mliap_hybrid.model.molecules.order import MoleculeOrder
from mliap_hybrid.structure import Geometry


class MoleculeTerm:
    """What molecules of one kind add to the energies of their atoms."""

    def __init__(self, model: GDMLModel):
        self.model = model
        self.order = MoleculeOrder(model)
        """Finds which atom has which place."""
        self.orders: Orders = self.order
        """What is asked for it; a run puts its memory here."""

    def energies_and_gradients(self, geometry: Geometry) -> tuple[Tensor, Tensor]:
        """Shares of the centres, and the gradient by the pair vectors.

        Parameters
        ----------
        geometry : Geometry
            With tags; all atoms of a molecule must be within the cutoff of each other.

        Returns
        -------
        energies : Tensor, shape (n_centres,), float64, eV
        pair_gradients : Tensor, shape (n_pairs, 3), float64, eV/Å

        Raises
        ------
        InputError
            If the molecules are not those of the model, or broken.
        """
        if geometry.n_centres == 0:
            vectors = geometry.pair_vectors.double()
            return vectors.new_zeros(0), torch.zeros_like(vectors)
        found = find_molecules(geometry, self.model.numbers, self.model.descriptor, self.orders)
        energies, gradients = self.model.from_vectors(found.vectors)  # (n_molecules,), (n_molecules, n_triangle, 3)
        shares = energies / self.model.n_atoms  # (n_molecules,)
        of_pairs = torch.zeros(len(geometry.pair_i), 3, dtype=torch.float64)  # (n_pairs, 3)
        of_pairs[found.rows] = (0.5 * found.sign)[:, None] * gradients[found.molecule, found.place]
        device = geometry.pair_vectors.device
        return shares[found.molecule_of_centre].to(device), of_pairs.to(device)

    def energies(self, geometry: Geometry) -> Tensor:
        """Shares of the centres (n_centres,), eV, whose sum has the right first derivative by the pair vectors."""
        values, gradients = self.energies_and_gradients(geometry)
        vectors = geometry.pair_vectors
        # The kernels have formulas for their gradient; automatic differentiation only has to find it here.
        changes = ((vectors - vectors.detach()) * gradients).sum(dim=1)  # (n_pairs,) zeros
        return values.to(vectors.dtype).index_add(0, geometry.pair_i, changes.to(vectors.dtype))
