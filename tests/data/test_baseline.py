"""Element energies: exact where determined, of least norm where not."""

import logging

import torch
from ase import Atoms

from mliap_hybrid.data.baseline import compositions, fit_baseline, warn_if_degenerate
from mliap_hybrid.data.reading import frame_to_batch


def batches(*formulas):
    return [frame_to_batch(Atoms(f, positions=[[3.0 * i, 0, 0] for i in range(len(Atoms(f)))]), 2.0) for f in formulas]


def test_compositions_count_atoms():
    counts = compositions(batches("Na2Cl", "ClNa"), (11, 17))
    assert counts.tolist() == [[2.0, 1.0], [1.0, 1.0]]


def test_energies_that_are_sums_are_found():
    counts = compositions(batches("Na2Cl", "NaCl", "NaCl3"), (11, 17))
    true = torch.tensor([-3.0, 2.0], dtype=torch.float64)
    torch.testing.assert_close(fit_baseline(counts, counts @ true), true)


def test_degenerate_compositions_share_the_energy(caplog):
    counts = compositions(batches("NaCl", "Na2Cl2"), (11, 17))
    found = fit_baseline(counts, counts @ torch.tensor([-3.0, 2.0], dtype=torch.float64))
    torch.testing.assert_close(found, torch.tensor([-0.5, -0.5], dtype=torch.float64))
    with caplog.at_level(logging.INFO):
        warn_if_degenerate(counts)
    assert "determine 1 of 2 element energies" in caplog.text
    caplog.clear()
    warn_if_degenerate(compositions(batches("NaCl", "Na2Cl"), (11, 17)))
    assert not caplog.text
