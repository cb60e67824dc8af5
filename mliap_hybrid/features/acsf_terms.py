"""The terms of Behler's symmetry functions: G2 of one neighbour, G4 and G5 of two, and their derivatives.

    G2 = exp(-eta (r - shift)^2) f_c(r)
    G4 = 2^(1 - zeta) (1 + lambda cos theta)^zeta exp(-eta (r_ij^2 + r_ik^2 + r_jk^2)) f_c(r_ij) f_c(r_ik) f_c(r_jk)
    G5 = the same without the two factors of r_jk

From Behler, J. Chem. Phys. 134, 074106 (2011), equations 6, 8 and 9, with the cutoff functions of its equation 4 and of
Behler, Int. J. Quantum Chem. 115, 1032 (2015), equation 9.

With lambda = +-1 the angular factor is 2 x^zeta, x = |u_ij + lambda u_ik|^2 / 4 (unit vectors u), which is never
negative, loses no digits at the straight angle and does not overflow at large zeta.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError, did_you_mean
from mliap_hybrid.features.triplets import Triplets

RadialParameters = tuple[float, float]
"""eta in 1/Å^2 and shift in Å of a G2."""
AngularParameters = tuple[float, float, float]
"""eta in 1/Å^2, zeta and lambda of a G4 or G5."""

ANGULAR_FORMS = ("G4", "G5")


class CutoffFunction:
    """f_c(r), which takes a symmetry function and its derivative to zero at the cutoff.

    Parameters
    ----------
    kind : {"cosine", "tanh"}
        (cos(pi r / r_c) + 1) / 2, or tanh^3(1 - r / r_c), whose second derivative vanishes there too.
    radius : float, Å
        The cutoff r_c.

    Raises
    ------
    InputError
        If the kind is unknown or the radius not positive.
    """

    def __init__(self, kind: str, radius: float) -> None:
        if kind not in _CUTOFF_FUNCTIONS:
            hint = did_you_mean(kind, _CUTOFF_FUNCTIONS)
            raise InputError(f"unknown cutoff function '{kind}' of the symmetry functions: {hint}")
        if not (math.isfinite(radius) and radius > 0.0):
            raise InputError(f"cutoff of the symmetry functions: expected a positive length in Å, found {radius}")
        self.kind = kind
        self.radius = radius
        self._value, self._derivative = _CUTOFF_FUNCTIONS[kind]

    def value(self, distances: Tensor) -> Tensor:
        """f_c at `distances`, Å, of any shape; zero from the cutoff on."""
        return self._value((distances / self.radius).clamp_max(1.0))

    def derivative(self, distances: Tensor) -> Tensor:
        """df_c/dr, 1/Å, at `distances`, Å."""
        return self._derivative((distances / self.radius).clamp_max(1.0)) / self.radius


def _cosine(x: Tensor) -> Tensor:
    return 0.5 * (torch.cos(math.pi * x) + 1.0)


def _cosine_derivative(x: Tensor) -> Tensor:
    return -0.5 * math.pi * torch.sin(math.pi * x)


def _tanh(x: Tensor) -> Tensor:
    return torch.tanh(1.0 - x) ** 3


def _tanh_derivative(x: Tensor) -> Tensor:
    tanh = torch.tanh(1.0 - x)
    return -3.0 * tanh**2 * (1.0 - tanh**2)


_CUTOFF_FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "cosine": (_cosine, _cosine_derivative),
    "tanh": (_tanh, _tanh_derivative),
}


class RadialTerms:
    """G2 of one neighbour for a list of parameters.

    Parameters
    ----------
    parameters : sequence of (eta, shift)
        1/Å^2 and Å.
    cutoff : CutoffFunction

    Raises
    ------
    InputError
        If a parameter makes no sense or comes twice.
    """

    def __init__(self, parameters: Sequence[RadialParameters], cutoff: CutoffFunction) -> None:
        sensible = all(len(pair) == 2 and all(math.isfinite(x) and x >= 0.0 for x in pair) for pair in parameters)
        if not sensible or len(set(map(tuple, parameters))) < len(parameters):
            raise InputError(
                "radial symmetry functions: expected different pairs of eta >= 0 (1/Å^2) and shift >= 0 (Å), "
                f"found {list(parameters)}"
            )
        self.parameters = tuple((float(eta), float(shift)) for eta, shift in parameters)
        self.cutoff = cutoff

    def values(self, distances: Tensor) -> Tensor:
        """G2 (n_pairs, n_radial) at `distances` (n_pairs,), Å."""
        return self._gaussians(distances) * self.cutoff.value(distances)[:, None]

    def derivatives(self, distances: Tensor) -> Tensor:
        """dG2/dr (n_pairs, n_radial), 1/Å, at `distances` (n_pairs,), Å."""
        eta, shift = self._columns(distances)
        by_gaussian = -2.0 * eta * (distances[:, None] - shift) * self.cutoff.value(distances)[:, None]
        return self._gaussians(distances) * (by_gaussian + self.cutoff.derivative(distances)[:, None])

    def _gaussians(self, distances: Tensor) -> Tensor:
        eta, shift = self._columns(distances)
        return torch.exp(-eta * (distances[:, None] - shift).square())

    def _columns(self, like: Tensor) -> tuple[Tensor, Tensor]:
        eta, shift = like.new_tensor(self.parameters).reshape(-1, 2).unbind(1)  # (n_radial,) each
        return eta, shift


class AngularTerms:
    """G4 or G5 of one triplet for a list of parameters.

    Parameters
    ----------
    form : {"G4", "G5"}
    parameters : sequence of (eta, zeta, lambda)
        eta in 1/Å^2.
    cutoff : CutoffFunction

    Raises
    ------
    InputError
        If the form is unknown, or a parameter makes no sense or comes twice.
    """

    def __init__(self, form: str, parameters: Sequence[AngularParameters], cutoff: CutoffFunction) -> None:
        if form not in ANGULAR_FORMS:
            hint = did_you_mean(form, ANGULAR_FORMS)
            raise InputError(f"unknown form '{form}' of the angular symmetry functions: {hint}")
        if not all(map(_sensible, parameters)) or len(set(map(tuple, parameters))) < len(parameters):
            raise InputError(
                "angular symmetry functions: expected different triples of eta >= 0 (1/Å^2), zeta >= 1 (below 1 the "
                f"forces diverge at a straight angle) and lambda = 1 or -1, found {list(parameters)}"
            )
        self.form = form
        self.parameters = tuple((float(eta), float(zeta), float(sign)) for eta, zeta, sign in parameters)
        self.cutoff = cutoff
        # Many functions share an eta, or a zeta and lambda: each is evaluated once.
        self._etas = sorted({eta for eta, _, _ in self.parameters})
        self._shapes = sorted({(zeta, sign) for _, zeta, sign in self.parameters})
        self._eta_of = [self._etas.index(eta) for eta, _, _ in self.parameters]
        self._shape_of = [self._shapes.index((zeta, sign)) for _, zeta, sign in self.parameters]

    @property
    def closed(self) -> bool:
        """Whether the two neighbours must be within the cutoff of each other."""
        return self.form == "G4"

    def values(self, triplets: Triplets) -> Tensor:
        """G (n_triplets, n_angular) of `triplets`; differentiable."""
        f = self.cutoff.value(triplets.r_p) * self.cutoff.value(triplets.r_q)  # (n_triplets,)
        f = f * self.cutoff.value(triplets.r_jk) if self.closed else f
        angles = torch.stack([2.0 * _half_angle(triplets, sign) ** zeta for zeta, sign in self._shapes], dim=1)
        return angles[:, self._shape_of] * (self._gaussians(triplets) * f[:, None])[:, self._eta_of]

    def factors(self, triplets: Triplets) -> Tensor:
        """What `vectors` must be multiplied by: dG/dr_p = sum_d factors_d vectors_d, three terms d by the chain rule.

        Parameters
        ----------
        triplets : Triplets

        Returns
        -------
        Tensor, shape (n_triplets, 3, n_angular)
            With E the Gaussian and A the angular factor: A E, eta A E, dA/d(cos theta) E.
        """
        lower = [_half_angle(triplets, sign) ** (zeta - 1.0) for zeta, sign in self._shapes]
        angles = [2.0 * _half_angle(triplets, sign) * x for (_, sign), x in zip(self._shapes, lower, strict=True)]
        derivatives = [sign * zeta * x for (zeta, sign), x in zip(self._shapes, lower, strict=True)]
        gaussians = self._gaussians(triplets)[:, self._eta_of]  # (n_triplets, n_angular)
        values = torch.stack(angles, dim=1)[:, self._shape_of] * gaussians
        by_angle = torch.stack(derivatives, dim=1)[:, self._shape_of] * gaussians
        eta = values.new_tensor([eta for eta, _, _ in self.parameters])
        return torch.stack([values, eta * values, by_angle], dim=1)

    def vectors(self, triplets: Triplets) -> Tensor:
        """Gradients in r_p that all functions of a triplet share.

        Parameters
        ----------
        triplets : Triplets
            For the gradients in r_q give `triplets.swapped()`.

        Returns
        -------
        Tensor, shape (n_triplets, 3, 3)
            Row d: of the cutoff functions' product f; f times that of the exponent's -sum r^2; f times that of
            cos theta.
        """
        r_p, u_p, u_q = triplets.r_p[:, None], triplets.u_p, triplets.u_q
        f_p, f_q = self.cutoff.value(triplets.r_p), self.cutoff.value(triplets.r_q)
        cutoff_derivative = (self.cutoff.derivative(triplets.r_p) * f_q)[:, None]  # (n_triplets, 1)
        f = (f_p * f_q)[:, None]  # (n_triplets, 1)
        of_squares = -2.0 * r_p * u_p  # (n_triplets, 3)
        of_cutoffs = cutoff_derivative * u_p  # (n_triplets, 3)
        if self.closed:
            f_jk = self.cutoff.value(triplets.r_jk)[:, None]
            # r_jk shrinks as j moves towards k
            of_cutoffs = of_cutoffs * f_jk - f * self.cutoff.derivative(triplets.r_jk)[:, None] * triplets.u_jk
            of_squares = of_squares + 2.0 * triplets.r_jk[:, None] * triplets.u_jk
            f = f * f_jk
        cosine = (u_p * u_q).sum(1, keepdim=True)  # (n_triplets, 1)
        return torch.stack([of_cutoffs, f * of_squares, f * (u_q - cosine * u_p) / r_p], dim=1)

    def _gaussians(self, triplets: Triplets) -> Tensor:
        """exp(-eta sum r^2) for each eta: (n_triplets, n_etas)."""
        squares = triplets.r_p.square() + triplets.r_q.square()  # (n_triplets,)
        squares = squares + triplets.r_jk.square() if self.closed else squares
        return torch.exp(-squares[:, None] * squares.new_tensor(self._etas))


def _half_angle(triplets: Triplets, sign: float) -> Tensor:
    """(1 + sign cos theta) / 2, that is the squared cosine or sine of theta / 2: (n_triplets,)."""
    return 0.25 * (triplets.u_p + sign * triplets.u_q).square().sum(1)


def _sensible(parameters: AngularParameters) -> bool:
    if len(parameters) != 3 or not all(math.isfinite(x) for x in parameters):
        return False
    eta, zeta, sign = parameters
    return eta >= 0.0 and zeta >= 1.0 and sign in (1.0, -1.0)
