"""Consistency of energies and forces at displaced copies of a structure: residuals that vanish for the true surface.

The structure is the point A; displacements of all its atoms lead from it to B, C and D. An edge P -> Q, written "PQ",
is a displacement d = q - p, and along it

    W(PQ) = sum_i d_i . F_i(P)                                     work of the forces at P
    E(PQ) = E(P) - W(PQ)                                           Taylor expansion of E(Q) about P, first order
    E(PQ) = E(P) - (W(PQ) - W(QP)) / 2                             trapezoid, second order without second derivatives
    E(PQ) = E(P) - W(PQ) + d . H(P) d / 2                          second order, H the second derivative of the energy
    E(AC) = (E(C) + E(M)) / 2 - W(AC)                              central difference, M = A - d the mirror image of C
    E(AC) = E(A) + (E(C) - E(M)) / 2 + d . H d / 2                 curvature, H from a model (physics/model_hessian.py)

Taylor consistency asks that E(C) = E(AC); spatial consistency, that energies round a triangle of displaced points agree
(SPATIAL_VARIANTS). From Takamoto, Zaverkin and Niepert, ICML 2025, PMLR 267:58282, arXiv:2408.05215. Trapezoid and
central difference are not theirs: for forces that are the gradient of the energy, the first-order residual is
d . H d / 2 and not zero, a bias that these two do not have. The central difference needs forces at A alone, so that
those may be labels; the curvature, which is the even part where the central difference is the odd one, needs no forces
at all. The zeroth order, E(AC) = E(A), says that the energy shall not change: a baseline (virtual
adversarial training, Miyato et al., arXiv:1704.03976).

Energies and works have one number for each structure, so a batch of equal structures gives what one of them gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

SPATIAL_VARIANTS: dict[str, tuple[tuple[str, str], ...]] = {
    "A": (("C", "BC"),),
    "B": (("AC", "BC"),),
    "C": (("B", "CB"),),
    "D": (("DC", "BC"),),
    "all": (("C", "BC"), ("A", "CA"), ("B", "AB")),
    "two-point": (("A", "CA"),),
}
"""Variant of spatial consistency -> pairs that should agree: a letter is the energy there, two an expansion."""


@dataclass(frozen=True)
class Surface:
    """What is known of the energy at the points and along the edges; of a model, of labels, or of both."""

    energies: Mapping[str, Tensor]
    """Point -> (n_structures,), eV: E(P). Energies of all points may be off by one constant."""
    works: Mapping[str, Tensor]
    """Edge -> (n_structures,), eV: W(PQ)."""
    curvatures: Mapping[str, Tensor]
    """Edge -> (n_structures,), eV: d . H(P) d; of the model Hessian for the curvature, else for the second order."""


def work(displacements: Tensor, forces: Tensor, structure_of_atom: Tensor, n_structures: int) -> Tensor:
    """Work of constant forces along displacements, structure by structure.

    Parameters
    ----------
    displacements : Tensor, shape (n_atoms, 3), Å
    forces : Tensor, shape (n_atoms, 3), eV/Å
    structure_of_atom : Tensor, shape (n_atoms,), int64
    n_structures : int

    Returns
    -------
    Tensor, shape (n_structures,), eV
        W = sum_i d_i . F_i.
    """
    of_atoms = (displacements * forces).sum(1)  # (n_atoms,)
    return of_atoms.new_zeros(n_structures).index_add(0, structure_of_atom, of_atoms)


def zeroth_order(surface: Surface, edge: str) -> Tensor:
    """Energy (n_structures,), eV, at the start of an edge, as a constant; nothing for forces to follow from."""
    return surface.energies[edge[0]].detach()


def first_order(surface: Surface, edge: str) -> Tensor:
    """First-order Taylor expansion (n_structures,), eV, of the energy at the end of an edge."""
    return surface.energies[edge[0]] - surface.works[edge]


def trapezoid(surface: Surface, edge: str) -> Tensor:
    """Energy (n_structures,), eV, at the end of an edge from the forces at both ends."""
    return surface.energies[edge[0]] - 0.5 * (surface.works[edge] - surface.works[edge[::-1]])


def second_order(surface: Surface, edge: str) -> Tensor:
    """Second-order Taylor expansion (n_structures,), eV, of the energy at the end of an edge."""
    return first_order(surface, edge) + 0.5 * surface.curvatures[edge]


def central(surface: Surface, edge: str) -> Tensor:
    """Energy (n_structures,), eV, at the end of an edge: its even part as it is, its odd part from forces half-way."""
    return 0.5 * (surface.energies[edge[1]] + surface.energies["M"]) - surface.works[edge]


def even_part(surface: Surface, edge: str) -> Tensor:
    """Energy (n_structures,), eV, at the end of an edge: its odd part as it is, its even part from the curvature."""
    odd = 0.5 * (surface.energies[edge[1]] - surface.energies["M"])  # (n_structures,)
    return surface.energies[edge[0]] + odd + 0.5 * surface.curvatures[edge]


EXPANSIONS: dict[str, Callable[[Surface, str], Tensor]] = {
    "zeroth": zeroth_order,
    "first": first_order,
    "trapezoid": trapezoid,
    "second": second_order,
    "central": central,
    "curvature": even_part,
}
"""Order of Taylor consistency -> the expansion."""


def taylor_residuals(surface: Surface, order: str) -> Tensor:
    """E(C) minus the expansion about A.

    Parameters
    ----------
    surface : Surface
        With A and C, the edge AC, CA for the trapezoid, and M for central difference and curvature.
    order : str
        One of EXPANSIONS.

    Returns
    -------
    Tensor, shape (1, n_structures), eV
    """
    return (surface.energies["C"] - EXPANSIONS[order](surface, "AC"))[None]


def spatial_residuals(surface: Surface, variant: str, order: str = "first") -> Tensor:
    """Differences between energies and expansions that lead to the same point.

    Parameters
    ----------
    surface : Surface
        With all that `needs_of` names for the variant.
    variant : str
        One of SPATIAL_VARIANTS.
    order : {"first", "trapezoid"}
        Of the expansions.

    Returns
    -------
    Tensor, shape (n_residuals, n_structures), eV
    """

    def value(name: str) -> Tensor:
        return surface.energies[name] if len(name) == 1 else EXPANSIONS[order](surface, name)

    return torch.stack([value(one) - value(other) for one, other in SPATIAL_VARIANTS[variant]])


def with_labels(surface: Surface, energies: Tensor, works: Tensor, labelled: Tensor | None = None) -> Surface:
    """Weak labels: the same surface, but what is expanded about A is reference energies and forces.

    Parameters
    ----------
    surface : Surface
        Of the model.
    energies : Tensor, shape (n_structures,), eV
        Reference energies at A, with the constant of `surface.energies`.
    works : Tensor, shape (n_structures,), eV
        Of the reference forces along AC; anything where a structure has none.
    labelled : Tensor of bool, shape (n_structures,), optional
        Which structures have reference forces; all by default. Of the others the model's are taken.

    Returns
    -------
    Surface
    """
    of_model = surface.works["AC"]
    chosen = works if labelled is None else torch.where(labelled, works, of_model)
    return Surface({**surface.energies, "A": energies}, {**surface.works, "AC": chosen}, surface.curvatures)


def mean_square(residuals: Tensor, atoms_per_structure: Tensor, size: float, counts: Tensor | None = None) -> Tensor:
    """Mean squared residual as an error of forces: over sqrt(n_atoms) size, a typical length of the displacement.

    For random displacements d and an error f of the forces, the mean of (d . f)^2 over n_atoms size^2 is the mean
    squared component of f. So weights mean the same for all sizes, and as much as the weight of the forces.

    Parameters
    ----------
    residuals : Tensor, shape (n_residuals, n_structures), eV
    atoms_per_structure : Tensor, shape (n_structures,)
    size : float, Å
        Largest component of the displacements.
    counts : Tensor of bool, shape (n_structures,), optional
        Which structures count; all by default.

    Returns
    -------
    Tensor, shape (), (eV/Å)^2
        Zero where none counts.
    """
    squares = residuals.square().mean(0) / (atoms_per_structure * size**2)  # (n_structures,)
    if counts is None:
        return squares.mean()
    return torch.where(counts, squares, 0.0).sum() / counts.sum().clamp(min=1)


@dataclass(frozen=True)
class Needs:
    """What some terms need to know of the surface; all sorted."""

    points: tuple[str, ...]
    edges: tuple[str, ...]
    curvatures: tuple[str, ...]
    """Edges."""


def needs_of(taylor: str, spatial: str, spatial_order: str = "first") -> Needs:
    """What a choice of terms needs.

    Parameters
    ----------
    taylor : str
        One of EXPANSIONS, or "none".
    spatial : str
        One of SPATIAL_VARIANTS, or "none".
    spatial_order : {"first", "trapezoid"}
    """
    names = {name for pair in SPATIAL_VARIANTS.get(spatial, ()) for name in pair}
    if spatial_order == "trapezoid":
        names |= {name[::-1] for name in names}
    if taylor != "none":
        names |= {"C", "AC"}  # the edge of the curvature tells its displacement
    if taylor == "trapezoid":
        names |= {"CA"}
    if taylor in ("central", "curvature"):
        names |= {"M"}
    edges = {name for name in names if len(name) == 2}
    points = {name for name in names if len(name) == 1} | {edge[0] for edge in edges}
    return Needs(tuple(sorted(points)), tuple(sorted(edges)), ("AC",) if taylor == "second" else ())
