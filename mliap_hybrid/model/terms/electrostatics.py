"""The long-range energy of smeared charges, whoever solves for it.

In training it is a product of charges with matrices that were computed once (`CoulombMatrices`), in ASE and error
tables the sum over wave vectors (physics/ewald.py), in a run LAMMPS' own solvers or that sum over all ranks
(lammps/coulomb_operators.py). The definition of the energy is the same; forces at fixed charges come from the solver,
and how charges change with positions is the business of the parameter `charge`. A uniform field from outside adds its
potential to theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from mliap_hybrid.communication import CoulombOperator, CoulombSolution
from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.term import Constants, Contribution, Term, TermDescription, summed
from mliap_hybrid.physics.ewald_operator import EwaldSum
from mliap_hybrid.physics.interaction_matrices import InteractionMatrices, interaction_matrices
from mliap_hybrid.structure import Geometry
from mliap_hybrid.uniform_field import UniformField


class ElectrostaticsDescription(TermDescription):
    """The term in a model file; the charges are the parameter `charge`."""

    kind: Literal["electrostatics"] = "electrostatics"
    smearing: Annotated[float, Field(ge=0)]
    """Å."""

    def title(self, sources: Mapping[str, str], on_features: str, n_members: int) -> str:
        """As in `TermDescription`."""
        how = "predicted" if sources["charge"] == "predicted" else "fixed"
        return f"long-range Coulomb, {how} smeared charges"

    def remarks(self) -> dict[str, str]:
        """As in `TermDescription`."""
        return {"charges": f"smearing {self.smearing:g} Å"}


class Electrostatics(Term):
    """Gaussian charges in a periodic structure, a slab or a molecule."""

    kind = "electrostatics"
    component = "electrostatics_energy"
    cost = "solve"
    takes = ("charge",)

    def __init__(self, smearing: float):
        """Make the term.

        Parameters
        ----------
        smearing : float, Å
            Width sigma of the Gaussians (physics/coulomb.py).
        """
        super().__init__()
        self.smearing = smearing

    def energy(self, geometry: Geometry, parameters: ParameterValues) -> Tensor:
        """Half of each charge times its potential (n_centres,), eV, without a graph. Collective."""
        return self._operator(geometry).solve(parameters["charge"]).energies

    def contribution(
        self, geometry: Geometry, parameters: ParameterValues, constants: Constants | None = None
    ) -> Contribution:
        """As in `Term`. Collective."""
        operator = constants if isinstance(constants, CoulombMatrices) else self._operator(geometry)
        solution = operator.solve(parameters["charge"])
        of_charges = Contribution(
            energies=solution.energies,
            distance_derivatives=solution.distance_derivatives,
            forces=solution.forces,
            virials=solution.virials,
            parameter_gradients={} if solution.potentials is None else {"charge": solution.potentials},
        )
        return of_charges if geometry.field is None else summed([of_charges, in_field(geometry.field, parameters)])

    def constants(self, geometry: Geometry, with_virials: bool) -> CoulombMatrices:
        """Interaction matrices of one structure."""
        assert geometry.structures is not None
        return CoulombMatrices.from_matrices((interaction_matrices(geometry.structures, self.smearing, with_virials),))

    def memory_of_constants(self, n_atoms: Sequence[int], with_virials: bool) -> int:
        """As in `Term`."""
        return sum((4 + 9 * with_virials) * 4 * n**2 for n in n_atoms)

    def describe(self) -> ElectrostaticsDescription:
        """As in `Term`."""
        return ElectrostaticsDescription(smearing=self.smearing)

    @classmethod
    def restore(cls, description: Any, arrays: Mapping[str, Tensor], cutoff: float) -> Electrostatics:
        """As in `Term`."""
        return cls(description.smearing)

    def _operator(self, geometry: Geometry) -> CoulombOperator:
        operator = geometry.communication.coulomb(geometry, self.smearing)
        if operator is not None:
            return operator
        assert geometry.structures is not None
        return EwaldSum(geometry.structures, self.smearing)


def in_field(field: UniformField, parameters: ParameterValues) -> Contribution:
    """Energy of charges in a uniform field, and its derivatives at fixed charges. Collective.

    Parameters
    ----------
    field : UniformField
    parameters : ParameterValues
        With `charge`.
    """
    charges, moments = parameters["charge"], parameters.moments("charge")  # (n_centres,)
    if moments is None:
        action = field.act(charges, charges[:, None] * field.positions)
        gradients: dict[str, Any] = {"parameter_gradients": {"charge": field.potentials}}
    else:  # what neighbours give each other feels the field by the vectors between them
        action = field.act(charges, moments.carried[:, None] * field.positions + moments.between)
        gradients = {"moment_gradients": {"charge": -field.vectors}}
    return Contribution(energies=action.energies, forces=action.forces, virials=action.virials, **gradients)


@dataclass(frozen=True)
class CoulombMatrices(Constants):
    """Interaction matrices of structures end to end, float32: a Coulomb operator that is differentiable in charges.

    With the matrices A, B and V of physics/interaction_matrices.py,

        E = 1/2 q.A.q,      phi = A.q,      F_i = -q_i sum_j B_ij q_j,      W = 1/2 sum_ij q_i q_j V_ij.
    """

    matrices: tuple[InteractionMatrices, ...]
    """One for each structure."""

    @classmethod
    def from_matrices(cls, matrices: Sequence[InteractionMatrices]) -> CoulombMatrices:
        """Those of structures, made small."""
        return cls(
            tuple(
                InteractionMatrices(
                    m.potential.float(), m.field.float(), None if m.virial is None else m.virial.float()
                )
                for m in matrices
            )
        )

    @property
    def n_bytes(self) -> int:
        """As in `Constants`."""
        parts = [(m.potential, m.field, m.virial) for m in self.matrices]
        return sum(part.nbytes for of_structure in parts for part in of_structure if part is not None)

    def followed_by(self, others: Sequence[Constants]) -> CoulombMatrices:
        """As in `Constants`."""
        return CoulombMatrices(
            (*self.matrices, *(m for o in others if isinstance(o, CoulombMatrices) for m in o.matrices))
        )

    def solve(self, charges: Tensor) -> CoulombSolution:
        """As in `CoulombOperator`; virials are zero where they were not prepared."""
        potentials, forces, virials = [], [], []
        sizes = [len(matrices.potential) for matrices in self.matrices]
        for matrices, q in zip(self.matrices, charges.split(sizes), strict=True):
            potentials.append(matrices.potential @ q)  # (n,)
            # B is antisymmetric, so the sum over its first index is minus that over its second.
            forces.append(q[:, None] * (q @ matrices.field.flatten(1)).view(-1, 3))  # (n, 3)
            virials.append(_virial(matrices, q))
        phi = torch.cat(potentials)  # (n_centres,)
        return CoulombSolution(0.5 * charges * phi, phi, torch.cat(forces), torch.stack(virials))

    def potentials_and_fields(self, charges: Tensor, dipoles: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As in `CoulombOperator`, of charges.

        Raises
        ------
        ValueError
            If there are dipoles.
        """
        if dipoles is not None:
            raise ValueError("expected charges alone: interaction matrices hold no dipoles")
        sizes = [len(matrices.potential) for matrices in self.matrices]
        of_structures = list(zip(self.matrices, charges.split(sizes), strict=True))
        potentials = torch.cat([matrices.potential @ q for matrices, q in of_structures])
        # E_i = -dphi_i/dr_i = -sum_j B_ij q_j
        return potentials, torch.cat([(q @ matrices.field.flatten(1)).view(-1, 3) for matrices, q in of_structures])


def _virial(matrices: InteractionMatrices, charges: Tensor) -> Tensor:
    """W (3, 3), eV."""
    if matrices.virial is None:
        return charges.new_zeros((3, 3))
    return 0.5 * (charges @ (charges @ matrices.virial.flatten(1)).view(-1, 9)).view(3, 3)
