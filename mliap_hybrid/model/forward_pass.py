"""A model with predicted charges, stopped half way: energies and charges are there, their gradient waits.

The charges decide the long-range energy, and how that changes with each raw charge is known only when it is solved, be
it by LAMMPS on all processors. Energy and raw charge of an atom depend on the vectors of its own pairs alone, so the
derivatives of both can be had before, and their sum after:

    dE/dr_p = dE_i/dr_p + (dE/draw_i) draw_i/dr_p,      i the centre of p
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class ForwardPass:
    """Energies and raw charges of centres, and how they change with the pair vectors; all float64."""

    energies: Tensor
    """(n_centres,) eV: all local terms."""
    charges: Tensor
    """(n_centres,) e: raw numbers of the charge network, for `ChargeModel.charges`."""
    energy_slopes: Tensor
    """(n_pairs, 3) eV/Å: dE_i/dr_p of all local terms."""
    charge_slopes: Tensor
    """(n_pairs, 3) e/Å: draw_i/dr_p."""
    pair_i: Tensor
    """(n_pairs,) int64: centre of each pair."""

    def gradient(self, response: Tensor) -> Tensor:
        """dE/dr_p of the local energies and, through the raw charges, of the long-range energy.

        Parameters
        ----------
        response : Tensor, shape (n_centres,), eV/e
            dE/draw_i, as `ChargeModel.response` gives it; zeros leave the long-range energy out.

        Returns
        -------
        Tensor, shape (n_pairs, 3), float64, eV/Å
        """
        of_pairs = response.to(self.charge_slopes.dtype).index_select(0, self.pair_i)  # (n_pairs,)
        return self.energy_slopes + of_pairs[:, None] * self.charge_slopes
