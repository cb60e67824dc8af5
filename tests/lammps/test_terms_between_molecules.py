"""Terms between molecules in LAMMPS: the numbers of Python by molecule IDs, and clear words where there are none."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from lammps_runs import run, run_well

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.features.none import NoFeatures
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.parameters import ElementParameter
from mliap_hybrid.model.term_section import TermContext
from mliap_hybrid.model.terms.baseline import Baseline
from mliap_hybrid.model.terms.exchange_repulsion import ExchangeRepulsionSettings

CUTOFF = 5.0


def model() -> HybridModel:
    settings = ExchangeRepulsionSettings(coefficients="constant", pairs="between_molecules")
    made = settings.make(TermContext((1, 8), CUTOFF))
    baseline = ElementParameter("baseline", "eV", torch.zeros(2, dtype=torch.float64))
    return HybridModel(NoFeatures([1, 8], CUTOFF), [Baseline(), made.term], [baseline, *made.parameters]).double()


def water_box() -> Atoms:
    """Eight molecules in a box of 11 Å."""
    atoms, random = Atoms(cell=np.eye(3) * 11.0, pbc=True), np.random.default_rng(0)
    for place in np.ndindex(2, 2, 2):
        one = molecule("H2O")
        one.euler_rotate(*random.uniform(0.0, 360.0, 3))
        one.translate(3.2 * np.array(place) + 1.0)
        atoms += one
    atoms.wrap()
    return atoms


def lines(folder: Path, atoms: Atoms, style: str) -> str:
    """An input, with its data file in the folder."""
    written = ["water", "", f"{len(atoms)} atoms", "2 atom types", ""]
    written += [f"0.0 11.0 {axis}lo {axis}hi" for axis in "xyz"] + ["", "Atoms", ""]
    for k, (z, position) in enumerate(zip(atoms.numbers, atoms.positions, strict=True)):
        of_molecule = f" {k // 3 + 1}" if style == "bond" else ""
        written.append(f"{k + 1}{of_molecule} {1 if z == 1 else 2} " + " ".join(f"{x:.17g}" for x in position))
    (folder / "data").write_text("\n".join(written) + "\n")
    bonds = "bond_style none\n" if style == "bond" else ""
    return (
        f"units metal\natom_style {style}\natom_modify map array\nread_data data\n{bonds}"
        "mass 1 1.008\nmass 2 15.999\npair_style mliap unified model.pt 0\npair_coeff * * H O\n"
        "dump f all custom 1 atoms.dump id fx fy fz\ndump_modify f sort id format float %.17g\n"
        "thermo_modify format float %.17g\nrun 0\n"
    )


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [None, 2])
def test_lammps_says_what_python_says(tmp_path, ranks):
    export_model(model(), tmp_path / "model.pt")
    atoms = water_box()
    done = run_well(tmp_path, lines(tmp_path, atoms, "bond"), ranks)
    atoms.set_array("molecule", np.arange(24) // 3 + 1)
    expected = Evaluator(model()).predict(frame_to_batch(atoms, CUTOFF))
    assert done.thermo[0]["E_pair"] == pytest.approx(float(expected.energies[0]), abs=1e-9)
    frame = done.frames()[0]
    found = np.stack([frame["fx"], frame["fy"], frame["fz"]], axis=1)
    np.testing.assert_allclose(found, expected.forces, atol=1e-9)
    assert float(expected.energies[0]) > 0.05


@pytest.mark.mpi
def test_a_run_without_molecules_is_refused(tmp_path):
    export_model(model(), tmp_path / "model.pt")
    done = run(tmp_path, lines(tmp_path, water_box(), "atomic"), 1)
    assert done.status != 0
    assert "use an atom style with molecule IDs" in done.text
    assert "Traceback" not in done.text
