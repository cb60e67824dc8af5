"""Energy of molecules of one kind, from a GDML model: a term of a hybrid model that is exact on any number of ranks.

    E = sum over molecules of E_GDML,      dE/dr_p = half of the model's pair gradient, for (i, j) and for (j, i) each

Where a molecule has atoms on several ranks, each of them computes it, keeps the shares of its own atoms, which are
equal, and its own half of the pair gradients. Energy, forces and virial then sum up to those of whole molecules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from ase.data import chemical_symbols
from pydantic import Field
from torch import Tensor

from mliap_hybrid.model.molecules.finder import Orders, find_molecules
from mliap_hybrid.model.molecules.gdml import GDMLModel
from mliap_hybrid.model.molecules.order import MoleculeOrder
from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.term import Constants, Contribution, Term, TermDescription
from mliap_hybrid.structure import Geometry


class MoleculesDescription(TermDescription):
    """The kernel model of molecules in a model file; its arrays are tensors."""

    kind: Literal["molecules"] = "molecules"
    has_arrays: ClassVar[bool] = True
    sigma: Annotated[float, Field(gt=0)]
    """Length scale of the kernel, 1/Å."""
    constant: float
    """Constant of integration, eV."""
    n_train: int
    """Number of training geometries."""
    n_permutations: int
    """Number of permutation symmetries."""
    formula: str
    """Symbols of the atoms, in order."""

    def title(self, sources: Mapping[str, str], on_features: str, n_members: int) -> str:
        """As in `TermDescription`."""
        return f"sGDML of {self.formula}"

    def rows(self) -> dict[str, str]:
        """As in `TermDescription`."""
        return {
            "molecule": f"{self.formula}, in this order; {self.n_permutations} permutations",
            "kernel": f"Matérn, sigma {self.sigma:g} 1/Å, {self.n_train} training geometries",
        }


class MoleculeTerm(Term):
    """What molecules of one kind add to the energies of their atoms."""

    kind = "molecules"
    centroid = False
    needs_tags = True
    is_known = True

    def __init__(self, model: GDMLModel):
        super().__init__()
        self.model = model
        self.order = MoleculeOrder(model)
        """Finds which atom has which place."""
        self.orders: Orders = self.order
        """What is asked for it; a run puts its memory here."""

    def describe(self) -> MoleculesDescription:
        """As in `Term`."""
        return MoleculesDescription(
            sigma=self.model.sigma,
            constant=self.model.constant,
            n_train=self.model.n_train,
            n_permutations=len(self.model.permutations),
            formula=" ".join(chemical_symbols[number] for number in self.model.numbers.tolist()),
        )

    def arrays(self) -> dict[str, Tensor]:
        """As in `Term`: those of the kernel model."""
        return {name: value.clone() for name, value in self.model.arrays().items()}

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
        of_pairs[found.inner_pairs] = (0.5 * found.sign)[:, None] * gradients[found.molecule, found.place]
        device = geometry.pair_vectors.device
        return shares[found.molecule_of_centre].to(device), of_pairs.to(device)

    def energy(self, geometry: Geometry, parameters: ParameterValues) -> Tensor:
        """Shares of the centres (n_centres,), eV, without a graph: the kernels have formulas for their gradient."""
        return self.energies_and_gradients(geometry)[0]

    def contribution(
        self, geometry: Geometry, parameters: ParameterValues, constants: Constants | None = None
    ) -> Contribution:
        """As in `Term`."""
        energies, pair_gradients = self.energies_and_gradients(geometry)
        return Contribution(energies=energies, pair_gradients=pair_gradients)

    @property
    def origin(self) -> str:
        """As in `Term`."""
        n_frames, n_permutations = self.model.n_train, len(self.model.permutations)
        return f"Kernel model of {n_frames} frames, sigma {self.model.sigma:g} 1/Å, {n_permutations} permutations"

    def remarks(self) -> list[str]:
        """As in `Term`."""
        if not self.order.n_reordered:
            return []
        return [
            "atoms of one element come in another order than in the training geometries; bonds and distances tell "
            "which is which, and the errors are those of the right order"
        ]

    @classmethod
    def restore(cls, description: Any, arrays: Mapping[str, Tensor], cutoff: float) -> MoleculeTerm:
        """As in `Term`."""
        return cls(GDMLModel.restore(description.sigma, description.constant, dict(arrays)))
