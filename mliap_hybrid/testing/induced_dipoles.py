"""A deliberately odd term: dipoles that atoms induce in each other in a uniform field, after a fixed number of rounds.

    mu_i <- alpha_i [ E0 + k_e sum_j w(r_ij) (3 n (n.mu_j) - mu_j) / r^3 ],      E = -1/2 sum_i mu_i.E0

It asks neighbours for vectors, several times, and its derivatives send vectors back: whatever works here, works for any
term of atoms that answer each other. The field breaks the symmetry of space, so that energies do not turn with atoms.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from mliap_hybrid.lammps.unified import HybridUnified
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.parameters import ElementParameter
from mliap_hybrid.model.term import Term, TermDescription, sum_over_pairs
from mliap_hybrid.model_files.description import describe
from mliap_hybrid.model_files.model_file import Manifest
from mliap_hybrid.structure import Geometry
from mliap_hybrid.testing.models import sodium_chloride_model
from mliap_hybrid.units import COULOMB_CONSTANT

FIELD = (0.3, -0.2, 0.5)
"""V/Å."""

POLARISABILITIES = (0.08, 0.15)
"""Of Na and Cl, e^2 Å^2/eV."""


class InducedDipolesDescription(TermDescription):
    """Never in a model file of users."""

    kind: Literal["induced_dipoles"] = "induced_dipoles"


class InducedDipoles(Term):
    """Dipoles after some rounds of induction by neighbours."""

    kind = "induced_dipoles"
    cost = "exchange"
    centroid = False
    takes = ("polarisability",)

    def __init__(self, cutoff: float, n_rounds: int = 3):
        """Make the term.

        Parameters
        ----------
        cutoff : float, Å
            Where the window w(r) = (1 - r^2 / r_c^2)^3 of the interaction ends.
        n_rounds : int
        """
        super().__init__()
        self.cutoff = cutoff
        self.n_rounds = n_rounds
        self.field: Tensor
        self.register_buffer("field", torch.tensor(FIELD, dtype=torch.float64), persistent=False)

    def energy(self, geometry: Geometry, parameters: ParameterValues) -> Tensor:
        """Energies (n_centres,), eV."""
        polarisabilities = parameters["polarisability"][:, None]  # (n_centres, 1)
        vectors = geometry.pair_vectors  # (n_pairs, 3)
        squared = vectors.square().sum(1, keepdim=True)  # (n_pairs, 1)
        strength = COULOMB_CONSTANT * (1.0 - squared / self.cutoff**2).clamp(min=0.0) ** 3 / squared**1.5
        dipoles = polarisabilities * self.field  # (n_centres, 3)
        for _ in range(self.n_rounds):
            of_neighbours = geometry.communication.to_neighbours(dipoles)  # (n_pairs, 3)
            along = 3.0 * vectors * (vectors * of_neighbours).sum(1, keepdim=True) / squared  # (n_pairs, 3)
            fields = self.field + sum_over_pairs(geometry, strength * (along - of_neighbours))  # (n_centres, 3)
            dipoles = polarisabilities * fields
        return -0.5 * dipoles @ self.field

    def describe(self) -> InducedDipolesDescription:
        """As in `Term`."""
        return InducedDipolesDescription()

    @classmethod
    def restore(cls, description: Any, arrays: Any, cutoff: float) -> InducedDipoles:
        """As in `Term`."""
        return cls(cutoff)


def induced_dipole_model() -> HybridModel:
    """The model of the tests with induced dipoles."""
    model = sodium_chloride_model(None)
    parameter = ElementParameter("polarisability", "e^2 Å^2/eV", torch.tensor(POLARISABILITIES, dtype=torch.float64))
    return HybridModel(
        model.features,
        [*model.all_terms, InducedDipoles(model.cutoff)],
        [*model.all_parameters, parameter],
        list(model.heads),
        model.whitening,
    ).double()


def write_induced_dipoles(path: Path) -> None:
    """Write the model as a pickle, which LAMMPS opens if it is trusted."""
    path.write_bytes(pickle.dumps(_Pickled()))


class _Pickled:
    """What is pickled: a call of the function below."""

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        return _unified, ()


def _unified() -> HybridUnified:
    description, tensors = describe(sodium_chloride_model(None))
    manifest = Manifest(terms=["a toy"], description=description, allow_small_box=True)
    return HybridUnified(manifest, tensors, induced_dipole_model())
