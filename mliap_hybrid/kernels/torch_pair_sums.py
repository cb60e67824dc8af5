"""Forces and virials from pair gradients in torch: the definition, for any device."""

from __future__ import annotations

from torch import Tensor


class TorchPairSums:
    """As `PairSums` (backend.py): f_i = sum_(p of i) g_p - sum_(p to i) g_p and W = -sum_p r_p (x) g_p."""

    def __init__(
        self, pair_i: Tensor, pair_j: Tensor, pair_vectors: Tensor, structure_of_atom: Tensor, n_structures: int
    ):
        """Take the pairs; arguments as `Backend.pair_sums`."""
        self.pair_i, self.pair_j, self.pair_vectors = pair_i, pair_j, pair_vectors.detach()
        self.structure_of_pair = structure_of_atom.index_select(0, pair_i)  # (n_pairs,)
        self.n_atoms, self.n_structures = len(structure_of_atom), n_structures

    def __call__(self, gradients: Tensor) -> tuple[Tensor, Tensor]:
        """Forces (n_atoms, 3) and virials (n_structures, 3, 3) from pair gradients (n_pairs, 3)."""
        forces = gradients.new_zeros(self.n_atoms, 3)
        forces = forces.index_add(0, self.pair_i, gradients).index_add(0, self.pair_j, -gradients)
        of_pairs = -self.pair_vectors[:, :, None] * gradients[:, None]  # (n_pairs, 3, 3), the better precision
        virials = of_pairs.new_zeros(self.n_structures, 3, 3).index_add(0, self.structure_of_pair, of_pairs)
        return forces, virials.to(gradients.dtype)
