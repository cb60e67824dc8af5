"""Dipoles of atoms beside their charges: permanent ones of bonds, and those that all of them induce.

What the energy is, and why induced dipoles need no derivative of their own, is in physics/induction.py; permanent
dipoles are in physics/bond_dipoles.py. The energy of the charges alone is that of the term `electrostatics`, not of
this one.

In training, derivatives of forces by parameters hold the response of the induced dipoles: they are attached to their
linear system, whose adjoint is solved once in each backward pass (physics/conjugate_gradients.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from mliap_hybrid.communication import CoulombOperator
from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.term import Constants, Contribution, Term, TermDescription, derivatives, sum_over_pairs
from mliap_hybrid.model.terms.structure_places import StructurePlaces
from mliap_hybrid.multipoles import Multipoles
from mliap_hybrid.physics.bond_dipoles import bond_dipoles
from mliap_hybrid.physics.conjugate_gradients import conjugate_gradients, with_response
from mliap_hybrid.physics.damping import Damping, damping_of
from mliap_hybrid.physics.dipole_energy import dipole_energy
from mliap_hybrid.physics.ewald_operator import EwaldSum
from mliap_hybrid.physics.induction import (
    Induction,
    damping_differences,
    gaussians_taken_back,
    pair_fields,
)
from mliap_hybrid.physics.switching import switch
from mliap_hybrid.structure import Geometry
from mliap_hybrid.units import COULOMB_CONSTANT

SWITCH_WIDTH = 1.0
"""Å before the cutoff over which the damping of close atoms fades out; it has died out there unless a few atoms are
extremely polarisable."""


class DipolesDescription(TermDescription):
    """The term in a model file; its numbers are the parameters `charge`, `bond_dipole` and `polarisability`."""

    kind: Literal["dipoles"] = "dipoles"
    smearing: Annotated[float, Field(gt=0)]
    """Å."""
    reach: Annotated[float, Field(gt=0)] | None
    """Å, of the bonds of permanent dipoles; None where there are none."""
    damping: Literal["thole", "gaussian"] | None
    """How close atoms are damped; None where no dipoles are induced."""
    damping_factor: Annotated[float, Field(gt=0)] | None
    """Its factor."""
    tolerance: Annotated[float, Field(gt=0)]
    """Relative error of induced dipoles."""
    between_molecules: bool = False
    """Whether charges and permanent dipoles induce in other molecules alone."""

    @model_validator(mode="after")
    def _has_both(self) -> DipolesDescription:
        if (self.damping is None) != (self.damping_factor is None):
            raise ValueError("expected a damping and its factor, or neither")
        return self

    def title(self, sources: Mapping[str, str], on_features: str, n_members: int) -> str:
        """As in `TermDescription`."""
        parts = [
            f"{kind} dipoles, {sources[name]} {plural}"
            for kind, name, plural in (
                ("permanent", "bond_dipole", "strengths"),
                ("induced", "polarisability", "polarisabilities"),
            )
            if name in sources
        ]
        return "; ".join(parts)


@dataclass(frozen=True)
class _Moments:
    """What parameters say of atoms and pairs, float64."""

    charges: Tensor
    """(n_centres,) e."""
    charges_of_neighbours: Tensor
    """(n_pairs,) e."""
    permanent: Tensor
    """(n_centres, 3) e Å."""
    polarisabilities: Tensor | None
    """(n_centres,) Å^3; None where nothing is induced."""
    direct: tuple[Tensor, Tensor]
    """(n_pairs,) each: `damping_differences` by which charges and permanent dipoles induce; zeros where nothing is."""
    mutual: tuple[Tensor, Tensor]
    """(n_pairs,) each: those by which induced dipoles do."""


class Dipoles(Term):
    """Permanent and induced dipoles in crystals and molecules."""

    kind = "dipoles"
    cost = "solve"
    centroid = False

    def __init__(
        self,
        cutoff: float,
        smearing: float,
        reach: float | None,
        damping: Damping | None,
        tolerance: float,
        between_molecules: bool = False,
    ):
        """Make the term.

        Parameters
        ----------
        cutoff : float, Å
            Of the neighbour pairs.
        smearing : float, Å
            Width sigma of charges and dipoles, that of the term `electrostatics`.
        reach : float, Å, or None
            R of physics/bond_dipoles.py; None for no permanent dipoles.
        damping : Damping or None
            How close atoms are damped; None for no induced dipoles.
        tolerance : float
            Relative error of induced dipoles.
        between_molecules : bool
            Whether charges and permanent dipoles induce in other molecules alone.
        """
        super().__init__()
        self.cutoff = cutoff
        self.smearing = smearing
        self.reach = reach
        self.damping = damping
        self.tolerance = tolerance
        self.between_molecules = between_molecules
        self.needs_molecules = between_molecules  # type: ignore[misc]
        self.takes = (
            "charge",
            *(("bond_dipole",) if reach is not None else ()),
            *(("polarisability",) if damping is not None else ()),
        )

    def energy(self, geometry: Geometry, parameters: ParameterValues) -> Tensor:
        """Energies (n_centres,), eV, without a graph of the pair vectors. Collective."""
        energies = self.contribution(geometry, parameters).energies
        assert energies is not None
        return energies

    def contribution(
        self, geometry: Geometry, parameters: ParameterValues, constants: Constants | None = None
    ) -> Contribution:
        """As in `Term`. Collective.

        Raises
        ------
        InputError
            If a structure is periodic in one or two directions, or there are no stable induced dipoles.
        """
        inputs, of_graph = parameters.leaves(self.takes)
        vectors = geometry.pair_vectors.detach().double()  # (n_pairs, 3)
        operator = None if isinstance(constants, StructurePlaces) else self._operator(geometry)
        multipoles = self._multipoles(operator, constants)
        outside = None if geometry.field is None else geometry.field.vectors.double()  # (n_centres, 3)
        with torch.set_grad_enabled(of_graph):
            moments = self._moments(geometry, parameters, vectors)
            induced = self._induced(geometry, moments, vectors, multipoles, outside)  # (n_centres, 3)
            dipoles = moments.permanent + induced  # (n_centres, 3)
            far = dipole_energy(moments.charges, dipoles, multipoles, self.smearing)
            energies = far.energies if outside is None else far.energies - (dipoles * outside).sum(1)  # (n_centres,)

        with torch.enable_grad():  # at fixed induced dipoles, at which the energy is stationary
            moved = vectors.detach().requires_grad_()  # (n_pairs, 3)
            free = self._moments(geometry, inputs, moved)
            close = self._close_energies(geometry, free, induced, moved)  # (n_centres,)
            changes = close + (free.permanent * far.by_dipoles).sum(1)  # (n_centres,)
            if outside is not None:
                changes = changes - (free.permanent * outside).sum(1)
            pair_gradients, *gradients = derivatives(changes, [moved, *inputs.values()], of_graph)
        by_parameters = dict(zip(inputs, gradients, strict=True))
        by_parameters["charge"] = by_parameters["charge"] + far.by_charges

        handed = (far.forces, far.virials)
        left = handed if operator is None else operator.hand_over(moments.charges, *handed)
        dtype = geometry.pair_vectors.dtype
        forces, virials = (None if part is None else part.to(dtype) for part in left)
        return Contribution(
            energies=(energies + (close if of_graph else close.detach())).to(dtype),
            pair_gradients=pair_gradients.to(dtype),
            forces=forces,
            virials=virials,
            dipoles=dipoles.to(dtype),
            parameter_gradients={name: gradient.to(dtype) for name, gradient in by_parameters.items()},
        )

    def polarisabilities(
        self, geometry: Geometry, parameters: ParameterValues, constants: Constants | None = None
    ) -> Tensor | None:
        """As in `Term`: what fields along x, y and z induce."""
        if self.damping is None:
            return None
        vectors = geometry.pair_vectors.detach().double()  # (n_pairs, 3)
        operator = None if isinstance(constants, StructurePlaces) else self._operator(geometry)
        moments = self._moments(geometry, parameters, vectors)
        system = self._system(geometry, moments, vectors, self._multipoles(operator, constants))
        along = torch.eye(3, dtype=vectors.dtype, device=vectors.device)
        induced = [self._solution(geometry, system, e.expand(geometry.n_centres, 3)) for e in along]
        alpha = COULOMB_CONSTANT * geometry.communication.sum(torch.stack(induced, dim=2))  # (n_structures, 3, 3)
        return alpha.to(geometry.pair_vectors.dtype)

    def constants(self, geometry: Geometry, with_virials: bool) -> StructurePlaces:
        """Where the atoms are."""
        batch = geometry.structures
        assert batch is not None
        return StructurePlaces(batch.positions, batch.cells, batch.periodic, batch.atoms_per_structure())

    def memory_of_constants(self, n_atoms: Sequence[int], with_virials: bool) -> int:
        """As in `Term`."""
        return sum(24 * n + 83 for n in n_atoms)

    def describe(self) -> DipolesDescription:
        """As in `Term`."""
        return DipolesDescription(
            smearing=self.smearing,
            reach=self.reach,
            damping=None if self.damping is None else self.damping.kind,  # type: ignore[arg-type]
            damping_factor=None if self.damping is None else self.damping.factor,
            tolerance=self.tolerance,
            between_molecules=self.between_molecules,
        )

    @classmethod
    def restore(cls, description: Any, arrays: Mapping[str, Tensor], cutoff: float) -> Dipoles:
        """As in `Term`."""
        damping = None
        if description.damping is not None:
            damping = damping_of(description.damping, description.damping_factor)
        return cls(
            cutoff,
            description.smearing,
            description.reach,
            damping,
            description.tolerance,
            description.between_molecules,
        )

    def _operator(self, geometry: Geometry) -> CoulombOperator:
        operator = geometry.communication.coulomb(geometry, self.smearing)
        if operator is not None:
            return operator
        assert geometry.structures is not None
        return EwaldSum(geometry.structures, self.smearing)

    def _multipoles(self, operator: CoulombOperator | None, constants: Constants | None) -> Multipoles:
        """The atoms, as a run, a batch or the constants of a training have them."""
        if operator is not None:
            return operator.multipoles()
        assert isinstance(constants, StructurePlaces)
        return constants.multipoles(self.smearing)

    def _moments(self, geometry: Geometry, parameters: ParameterValues, vectors: Tensor) -> _Moments:
        """Charges, permanent dipoles, and how close atoms are damped. Collective."""
        pair_i, charges = geometry.pair_i, parameters["charge"].double()  # (n_centres,)
        permanent = torch.zeros((geometry.n_centres, 3), dtype=charges.dtype, device=charges.device)
        if self.reach is not None:
            strengths = parameters.of_neighbours("bond_dipole").double()  # (n_pairs,)
            permanent = bond_dipoles(vectors, pair_i, strengths, geometry.n_centres, self.reach)
        none = vectors.new_zeros(len(vectors))  # (n_pairs,)
        polarisabilities, direct, mutual = None, (none, none), (none, none)
        if self.damping is not None:
            polarisabilities = parameters["polarisability"].double()  # (n_centres,)
            of_neighbours = parameters.of_neighbours("polarisability").double()  # (n_pairs,)
            of_centres = polarisabilities.index_select(0, pair_i)  # (n_pairs,)
            distances = torch.linalg.vector_norm(vectors, dim=1)  # (n_pairs,)
            fading = switch(distances, self.cutoff, SWITCH_WIDTH)  # (n_pairs,)
            atoms = (distances, of_centres, of_neighbours, fading)
            direct = mutual = damping_differences(*atoms, self.damping, self.smearing)
            if self.between_molecules:
                inside = ~geometry.is_between_molecules  # (n_pairs,)
                nothing = gaussians_taken_back(distances, fading, self.smearing)
                direct = (torch.where(inside, nothing[0], mutual[0]), torch.where(inside, nothing[1], mutual[1]))
        charges_of_neighbours = parameters.of_neighbours("charge").double()  # (n_pairs,)
        return _Moments(charges, charges_of_neighbours, permanent, polarisabilities, direct, mutual)

    def _induced(
        self, geometry: Geometry, moments: _Moments, vectors: Tensor, multipoles: Multipoles, outside: Tensor | None
    ) -> Tensor:
        """Induced dipoles (n_centres, 3), e Å, attached to what they follow from where that has a graph. Collective.

        `outside` (n_centres, 3), V/Å, is a field that is there without the atoms.
        """
        if moments.polarisabilities is None:
            return torch.zeros_like(moments.permanent)
        system = self._system(geometry, moments, vectors, multipoles)
        right = system.field_of(moments.charges, moments.permanent, moments.charges_of_neighbours)  # (n_centres, 3)
        return self._solution(geometry, system, right if outside is None else right + outside)

    def _system(self, geometry: Geometry, moments: _Moments, vectors: Tensor, multipoles: Multipoles) -> Induction:
        """What dipoles are induced by."""
        assert moments.polarisabilities is not None
        return Induction(
            multipoles,
            self.smearing,
            moments.polarisabilities,
            vectors,
            moments.direct,
            moments.mutual,
            geometry.communication.to_neighbours,
            lambda of_pairs: sum_over_pairs(geometry, of_pairs).to(of_pairs.dtype),
        )

    def _solution(self, geometry: Geometry, system: Induction, right: Tensor) -> Tensor:
        """Dipoles (n_centres, 3), e Å, that a field (n_centres, 3), V/Å, induces, with its graph. Collective."""
        communication, fixed = geometry.communication, system.detached()

        def solve(right: Tensor) -> Tensor:
            return conjugate_gradients(
                fixed.apply,
                right,
                fixed.preconditioner,
                communication.sum,
                communication.to_centres,
                self.tolerance,
            )

        solution = solve(right.detach())
        left = right - system.apply(solution)
        return with_response(solution, left, solve) if left.requires_grad else solution

    def _close_energies(self, geometry: Geometry, moments: _Moments, induced: Tensor, vectors: Tensor) -> Tensor:
        """What polarising costs, and the damping of close atoms (n_centres,), eV. Collective."""
        if moments.polarisabilities is None:
            return induced.new_zeros(geometry.n_centres)
        both = torch.cat([moments.permanent, induced], dim=1)  # (n_centres, 6)
        permanent, others = geometry.communication.to_neighbours(both).split(3, dim=1)  # (n_pairs, 3) each
        no_charges = torch.zeros_like(moments.charges_of_neighbours)  # (n_pairs,)
        fields = pair_fields(vectors, moments.direct, moments.charges_of_neighbours, permanent)  # (n_pairs, 3)
        fields = fields + 0.5 * pair_fields(vectors, moments.mutual, no_charges, others)
        cost = 0.5 * COULOMB_CONSTANT * induced.square().sum(1) / moments.polarisabilities  # (n_centres,)
        of_pairs = (induced.index_select(0, geometry.pair_i) * fields).sum(1)  # (n_pairs,)
        return cost - sum_over_pairs(geometry, of_pairs)
