"""The page on extending the package: what it shows is run as it stands."""

import re
from pathlib import Path

import torch

from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.term_section import TermContext
from mliap_hybrid.testing.models import sodium_chloride_model
from mliap_hybrid.testing.term_tests import TermTests

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


def shown() -> dict:
    """What the Python of the page defines."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {"__name__": "page"}
    exec(compile(code, str(PAGE), "exec"), names)
    return names


def model_of_the_page() -> HybridModel:
    model = sodium_chloride_model(None)
    made = shown()["BornMayerSettings"](decay=2.0).make(TermContext(model.elements, model.cutoff))
    terms, parameters = [*model.all_terms, made.term], [*model.all_parameters, *made.parameters]
    return HybridModel(model.features, terms, parameters, list(model.heads), model.whitening).double()


class TestTheTermOfThePage(TermTests):
    kind = "born_mayer"

    def model(self):
        return model_of_the_page()

    test_plain_data_make_the_same_model = None  # files know the kinds of the package alone
    test_lammps_says_what_python_says = None


def test_left_out_where_nothing_is_said():
    assert shown()["BornMayerSettings"]().make(TermContext((11,), 4.5)) is None


def test_the_page_is_short_and_its_numbers_are_right():
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    term = code[code.index("class BornMayer(") : code.index("class BornMayerSettings")]
    assert len([line for line in term.splitlines() if line.strip()]) <= 30
    names = shown()
    from ase import Atoms

    from mliap_hybrid.data.reading import frame_to_batch
    from mliap_hybrid.features.none import NoFeatures

    made = names["BornMayerSettings"](decay=2.0).make(TermContext((18,), 6.0))
    model = HybridModel(NoFeatures([18], 6.0), [made.term], made.parameters).double()
    batch = frame_to_batch(Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 3.0]]), 6.0)
    expected = 500.0 * torch.exp(torch.tensor(-6.0).double())
    torch.testing.assert_close(Evaluator(model).predict(batch).energies[0], expected)
