"""`info --explain` and `plot dimer`, as a user meets them: tables, pictures, or one line that says what is wrong."""

import json

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.io import write
from verbs import run

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.features.none import NoFeatures
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.parameters import ElementParameter
from mliap_hybrid.model.term_section import TermContext
from mliap_hybrid.model.terms.baseline import Baseline
from mliap_hybrid.model.terms.dispersion import DispersionSettings
from mliap_hybrid.model.terms.exchange_repulsion import ExchangeRepulsionSettings
from mliap_hybrid.report.dimer_scan import dimer_figure, scan_point
from mliap_hybrid.units import KCAL_PER_MOL

CUTOFF = 8.0


def model() -> HybridModel:
    context = TermContext((1, 8), CUTOFF)
    between = {"coefficients": "constant", "pairs": "between_molecules"}
    made = [settings(**between).make(context) for settings in (ExchangeRepulsionSettings, DispersionSettings)]
    baseline = ElementParameter("baseline", "eV", torch.zeros(2, dtype=torch.float64))
    parameters = [baseline, *(parameter for each in made for parameter in each.parameters)]
    return HybridModel(NoFeatures([1, 8], CUTOFF), [Baseline(), *(each.term for each in made)], parameters).double()


def dimer(distance: float) -> Atoms:
    one, other = molecule("H2O"), molecule("H2O")
    other.translate([distance, 0.0, 0.0])
    return one + other


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model, and a scan with labels that are off by 10 meV in the exchange and right in the dispersion."""
    export_model(model(), tmp_path / "model.pt")
    frames, evaluator = [], Evaluator(model())
    for distance in (3.4, 2.8, 5.0):
        atoms = dimer(distance)
        found = evaluator.predict(frame_to_batch(atoms, CUTOFF), ["exchange_energy", "dispersion_energy"])
        parts = {name: float(values[0]) for name, values in found.others.items()}
        atoms.info |= {"ex": parts["exchange_energy"] + 0.01, "disp": parts["dispersion_energy"], "scan": "a"}
        frames.append(atoms)
    frames[2].info["scan"] = "b"
    write(tmp_path / "scan.extxyz", frames)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_structure_is_explained(folder, monkeypatch, capsys):
    options = "--explain scan.extxyz --index 1 --unit kcal/mol --json e.json --plot p.png"
    status, text, errors = run(monkeypatch, capsys, "info", "model.pt", *options.split())
    assert (status, errors) == (0, "")
    written = json.loads((folder / "e.json").read_text())
    energies = written["interactions"]["energies"]
    expected = float(Evaluator(model()).predict(frame_to_batch(dimer(2.8), CUTOFF)).energies[0])
    assert sum(energies.values()) == pytest.approx(expected, rel=1e-12)
    assert f"{energies['dispersion'] / KCAL_PER_MOL:.6f}" in text
    assert "| 1 - 2" in text
    assert [row["element"] for row in written["parameters"][:2]] == ["H", "O"]
    assert (folder / "p.png").stat().st_size > 10_000


def test_a_scan_is_drawn_beside_its_labels(folder, monkeypatch, capsys):
    keys = ("--exchange-energy-key", "ex", "--dispersion-energy-key", "disp", "--unit", "meV")
    status, text, errors = run(monkeypatch, capsys, "plot", "dimer", "model.pt", "scan.extxyz", "-o", "p.png", *keys)
    assert (status, errors) == (0, "")
    rows = {line.split("|")[1].strip(): line.split("|")[2:5] for line in text.splitlines() if line.startswith("|")}
    assert [float(cell) for cell in rows["exchange"]] == pytest.approx([3, 10.0, 10.0])
    assert float(rows["dispersion"][1]) < 1e-6
    assert "wrote p.png: 3 dimers" in text
    assert (folder / "p.png").stat().st_size > 20_000
    arguments = ("-o", "p.pdf", "--by", "scan", *keys)
    assert run(monkeypatch, capsys, "plot", "dimer", "model.pt", "scan.extxyz", *arguments)[0] == 0


def test_lines_are_the_model_and_circles_the_labels():
    """In order of the distance, of centres of mass, in the unit that is asked for."""
    evaluator, points = Evaluator(model()), []
    for distance in (4.0, 3.0):
        batch = frame_to_batch(dimer(distance), CUTOFF).with_labels(exchange_energy=torch.tensor([0.3]).double())
        points.append(scan_point(evaluator, batch))
    left, right = dimer_figure({"": points}, 1e-3, "meV").axes
    exchange, circles, dispersion = left.lines[:3]
    np.testing.assert_allclose(exchange.get_xdata(), [3.0, 4.0], atol=1e-12)
    np.testing.assert_allclose(circles.get_ydata(), 300.0)
    total = float(evaluator.predict(frame_to_batch(dimer(4.0), CUTOFF)).energies[0])
    assert exchange.get_ydata()[1] + dispersion.get_ydata()[1] == pytest.approx(1e3 * total, rel=1e-12)
    assert right.lines[0].get_ydata()[1] == pytest.approx(1e3 * total, rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "model.pt", "--json", "e.json"], "--json goes with --explain STRUCTURE"),
        (["info", "model.pt", "--explain", "scan.extxyz", "--index", "3"], "has 3 frames; expected 0 to 2"),
        (["info", "model.pt", "--explain", "scan.extxyz", "--unit", "kcal"], "unknown energy unit 'kcal'"),
        (["info", "model.pt", "--explain", "scan.extxyz", "--plot", "p.gif"], "expected a name that ends in"),
        (["info", "model.pt", "--explain", "carbon.extxyz"], "the model knows no element C"),
        (["plot", "dimer", "model.pt", "water.extxyz", "-o", "p.png"], "expected two molecules"),
        (["plot", "dimer", "model.pt", "scan.extxyz", "-o", "p.png", "--by", "scam"], "did you mean 'scan'"),
        (["plot", "dimer", "model.pt", "scan.extxyz", "-o", "p.png", "--energy-key", "e"], "no entry 'e'"),
    ],
)
def test_mistakes(folder, monkeypatch, capsys, arguments, message):
    write("water.extxyz", molecule("H2O"))
    write("carbon.extxyz", molecule("CO2"))
    status, _, errors = run(monkeypatch, capsys, *arguments)
    assert status == 1
    assert message in errors
    assert "Traceback" not in errors
