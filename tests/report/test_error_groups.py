"""Force angles, and errors of elements and kinds of frames, against numbers that can be done by hand."""

import math

import numpy as np
import pytest

from mliap_hybrid.report.error_groups import by_config_type, by_element
from mliap_hybrid.report.error_tables import config_type_table, element_table, error_table, worst_frames_table
from mliap_hybrid.report.evaluation import ComparedFrame, evaluation_of
from mliap_hybrid.report.force_angles import force_angles, mean_force_angle
from mliap_hybrid.report.tables import Table


def frame(numbers, forces, errors, config_type=None, energy=0.0, source="f.extxyz, frame 0"):
    forces, errors = np.array(forces, dtype=float), np.array(errors, dtype=float)
    return ComparedFrame(
        np.array(numbers),
        {"forces": forces, "energy": np.zeros(1)},
        {"forces": forces + errors, "energy": np.array([energy])},
        source,
        config_type,
    )


def test_angles_between_forces():
    labels = np.array([[1.0, 0, 0], [2.0, 0, 0], [0, 3.0, 0], [0, 0, 1.0], [1.0, 0, 0]])
    predictions = np.array([[5.0, 0, 0], [1.0, 1.0, 0], [0, -1.0, 0], [0.0, 0, 0], [1.0, 1e-9, 0]])
    expected = [0.0, 45.0, 180.0, 90.0, math.degrees(1e-9)]
    np.testing.assert_allclose(force_angles(labels, predictions), expected, rtol=1e-12)
    np.testing.assert_allclose(force_angles(predictions, labels), expected, rtol=1e-12)


def test_mean_angle_is_weighted_with_the_reference_force():
    labels = np.array([[3.0, 0, 0], [0, 1.0, 0], [0, 0, 0]])
    predictions = np.array([[0, 3.0, 0], [0, 2.0, 0], [1.0, 0, 0]])
    assert mean_force_angle(labels, predictions) == pytest.approx(3 * 90.0 / 4)
    assert math.isnan(mean_force_angle(np.zeros((2, 3)), np.ones((2, 3))))


FRAMES = [
    frame([1, 8], [[1.0, 0, 0], [0, 2.0, 0]], [[0.3, 0, 0], [0, 0, 0]], "gas"),
    frame([8, 1, 1], [[0, 0, 4.0], [1.0, 0, 0], [0, 1.0, 0]], [[0, 0.4, 0], [0, 0, 0], [0, 0, 0.3]], "liquid", 0.005),
    frame([1], [[1.0, 0, 0]], [[0.3, 0, 0]], "gas", -0.007),
]


def test_errors_of_elements_are_those_of_their_atoms():
    elements = by_element(evaluation_of(FRAMES))
    assert list(elements) == [1, 8]
    assert (elements[1].n_atoms, elements[8].n_atoms) == (4, 2)
    assert elements[1].parities["forces"].rmse == pytest.approx(math.sqrt(3 * 0.09 / 12))
    assert elements[8].parities["forces"].mae == pytest.approx(0.4 / 6)
    assert elements[8].parities["forces"].angle == pytest.approx(4.0 * math.degrees(math.atan2(0.4, 4.0)) / 6.0)
    assert "charges" not in elements[1].parities


def test_errors_of_kinds_are_those_of_their_frames():
    kinds = by_config_type(evaluation_of(FRAMES))
    assert list(kinds) == ["gas", "liquid"]
    assert kinds["gas"].n_frames == 2
    assert kinds["gas"].energy.rmse == pytest.approx(0.007 / math.sqrt(2))
    assert kinds["liquid"].forces.rmse == pytest.approx(math.sqrt(0.25 / 9))
    assert by_config_type(evaluation_of(FRAMES[::2])) == {}
    assert config_type_table(evaluation_of(FRAMES[::2])) is None


def cells(table):
    names = [f"{name} ({unit})" if unit else name for name, unit in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows]


def test_tables_name_elements_and_the_worst_atom():
    hydrogen, oxygen = cells(element_table(evaluation_of(FRAMES)))
    assert (hydrogen["element"], hydrogen["atoms"], hydrogen["force RMSE (meV/Å)"]) == ("H", "4", "150")
    assert oxygen["force RMSE (meV/Å)"] == f"{1000 * math.sqrt(0.16 / 6):.3g}"
    worst, *others = cells(worst_frames_table(evaluation_of(FRAMES)))
    assert len(others) == 2
    assert worst["formula"] == "H"  # of one component in three the error is largest where there are fewest
    assert worst["energy error (meV/atom)"] == "-7"
    (second, _) = others
    assert second["of atom"] == "0 (O)"
    assert second["largest force error (meV/Å)"] == "400"


def test_frames_without_forces_are_ranked_by_their_energy():
    bare = [
        ComparedFrame(np.array([1]), {"energy": np.zeros(1)}, {"energy": np.array([error])}, f"frame {k}")
        for k, error in enumerate((0.001, -0.02, 0.003))
    ]
    table = worst_frames_table(evaluation_of(bare))
    assert [row["frame"] for row in cells(table)] == ["frame 1", "frame 2", "frame 0"]
    assert element_table(evaluation_of(bare)) is None
    columns = [name for name, _ in error_table({"test": evaluation_of(bare)}).columns]
    assert columns == ["split", "frames", "energy RMSE", "energy MAE"]


def test_table_in_both_forms():
    table = Table([("set", ""), ("error", "eV")], [("<test>", "1")])
    assert table.markdown() == "| set    | error (eV) |\n|--------|------------|\n| <test> | 1          |\n"
    assert "<th>error<small>eV</small></th>" in table.html()
    assert "<td>&lt;test&gt;</td>" in table.html()
