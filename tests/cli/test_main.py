"""The command without a verb."""

import sys

import pytest

from mliap_hybrid.cli import main as module
from mliap_hybrid.version import __version__


def test_version(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mliap-hybrid", "--version"])
    with pytest.raises(SystemExit) as caught:
        module.main()
    assert not caught.value.code
    assert capsys.readouterr().out == f"mliap_hybrid {__version__}\n"
