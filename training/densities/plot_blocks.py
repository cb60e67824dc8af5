"""Draw the densities of a table, one picture for each block of the periodic table: densities_{s,p,d,f}.png.

python training/densities/plot_blocks.py docs/images [--table gth-pbe]
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import matplotlib
import numpy as np
from ase.data import atomic_numbers
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).parents[2]))
from mliap_hybrid.features.density import DensityTable
from mliap_hybrid.features.density_files import load_table
from mliap_hybrid.features.pictures import STYLE, visible_radius

# One row of the periodic table in each string. Lanthanum opens the f block and lutetium ends the d block.
BLOCKS = {
    "s": ("H He", "Li Be", "Na Mg", "K Ca", "Rb Sr", "Cs Ba"),
    "p": ("B C N O F Ne", "Al Si P S Cl Ar", "Ga Ge As Se Br Kr", "In Sn Sb Te I Xe", "Tl Pb Bi Po At Rn"),
    "d": ("Sc Ti V Cr Mn Fe Co Ni Cu Zn", "Y Zr Nb Mo Tc Ru Rh Pd Ag Cd", "Lu Hf Ta W Re Os Ir Pt Au Hg"),
    "f": ("La Ce Pr Nd Pm Sm Eu", "Gd Tb Dy Ho Er Tm Yb"),
}


def draw_block(table: DensityTable, rows: tuple[str, ...], title: str) -> Figure:
    """One panel for each row: 4 pi r^2 rho(r) of its elements, coloured from left to right in the periodic table."""
    with matplotlib.rc_context(rc=STYLE):
        columns = 2 if len(rows) == 2 else 3
        shape = (math.ceil(len(rows) / columns), columns)
        figure = Figure(figsize=(9.0, 2.9 * shape[0] + 0.3), layout="constrained")
        figure.suptitle(title, fontsize=11)
        panels = figure.subplots(*shape, squeeze=False).flatten()
        for axes, row in zip(panels, rows, strict=False):
            symbols = row.split()
            densities = [table[atomic_numbers[symbol]] for symbol in symbols]
            end = max(visible_radius(density, 0.02) for density in densities)
            radii = np.linspace(0.0, end, 400)
            shades = matplotlib.colormaps["turbo"](np.linspace(0.08, 0.92, len(symbols)))
            for symbol, density, shade in zip(symbols, densities, shades, strict=True):
                label = f"{symbol} {density.n_electrons:.0f}"
                axes.plot(radii, density.radial_distribution(radii), color=shade, label=label)
            axes.set(xlim=(0.0, end), ylim=(0.0, None), xlabel="r (Å)")
            axes.legend(
                title="element, N", title_fontsize=8, fontsize=8, ncols=1 + len(symbols) // 8, labelspacing=0.25
            )
        for axes in panels[::columns]:
            axes.set_ylabel("4π r² ρ(r) (e/Å)")
        for axes in panels[len(rows) :]:
            axes.set_visible(False)
    return figure


def main() -> None:
    """Draw the four pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--table", default="gth-pbe", help="shipped name, .gpsp file or folder of .g files")
    arguments = parser.parse_args()
    table = load_table(arguments.table)
    for block, rows in BLOCKS.items():
        path = arguments.folder / f"densities_{block}.png"
        draw_block(table, rows, f"{block} block").savefig(path, dpi=110)
        print(f"wrote {path} ({path.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main()
