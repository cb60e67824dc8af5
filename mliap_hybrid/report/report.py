"""The report of a run, or of a model on any data: errors.md, pictures, and all of it in one report.html."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ase.data import chemical_symbols

from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.training_distance import DistanceDescription
from mliap_hybrid.report import html_page as html
from mliap_hybrid.report.error_tables import config_type_table, element_table, error_table, worst_frames_table
from mliap_hybrid.report.evaluation import Evaluation
from mliap_hybrid.report.learning_curves import write_learning_curve
from mliap_hybrid.report.parity_plots import write_error_sizes, write_parity_plots
from mliap_hybrid.report.reliability import reliability_table, write_reliability
from mliap_hybrid.report.tables import Table
from mliap_hybrid.version import __version__
from mliap_hybrid.whole_file import whole_file

ANGLE = (
    "The force angle is the mean angle between predicted and reference force, each atom weighted with the length of "
    "its reference force."
)

DISTANCE = (
    "One number for each atom, whose root mean square over validation atoms is 1. A force error is large where it is "
    "above three times that of the validation atoms. The line is the error that the distance stands for."
)

DETAILS = {
    "By configuration type": config_type_table,
    "By element": element_table,
    "Largest errors": worst_frames_table,
}
"""Heading -> the table of a set that stands under it, if there is anything to say."""


@dataclass(frozen=True)
class Report:
    """What a report tells."""

    title: str
    words: str
    """A sentence or two on the model."""
    evaluations: Mapping[str, Evaluation]
    """Name of each set of frames -> its errors."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Names and values for the top of the page."""
    members: Mapping[str, Evaluation] = field(default_factory=dict)
    """Name of each set, with the member of a committee -> errors of that member alone."""
    metrics: Mapping[str, Path] = field(default_factory=dict)
    """Metrics file of the run, or of each member by its name."""
    settings: str | None = None
    """Training file of the run."""
    distance: DistanceDescription | None = None
    """Of the model, if it knows its distance to the training set."""

    def markdown(self, details: bool = True) -> str:
        """The tables, those of parts only with `details`, and for the test frames or the last set."""
        name, evaluation = _of_interest(self.evaluations)
        parts = [f"# Errors\n\n{self.words}\n\n{error_table(self.evaluations).markdown()}"]
        if self.members:
            parts.append(f"Each member by itself:\n\n{error_table(self.members).markdown()}")
        if (table := self.reliability) is not None:
            parts.append(f"Distance to the training set:\n\n{table.markdown()}")
        for title, make in DETAILS.items() if details else ():
            if (table := make(evaluation)) is not None:
                parts.append(f"## {title}, {name}\n\n{table.markdown()}")
        return "\n".join([*parts, f"{ANGLE}\n"] if details else parts)

    @property
    def reliability(self) -> Table | None:
        """How far atoms are from the training set; None where the model does not know."""
        return None if self.distance is None else reliability_table(self.evaluations, self.distance)


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write errors.md, the pictures and report.html.

    Parameters
    ----------
    report : Report
    folder : Path
        Made if it does not exist.

    Returns
    -------
    list of Path
        The files written, report.html last.
    """
    parities = write_parity_plots(report.evaluations, folder)  # makes the folder
    sizes = write_error_sizes(report.evaluations, folder)
    curve = write_learning_curve(report.metrics, folder)
    reliability = None if report.distance is None else write_reliability(report.evaluations, report.distance, folder)
    markdown, page = folder / "errors.md", folder / "report.html"
    parts = [
        html.facts(report.facts),
        html.heading("Errors"),
        html.paragraph(f"{report.words} {ANGLE}"),
        html.table(error_table(report.evaluations)),
        html.collapsible("each member by itself", html.table(error_table(report.members))) if report.members else "",
        *_details(report.evaluations),
        html.heading("Predictions and labels"),
        html.pictures(parities, width=368),
        html.heading("Size of the errors") if sizes else "",
        html.paragraph("Share of the values with a smaller error; a dot stands at the RMSE.") if sizes else "",
        html.pictures([sizes], width=368 * len(parities)) if sizes else "",
        *_distances(report, reliability),
        html.heading("Learning curve") if curve else "",
        html.pictures([curve], width=368 * len(parities)) if curve else "",
        html.heading("Settings") if report.settings else "",
        html.collapsible("config.yaml", html.preformatted(report.settings)) if report.settings else "",
    ]
    text = html.page(report.title, parts, f"mliap_hybrid {__version__}")
    for path, content in {markdown: report.markdown(), page: text}.items():
        with whole_file(path) as file:
            file.write(content.encode())
    return [markdown, *parities, *(path for path in (sizes, reliability, curve) if path is not None), page]


def _distances(report: Report, picture: Path | None) -> list[str]:
    """HTML of how far atoms are from the training set, and how their errors follow."""
    if (table := report.reliability) is None:
        return []
    return [
        html.heading("Distance to the training set"),
        html.paragraph(DISTANCE),
        html.table(table),
        "" if picture is None else html.pictures([picture], width=368),
    ]


def _of_interest(evaluations: Mapping[str, Evaluation]) -> tuple[str, Evaluation]:
    """The set that is looked at closely: the test frames, or the last set."""
    name = "test" if "test" in evaluations else list(evaluations)[-1]
    return name, evaluations[name]


def _details(evaluations: Mapping[str, Evaluation]) -> list[str]:
    """HTML of the tables of parts: open for one set, folded for the others."""
    first, evaluation = _of_interest(evaluations)
    parts = []
    for title, make in DETAILS.items():
        tables: dict[str, Table] = {}
        for name, of_set in {first: evaluation, **evaluations}.items():
            if (content := make(of_set)) is not None:
                tables[name] = content
        for name, content in tables.items():
            shown = html.table(content)
            parts += [html.heading(f"{title}, {name}"), shown] if name == first else [html.collapsible(name, shown)]
    return parts


def model_facts(model: HybridModel) -> dict[str, str]:
    """What a model is made of, in a few lines."""
    n_weights = sum(parameter.numel() for parameter in model.parameters())
    return {
        "elements": " ".join(chemical_symbols[z] for z in model.elements),
        "cutoff": f"{model.cutoff:g} Å",
        "features": str(model.features.n_features),
        "weights": str(n_weights),
        "distance to the training set": "known" if model.distance is not None else "not known",
        "forces": "gradient of the energy" if model.is_conservative else "direct: they do not conserve energy",
    }


def charges_in_words(model: HybridModel) -> str:
    """Charges of the elements, or their typical values where they are predicted."""
    charge = model.parameter("charge")
    described = None if charge is None else charge.describe([chemical_symbols[z] for z in model.elements])
    return "none" if described is None else described.in_words()
