"""Points that edges join to groups."""

from __future__ import annotations

import numpy as np


def joined(n_points: int, edges: np.ndarray) -> tuple[int, np.ndarray]:
    """Number of groups that edges (n_edges, 2) join points to, and the group of each point (n_points,)."""
    from scipy.sparse import coo_array  # takes a while to import, which few runs need
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(edges), dtype=np.int8), (edges[:, 0], edges[:, 1])), shape=(n_points, n_points))
    return connected_components(graph, directed=False)
