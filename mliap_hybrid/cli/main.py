"""The command `mliap-hybrid`: one verb for each file beside this one.

Verbs import what they need inside their function, so that help is instant.
"""

from __future__ import annotations

import sys

import typer

from mliap_hybrid.cli.check import check
from mliap_hybrid.cli.compile_plugin import compile_plugin
from mliap_hybrid.cli.convert import convert
from mliap_hybrid.cli.doctor import doctor
from mliap_hybrid.cli.evaluate import evaluate
from mliap_hybrid.cli.export import export
from mliap_hybrid.cli.featurize import featurize
from mliap_hybrid.cli.info import info
from mliap_hybrid.cli.lammps_input import lammps_input
from mliap_hybrid.cli.learn import learn
from mliap_hybrid.cli.lmp import lmp
from mliap_hybrid.cli.plot import app as plot_app
from mliap_hybrid.cli.relabel import relabel
from mliap_hybrid.cli.species import species
from mliap_hybrid.cli.spectrum import spectrum
from mliap_hybrid.cli.symmetries import symmetries
from mliap_hybrid.cli.train import train
from mliap_hybrid.cli.tune import tune
from mliap_hybrid.errors import InputError
from mliap_hybrid.version import __version__

app = typer.Typer(
    name="mliap-hybrid",
    help="Train hybrid machine-learned potentials and run them in LAMMPS.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(train)
app.command()(tune)
app.command()(evaluate)
app.command()(convert)
app.command()(featurize)
app.command()(symmetries)
app.command()(info)
app.command()(export)
app.command()(check)
app.command("lammps-input")(lammps_input)
app.add_typer(plot_app, name="plot")
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(lmp)
app.command()(species)
app.command()(relabel)
app.command()(learn)
app.command()(spectrum)
app.command()(doctor)
app.command("compile-plugin")(compile_plugin)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"mliap_hybrid {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", is_eager=True, callback=_print_version, help="Print the version."),
) -> None:
    pass


def main() -> None:
    """Run the command line; a mistake of the user is one line on standard error, and exit status 1."""
    try:
        app()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
