"""`mliap-hybrid relabel`: labels for structures from any calculator that ASE knows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mliap_hybrid.cli.element_option import Elements, elements_of_types


def relabel(
    data: Annotated[list[Path], typer.Argument(help="Structures (extxyz, dumps, ...).", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Extended xyz to write, or to go on with.", show_default=False)
    ],
    calculator: Annotated[
        str,
        typer.Option(
            "--calculator", "-c", help="package.module:Class, file.py:function, or a name of ASE.", show_default=False
        ),
    ],
    elements: Elements = "",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="name=value that the calculator is made with, such as method=GFN2-xTB."),
    ] = None,
    further: Annotated[
        list[str] | None, typer.Option("--label", help="Also: charges, dipole, stress (once each).")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Take every so many structures.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Processes, each with a calculator of its own.")] = 1,
) -> None:
    """Compute energies and forces of structures, and the stress where the calculator gives it.

    Frames are written as soon as they are done, in eV and Å. A command that was stopped goes on where it ended; frames
    that fail are told and tried again the next time. Labels that the structures have are left out.
    """
    from mliap_hybrid.cli.console import console_display
    from mliap_hybrid.data.reading import read_frames
    from mliap_hybrid.errors import InputError, did_you_mean
    from mliap_hybrid.labelling.calculators import CalculatorSource, plain_value
    from mliap_hybrid.labelling.relabel import relabel as label_all
    from mliap_hybrid.labelling.single_point import SHAPES

    options = {}
    for setting in settings or ():
        name, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"--set {setting}: expected name=value")
        options[name] = plain_value(value)
    for label in further or ():
        if label not in SHAPES:
            raise InputError(f"--label {label}: {did_you_mean(label, SHAPES)}")
    if any(file.resolve() == output.resolve() for file in data):
        raise InputError(f"--output {output} is one of the files to label: name another one")
    frames = [frame.atoms for frame in read_frames(data, elements_of_types(elements, data))[::every]]
    with console_display() as display:
        source = CalculatorSource(calculator, options)
        outcome = label_all(frames, source, output, further or (), jobs, display.track)
        before = f", {outcome.n_before} before" if outcome.n_before else ""
        display.say(f"{outcome.n_now} frames labelled{before}: {output}")
    if outcome.failures:
        number, reason = next(iter(sorted(outcome.failures.items())))
        raise InputError(
            f"{len(outcome.failures)} of {len(frames)} frames have no labels; frame {number}: {reason}. The same "
            "command tries them again"
        )
