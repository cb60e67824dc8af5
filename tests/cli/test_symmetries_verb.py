"""The verb symmetries: cycles of the group, and one line for each mistake."""

import sys

import ase.io
import pytest
from ase.build import molecule

from mliap_hybrid.cli import main as module
from mliap_hybrid.sgdml.npz import write_gdml_data
from mliap_hybrid.testing.gdml_molecules import ammonia, as_frames


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Exit status, standard output and standard error of `mliap-hybrid symmetries arguments`, run in `tmp_path`."""

    def call(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["mliap-hybrid", "symmetries", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            module.main()
        captured = capsys.readouterr()
        return caught.value.code or 0, captured.out, captured.err

    return call


@pytest.mark.parametrize("name", ["data.xyz", "data.npz"])
def test_ammonia(run, tmp_path, name):
    molecules = ammonia(60, permuted=True)
    if name.endswith("npz"):
        write_gdml_data(tmp_path / name, molecules, "ammonia")
    else:
        ase.io.write(tmp_path / name, [frame.atoms for frame in as_frames(molecules)], format="extxyz")
    status, output, _ = run(name, "--frames", 40)
    assert status == 0
    assert "H3N: 6 permutations, found in 40 frames" in output
    lines = output.splitlines()
    for cycle in ("()", "(H1 H2)", "(H2 H3)", "(H1 H3)", "(H1 H2 H3)", "(H1 H3 H2)"):
        assert cycle in lines


def test_mistakes(run, tmp_path):
    ase.io.write(tmp_path / "mixed.xyz", [molecule("NH3"), molecule("CH4")], format="extxyz")
    for arguments, message in ((("mixed.xyz",), "one molecule"), (("nowhere.xyz",), "does not exist")):
        status, _, errors = run(*arguments)
        assert status == 1
        assert message in errors
        assert "Traceback" not in errors
