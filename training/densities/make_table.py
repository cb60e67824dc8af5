"""Make the density table gth-pbe.gpsp: valence densities of spherical pseudo-atoms (PBE, GTH) as sums of Gaussians.

For each element: a Kohn-Sham atom (PBE, the default `gth-pbe` pseudopotential of PySCF, an even-tempered basis,
spherical occupations), its radial density on a grid, and a fit with as few Gaussians as reach the tolerance.

    python training/densities/make_table.py --output mliap_hybrid/features/tables/gth-pbe.gpsp [--elements H O Na]

prints how good each fit is; `--document docs/densities.md` also puts these lines into that file, between its two marks.
Needs PySCF (`pip install mliap_hybrid[labels]`).
"""

from __future__ import annotations

import argparse
import math
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyscf
from ase.data import atomic_numbers, chemical_symbols
from pyscf import gto
from pyscf.dft import numint
from pyscf.pbc.gto import pseudo
from pyscf.scf import atom_ks
from scipy.integrate import simpson
from scipy.optimize import least_squares

sys.path.insert(0, str(Path(__file__).parents[2]))
from mliap_hybrid.features.density import DensityTable, PseudoDensity
from mliap_hybrid.features.density_files import write_gpsp
from mliap_hybrid.units import BOHR

PSEUDOPOTENTIAL = "gth-pbe"
# Even-tempered exponents alpha = start * ratio^k in 1/bohr^2: (start, ratio, number) for s, p, d, f.
BASIS = ((0.012, 1.75, 17), (0.02, 1.75, 14), (0.04, 1.8, 12), (0.15, 1.9, 9))
RADII = np.linspace(0.0, 12.0, 1201)  # Å
INTEGRAL_TOLERANCE = 0.005  # integral |delta rho| / N at which no further Gaussian is added
MAX_PRIMITIVES = 7
MIN_RATIO = 1.5  # between neighbouring exponents; closer pairs would nearly cancel
MAX_CHARGE_SUM = 3.0  # sum_g |q_g| / N
EXPONENTS = (0.05, 100.0)  # range of beta, 1/Å^2

HEADER = """\
| Z | element | valence (s p d f) | N | count error | integral abs. error / N | sum of abs. q / N | primitives |
|---|---|---|---|---|---|---|---|"""
MARKS = ("<!-- fits: begin -->", "<!-- fits: end -->")


class SphericalAtom(atom_ks.AtomSphericAverageRKS):
    """Kohn-Sham atom whose valence electrons are spread evenly over the m of each l.

    PySCF's own occupations count all electrons of the element; here `valence[l]` electrons fill the lowest shells.
    """

    def __init__(self, mol: gto.Mole, valence: list[int]) -> None:
        super().__init__(mol)
        self.valence = valence

    def get_occ(self, mo_energy=None, mo_coeff=None):
        """Occupations (n_orbitals,), in the order of `eig`: l by l, energies ascending."""
        occupations = []
        for l_, (_, _, n_shells) in enumerate(BASIS[: len(self.valence)]):
            electrons = float(self.valence[l_])
            for _ in range(n_shells):
                in_shell = min(electrons, 2.0 * (2 * l_ + 1))
                occupations += [in_shell / (2 * l_ + 1)] * (2 * l_ + 1)
                electrons -= in_shell
        return np.array(occupations)


@dataclass(frozen=True)
class Fit:
    """A fitted density and how good it is."""

    density: PseudoDensity
    count_error: float
    integral_error: float
    charge_sum: float


def atom_density(symbol: str) -> tuple[np.ndarray, list[int]]:
    """Radial density of a spherical atom.

    Parameters
    ----------
    symbol : str

    Returns
    -------
    density : array, shape (n_radii,), e/Å^3
        On `RADII`.
    valence : list of int
        Number of valence electrons of each l.
    """
    valence = [int(n) for n in pseudo.load(PSEUDOPOTENTIAL, symbol)[0]]
    basis = [
        [l_, [start * ratio**k, 1.0]]
        for l_, (start, ratio, number) in enumerate(BASIS[: len(valence)])
        for k in range(number)
    ]
    mol = gto.M(atom=f"{symbol} 0 0 0", basis=basis, pseudo=PSEUDOPOTENTIAL, spin=sum(valence) % 2, verbose=0)
    atom = SphericalAtom(mol, valence)
    atom.xc = "pbe,pbe"
    atom.grids.atom_grid = (150, 110)
    atom.grids.prune = None
    atom.init_guess = "1e"
    atom.conv_tol = 1e-10
    atom.max_cycle = 200
    atom.kernel()
    if not atom.converged:
        atom.damp, atom.level_shift = 0.5, 0.3
        atom.kernel(atom.make_rdm1())
    if not atom.converged:
        raise RuntimeError(f"the atom {symbol} did not converge")
    points = np.zeros((len(RADII), 3))
    points[:, 2] = RADII / BOHR
    orbitals = numint.eval_ao(mol, points)
    density = np.einsum("rp,pq,rq->r", orbitals, atom.make_rdm1(), orbitals)
    return density / BOHR**3, valence


def fit_gaussians(density: np.ndarray, n_electrons: int) -> Fit:
    """Fit a radial density with the fewest Gaussians that reach the tolerance.

    The radial distribution 4 pi r^2 rho is fitted by least squares: exponents by a trust-region search from several
    starts, amplitudes linearly within it, the number of electrons exactly.

    Parameters
    ----------
    density : array, shape (n_radii,), e/Å^3
    n_electrons : int

    Returns
    -------
    Fit
        The best within the bounds on exponents and on sum |q_g|.
    """
    # Electrons outside the grid, and quadrature errors, are made up for by scaling: the count is exact.
    density = density * n_electrons / simpson(4.0 * math.pi * RADII**2 * density, x=RADII)
    best: Fit | None = None
    for n_primitives in range(2, MAX_PRIMITIVES + 1):
        starts = [np.geomspace(low, high, n_primitives) for low in (0.1, 0.2, 0.4) for high in (3.0, 10.0, 40.0)]
        if best is not None:  # one Gaussian more than the best so far
            beta = best.density.exponents
            starts += [np.sort(np.append(beta, new)) for new in (*np.sqrt(beta[1:] * beta[:-1]), 2.5 * beta[-1])]
        for start in starts:
            fit = _fit(density, n_electrons, start)
            allowed = fit.charge_sum <= MAX_CHARGE_SUM * n_electrons and fit.density.exponents.max() <= EXPONENTS[1]
            if allowed and (best is None or fit.integral_error < best.integral_error):
                best = fit
        if best is not None and best.integral_error < INTEGRAL_TOLERANCE:
            break
    if best is None:
        raise RuntimeError("no fit keeps its exponents and sum |q_g| within their bounds")
    return best


def _fit(density: np.ndarray, n_electrons: int, start: np.ndarray) -> Fit:
    distribution = 4.0 * math.pi * RADII**2 * density  # e/Å
    # Weighted so that diffuse outer shells count beside a dense semicore.
    radial = 4.0 * math.pi * RADII**2 / np.sqrt(distribution + 0.03 * distribution.max())

    def unit_charges(beta: np.ndarray) -> np.ndarray:
        """Weighted radial distribution (n_radii, n_primitives) of Gaussians of charge one."""
        return radial[:, None] * (beta / math.pi) ** 1.5 * np.exp(-beta * RADII[:, None] ** 2)

    def solve(beta: np.ndarray) -> np.ndarray:
        """Charges that minimise the residual with sum q_g = N, by elimination of the last one."""
        shapes = unit_charges(beta)
        target = radial * density - n_electrons * shapes[:, -1]
        charges = np.linalg.lstsq(shapes[:, :-1] - shapes[:, -1:], target, rcond=None)[0]
        return np.append(charges, n_electrons - charges.sum())

    def residual(parameters: np.ndarray) -> np.ndarray:
        beta = np.exp(np.cumsum(parameters))
        charges = solve(beta)
        too_large = max(0.0, np.abs(charges).sum() / n_electrons - 0.95 * MAX_CHARGE_SUM)
        too_sharp = max(0.0, math.log(beta[-1] / (0.95 * EXPONENTS[1])))
        penalties = 20.0 * n_electrons * np.array([too_large, too_sharp])
        return np.append(unit_charges(beta) @ charges - radial * density, penalties)

    # Parameters: logarithms of the first exponent and of the ratios between neighbours.
    lower = np.log([EXPONENTS[0]] + [MIN_RATIO] * (len(start) - 1))
    upper = np.log([EXPONENTS[1]] + [50.0] * (len(start) - 1))
    parameters = np.clip(np.diff(np.log(start), prepend=0.0), lower + 1e-6, upper - 1e-6)
    found = least_squares(residual, parameters, bounds=(lower, upper), max_nfev=100)
    beta = np.exp(np.cumsum(found.x))
    charges = solve(beta)
    fitted = PseudoDensity(charges * (beta / math.pi) ** 1.5, beta)
    difference = simpson(4.0 * math.pi * RADII**2 * np.abs(fitted(RADII) - density), x=RADII)
    return Fit(
        density=fitted,
        count_error=abs(fitted.n_electrons - n_electrons) / n_electrons,
        integral_error=float(difference / n_electrons),
        charge_sum=float(np.abs(charges).sum()),
    )


def replace_between_marks(document: Path, lines: str) -> None:
    """Put `lines` between the two `MARKS` of a Markdown file, instead of what is there."""
    before, _, rest = document.read_text(encoding="utf-8").partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    document.write_text(f"{before}{MARKS[0]}\n{lines}\n{MARKS[1]}{after}", encoding="utf-8")


def main() -> None:
    """Make the table and print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--document", type=Path, help="Markdown file to put the lines into")
    parser.add_argument("--elements", nargs="+", default=chemical_symbols[1:87], metavar="SYMBOL")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="pyscf")

    if arguments.document is not None and not all(mark in arguments.document.read_text() for mark in MARKS):
        parser.error(f"{arguments.document}: expected the marks {' and '.join(MARKS)}, each on a line of its own")

    densities: dict[int, PseudoDensity] = {}
    valences, rows = [], [HEADER]
    print(HEADER)
    for symbol in arguments.elements:
        density, valence = atom_density(symbol)
        n_electrons = sum(valence)
        fit = fit_gaussians(density, n_electrons)
        densities[atomic_numbers[symbol]] = fit.density
        valences.append(f"{symbol}:{n_electrons}")
        rows.append(
            f"| {atomic_numbers[symbol]} | {symbol} | {' '.join(map(str, valence))} | {n_electrons} "
            f"| {fit.count_error:.0e} | {100 * fit.integral_error:.2f} % | {fit.charge_sum / n_electrons:.2f} "
            f"| {len(fit.density.exponents)} |"
        )
        print(rows[-1], flush=True)
    comments = [
        "Valence densities of spherical PBE atoms, sums of Gaussians B exp(-beta r^2): B in e/A^3, beta in 1/A^2",
        f"{PSEUDOPOTENTIAL} pseudopotentials of PySCF {pyscf.__version__}; made by training/densities/make_table.py",
    ]
    for k in range(0, len(valences), 12):
        comments.append("valence electrons: " + " ".join(valences[k : k + 12]))
    write_gpsp(arguments.output, DensityTable(arguments.output.stem, densities), comments)
    if arguments.document is not None:
        replace_between_marks(arguments.document, "\n".join(rows))


if __name__ == "__main__":
    main()
