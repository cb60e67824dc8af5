"""`mliap-hybrid species`: molecules over time, and the reactions between them, from a trajectory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mliap_hybrid.cli.element_option import Elements, elements_of_types


def species(
    trajectory: Annotated[
        Path, typer.Argument(help="Text dump of LAMMPS with IDs, or any file ASE reads.", show_default=False)
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder to write: counts.csv, events.csv, rates.csv, counts.png."),
    ] = Path("species"),
    elements: Elements = "",
    time_step: Annotated[
        float, typer.Option(help="fs of one step of a dump, or between the frames of another file.")
    ] = 1.0,
    form: Annotated[float, typer.Option(help="A bond forms so many Å beyond the sum of covalent radii.")] = 0.25,
    break_apart: Annotated[float, typer.Option("--break", help="It breaks so many Å beyond.")] = 0.65,
    persistence: Annotated[
        float, typer.Option(help="fs that atoms must be together or apart before it counts; less is a recrossing.")
    ] = 0.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of an earlier analysis.")] = False,
) -> None:
    """Count molecules in each frame, list the reactions between frames, and give their rates.

    Atoms are bonded from when they come close until they are far apart, so that vibrations are no reactions. Between
    two frames, atoms should move less than a bond length.
    """
    from mliap_hybrid.cli.console import console_display
    from mliap_hybrid.cli.result_files import result_files
    from mliap_hybrid.errors import InputError
    from mliap_hybrid.reactions.analysis import COUNTS, EVENTS, RATES, write_counts, write_events, write_rates
    from mliap_hybrid.reactions.bonds import BondCriteria
    from mliap_hybrid.reactions.figure import counts_figure
    from mliap_hybrid.reactions.of_trajectory import analyse
    from mliap_hybrid.reactions.trajectory import read_trajectory

    if not time_step > 0.0:
        raise InputError(f"--time-step {time_step}: expected a time in fs above zero")
    of_types = elements_of_types(elements, [trajectory])
    files = result_files(output, (COUNTS, EVENTS, RATES, "counts.png"), overwrite)
    criteria = BondCriteria(form, break_apart, persistence / 1000.0)
    with console_display() as display:
        frames = read_trajectory(trajectory, time_step / 1000.0, of_types)
        found = analyse(display.track(frames, "frames"), criteria)
        output.mkdir(parents=True, exist_ok=True)
        write_counts(found, files[COUNTS])
        write_events(found, files[EVENTS])
        write_rates(found, files[RATES])
        counts_figure(found).savefig(files["counts.png"], dpi=150)
        display.say(f"{len(found.times)} frames, {found.times[-1] - found.times[0]:.6g} ps")
        for title, counts in (("first", found.counts[0]), ("last", found.counts[-1])):
            display.say(f"{title} frame: {_in_words(counts)}")
        display.say(f"{len(found.events)} reactions" + ("; the most frequent:" if found.events else ""))
        for rate in found.rates[:10]:
            constant = "" if rate.constant is None else f"   {rate.constant:.3g} {rate.unit}"
            display.say(f"{rate.count:8d}   {rate.equation}{constant}")
        display.say(f"wrote {', '.join(str(file) for file in files.values())}")


def _in_words(counts: dict[str, int]) -> str:
    shown = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    more = f", and {len(shown) - 10} other kinds" if len(shown) > 10 else ""
    return ", ".join(f"{count} {formula}" for formula, count in shown[:10]) + more
