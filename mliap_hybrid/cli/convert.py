"""`mliap-hybrid convert`: labelled structures of any format into one that training reads, with what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from mliap_hybrid.cli.element_option import Elements, elements_of_types
from mliap_hybrid.cli.label_options import with_label_options

CUTOFF = 0.5
"""Å: nothing here needs pairs of atoms."""


@with_label_options
def convert(
    data: Annotated[
        list[Path],
        typer.Argument(help="Files or folders, FORMAT:PATH where they do not say their format.", show_default=False),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="OUT.extxyz, n2p2:OUT or deepmd/npy:FOLDER.", show_default=False),
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace the output file if it is there.")] = False,
    elements: Elements = "",
    subtract_d3: Annotated[
        str | None, typer.Option(help="Functional whose D3 dispersion is taken off the labels, such as PBE.")
    ] = None,
    d3_damping: Annotated[str, typer.Option(help="Damping of D3: bj, zero, bjm or zerom.")] = "bj",
    d3_cutoff: Annotated[float, typer.Option(help="Cutoff of D3 in Å, also for the run in LAMMPS.")] = 16.0,
    label_keys: Mapping[str, str | None] | None = None,
    total_charge_key: Annotated[str | None, typer.Option(help="Name of the total charge.")] = None,
    energy_unit: Annotated[str | None, typer.Option(help="Unit of energies: eV, kcal/mol, Ha, ...")] = None,
    length_unit: Annotated[str | None, typer.Option(help="Unit of positions: Å, bohr, ...")] = None,
    stress_unit: Annotated[str | None, typer.Option(help="Unit of stresses: eV/Å^3, GPa, -kbar, ...")] = None,
    stress_order: Annotated[str | None, typer.Option(help="Order of six stresses: ase, vasp or lammps.")] = None,
) -> None:
    """Write frames of all formats in eV and Å, with labels under the names that training looks for.

    A table says what is in them, and labels that look wrong are told. Nothing is written after an error, and no file is
    replaced without --force.
    """
    from dataclasses import replace

    from rich.console import Console
    from rich.table import Table

    from mliap_hybrid.cli.console import console_display
    from mliap_hybrid.cli.load import with_given_units
    from mliap_hybrid.config import LabelUnits
    from mliap_hybrid.data.conversion import converted, found_keys, frames_of
    from mliap_hybrid.data.dispersion_correction import D3, Dispersion, subtract
    from mliap_hybrid.data.label_warnings import label_warnings
    from mliap_hybrid.data.reading import frame_to_batch, read_frames
    from mliap_hybrid.data.summary import summary
    from mliap_hybrid.data.total_charges import find_charges_and_spins
    from mliap_hybrid.data.writing import output_format, write_structures

    form, path = output_format(output, force)
    said_units = {"energy": energy_unit, "length": length_unit, "stress": stress_unit, "stress_order": stress_order}
    units = with_given_units(LabelUnits(), {name: value for name, value in said_units.items() if value is not None})
    d3 = None if subtract_d3 is None else D3(subtract_d3, d3_damping, d3_cutoff, min(d3_cutoff, 10.0))
    dispersion = None if d3 is None else Dispersion(d3)
    with console_display() as display:
        frames = read_frames(data, elements_of_types(elements, data))
        keys = found_keys(frames, {label: key for label, key in (label_keys or {}).items() if key is not None})
        said = find_charges_and_spins(frames, total_charge_key)
        structures = [converted(frame, keys, units, said, index) for index, frame in enumerate(frames)]
        if d3 is not None and dispersion is not None:
            for frame, atoms in zip(frames, display.track(structures, "D3"), strict=True):
                subtract(atoms, dispersion, d3, frame.source)
        done, new_keys = frames_of(structures, frames, keys, said)
        batches = [
            frame_to_batch(frame, CUTOFF, new_keys, allow_missing=True)
            for frame in display.track(done, "reading labels")
        ]
        as_read = [replace(new, units=old.units) for new, old in zip(done, frames, strict=True)]
        # Charges and dipoles that nobody named may be zero: n2p2 has columns for them in any case.
        unnamed = {label: None for label in ("charges", "dipole") if not (label_keys or {}).get(label)}
        named = new_keys.model_copy(update=unnamed)
        table = Table("", "in eV and Å", "", title=", ".join(map(str, data)), title_justify="left")
        for row in summary(batches, keys):
            table.add_row(*row)
        Console(width=130).print(table)
        for sentence in (
            *said.sentences,
            *(f"Warning: {text}" for text in label_warnings(as_read, batches, named, units)),
        ):
            display.say(sentence)
        write_structures(structures, form, path)
        display.say(f"wrote {len(structures)} frames: {path}")
        if d3 is not None:
            display.say(f"The run adds D3 by `pair_style hybrid/overlay ... dispersion/d3 {d3.words}` (docs/data.md)")
