"""The printed block: what LAMMPS needs, in the order of the user's types; and the checks of a run's box."""

import numpy as np
import pytest

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import ewald_splitting, potential_block
from mliap_hybrid.lammps.run_checks import perpendicular_widths
from mliap_hybrid.testing.models import charge_predicting_model, sodium_chloride_model


def test_charged_model(tmp_path):
    manifest = export_model(sodium_chloride_model(), tmp_path / "m.pt")
    lines = potential_block(manifest, "m.pt", ["Cl", "Na", "Cl"], accuracy=1e-6, coulomb_cutoff=8.0).splitlines()
    words = [line.split() for line in lines if not line.startswith("#")]
    assert words[0] == ["pair_style", "hybrid/overlay", "mliap", "unified", "m.pt", "0", "coul/long", "8.0"]
    assert words[1] == ["pair_coeff", "*", "*", "mliap", "Cl", "Na", "Cl"]
    assert words[2] == ["pair_coeff", "*", "*", "coul/long"]
    assert words[3] == ["kspace_style", "pppm", "1e-06"]
    assert words[-3:] == [["set", "type", str(t), "charge", q] for t, q in ((1, "-0.8"), (2, "0.8"), (3, "-0.8"))]
    # The real-space part must have died out at the cutoff.
    assert np.exp(-((ewald_splitting(1e-6, 8.0) * 8.0) ** 2)) < 1e-6


def test_model_without_charges_needs_no_kspace(tmp_path):
    manifest = export_model(sodium_chloride_model(charges=None), tmp_path / "m.pt")
    block = potential_block(manifest, "m.pt")
    assert "mliap unified m.pt 0" in block
    assert "kspace" not in block
    assert "charge" not in block


@pytest.mark.parametrize(("engine", "has_kspace"), [("kspace", True), ("exact", False)])
def test_predicted_charges_need_neither_charges_nor_a_second_pair_style(tmp_path, engine, has_kspace):
    manifest = export_model(charge_predicting_model(), tmp_path / "m.pt", coulomb_engine=engine)
    block = potential_block(manifest, "m.pt")
    assert "pair_style      mliap unified m.pt 0\n" in block
    assert "charge" not in block
    assert ("kspace_style" in block) == has_kspace
    if has_kspace:  # the real-space part ends at the cutoff of the model
        assert f"gewald {ewald_splitting(1e-5, 4.5):.4f}" in block


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"elements": ["Na", "cl"]}, "did you mean 'Cl'"),
        ({"kspace": "pmm"}, "unknown k-space solver"),
        ({"accuracy": 0.0}, "accuracy"),
        ({"coulomb_cutoff": -1.0}, "cutoff"),
    ],
)
def test_mistakes(tmp_path, options, message):
    manifest = export_model(sodium_chloride_model(), tmp_path / "m.pt")
    with pytest.raises(InputError, match=message):
        potential_block(manifest, "m.pt", **options)


def test_widths_of_a_sheared_box_are_smaller_than_its_edges():
    cell = np.array([[10.0, 0.0, 0.0], [10.0, 10.0, 0.0], [0.0, 0.0, 7.0]])
    np.testing.assert_allclose(perpendicular_widths(cell), [10.0 / np.sqrt(2.0), 10.0, 7.0])
