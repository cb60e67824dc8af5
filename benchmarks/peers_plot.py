"""Force error against cost, one panel for each system."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt


def points(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """System -> peer -> quantity -> value, of what was run."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        system, peer, quantity = row["what"].split(" | ")
        if row["value"] is not None:
            found.setdefault(system, {}).setdefault(peer, {})[quantity] = row["value"]
    return found


def plot(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """Write the picture; this package's points are filled, those of others are not."""
    of_systems = points(rows)
    figure, axes = plt.subplots(1, len(of_systems), figsize=(5.0 * len(of_systems), 4.2), squeeze=False)
    for axis, (system, of_peers) in zip(axes[0], of_systems.items(), strict=True):
        for peer, values in of_peers.items():
            ours = peer.startswith("ours")
            colour = "tab:red" if ours else "tab:blue"
            place = (values["cost"], values["force MAE"])
            axis.plot(*place, "o", color=colour, markerfacecolor=colour if ours else "none")
            axis.annotate(peer, place, xytext=(4, 3), textcoords="offset points", fontsize=7)
        axis.set(xscale="log", yscale="log", title=system, xlabel="µs/atom/step, one core")
        axis.margins(x=0.25, y=0.12)
    axes[0][0].set_ylabel("force error (MAE), meV/Å")
    figure.tight_layout()
    figure.savefig(file, dpi=120)
    plt.close(figure)
