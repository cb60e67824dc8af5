"""Run a verb as a user does, in this process."""

from __future__ import annotations

import sys

import pytest

from mliap_hybrid.cli import main as module


def run(monkeypatch, capsys, *arguments):
    """Exit status, standard output and standard error of `mliap-hybrid arguments`."""
    monkeypatch.setattr(sys, "argv", ["mliap-hybrid", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        module.main()
    captured = capsys.readouterr()
    return caught.value.code or 0, captured.out, captured.err
