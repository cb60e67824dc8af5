"""Terms between molecules in LAMMPS: the numbers of Python by molecule IDs, and clear words where that cannot be."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from lammps_runs import run, run_well

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.none import NoFeatures
from mliap_hybrid.lammps.check import check_models
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.parameters import ElementParameter
from mliap_hybrid.model.term_section import MadeTerm, TermContext
from mliap_hybrid.model.terms.baseline import Baseline
from mliap_hybrid.model.terms.charge_penetration import ChargePenetrationSettings
from mliap_hybrid.model.terms.electrostatics import Electrostatics
from mliap_hybrid.model.terms.exchange_repulsion import ExchangeRepulsionSettings
from mliap_hybrid.testing.models import (
    charge_predicting_model,
    molecules_in_a_box,
    sodium_chloride_model,
    with_term,
)

CUTOFF = 5.0

NACL = {
    "exchange_repulsion": {"strength": {"Na": 60.0, "Cl": 90.0}, "exponent": {"Na": 2.1, "Cl": 2.9}},
    "charge_penetration": {"valence": {"Na": 1.0, "Cl": 7.0}, "exponent": {"Na": 2.1, "Cl": 2.9}},
}
"""Parameters of terms of sodium chloride."""


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


def sodium_chloride(term: str, source: str, charges: str, environment: str) -> HybridModel:
    """A model with a term between molecules.

    Parameters
    ----------
    term : str
    source : str
        constant or predicted: of its parameters.
    charges : str
        none, fixed or predicted.
    environment : str
        What networks see.
    """
    model = charge_predicting_model("increments") if charges == "predicted" else None
    model = model or sodium_chloride_model(*([None] if charges == "none" else []))
    sections = {"exchange_repulsion": ExchangeRepulsionSettings, "charge_penetration": ChargePenetrationSettings}
    hidden = {"hidden": [8]} if source == "predicted" else {}
    settings = sections[term](coefficients=source, pairs="between_molecules", **NACL[term], **hidden)
    charge = model.parameter("charge")
    made = {} if charge is None else {"electrostatics": MadeTerm(model.term(Electrostatics), (charge,))}
    return with_term(model, settings.make(TermContext(model.elements, model.cutoff, made=made)), environment)


CASES = {
    "parameters of all neighbours": ("exchange_repulsion", "predicted", "none", "all"),
    "parameters of the own molecule": ("exchange_repulsion", "predicted", "none", "molecule"),
    "penetration, fixed charges": ("charge_penetration", "constant", "fixed", "all"),
    "penetration, charges of the own molecule": ("charge_penetration", "predicted", "predicted", "molecule"),
}


@pytest.mark.mpi
def test_any_number_of_ranks_says_what_python_says(tmp_path):
    """Of molecules across the ends of the box, with ranks that have no atoms; charges by the exact sum."""
    models = {name: sodium_chloride(*case) for name, case in CASES.items()}
    paths = [tmp_path / f"{number}.pt" for number in range(len(CASES))]
    for path, model in zip(paths, models.values(), strict=True):
        export_model(model, path, coulomb_engine="exact", allow_small_box=True)
    atoms = molecules_in_a_box()
    compared = check_models([(path, atoms) for path in paths], ranks=(1, 2, 4))
    for name, rows in zip(models, compared, strict=True):
        exact = [row for row in rows if "PPPM" not in row.what]
        assert len(exact) >= 12
        assert all(row.ok for row in rows), (name, [row for row in rows if not row.ok])
    batch = frame_to_batch(atoms, 4.5)
    together = Evaluator(models["penetration, charges of the own molecule"]).total(batch.geometry())
    assert together.contributions["charge_penetration"].energies.abs().max() > 0.1


@pytest.mark.mpi
def test_a_molecule_beyond_the_cutoff_is_refused(tmp_path):
    """Of a run, by the rank that sees it; the second is eight atoms long."""
    model = sodium_chloride("charge_penetration", "predicted", "predicted", "molecule")
    export_model(model, tmp_path / "model.pt", coulomb_engine="exact", allow_small_box=True)
    atoms = molecules_in_a_box()
    atoms.set_array("molecule", np.array([1, 1, *[2] * 8, 3, 3, 4, 4, 5, 5]))
    with pytest.raises(InputError, match=r"the molecule of atom \d+ reaches farther than the cutoff of 4.5 Å"):
        Evaluator(model).predict(frame_to_batch(atoms, model.cutoff))
    with pytest.raises(InputError, match=r"reaches farther than the cutoff of 4.5 Å.* molecule IDs of their own"):
        check_models([(tmp_path / "model.pt", atoms)], ranks=(2,))


@pytest.mark.mpi
def test_a_run_without_molecules_is_refused(tmp_path):
    export_model(model(), tmp_path / "model.pt")
    done = run(tmp_path, lines(tmp_path, water_box(), "atomic"), 1)
    assert done.status != 0
    assert "use an atom style with molecule IDs" in done.text
    assert "Traceback" not in done.text
