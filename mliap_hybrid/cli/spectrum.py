"""`mliap-hybrid spectrum`: infrared absorption and conductivity, from a trajectory with charges."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def spectrum(
    trajectory: Annotated[
        Path,
        typer.Argument(
            help="Text dump of LAMMPS with id q xu yu zu, a file that ASE reads with charges, or, with --moments, a "
            "table of time steps and dipole moments.",
            show_default=False,
        ),
    ],
    temperature: Annotated[float, typer.Option(help="K, of the run.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder to write: spectrum.csv, conductivity.csv, spectrum.png."),
    ] = Path("spectrum"),
    time_step: Annotated[
        float, typer.Option(help="fs of one step of a dump or table, or between the frames of another file.")
    ] = 1.0,
    resolution: Annotated[float, typer.Option(help="1/cm: width that a line has at least.")] = 5.0,
    longest: Annotated[float, typer.Option(help="ps: longest time of the conductivity.")] = 10.0,
    highest: Annotated[float, typer.Option(help="1/cm: where the picture ends.")] = 4500.0,
    volume: Annotated[float | None, typer.Option(help="Å^3, in place of that of the cell.", show_default=False)] = None,
    moments: Annotated[bool, typer.Option("--moments", help="The file is a table of moments in e Å.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of an earlier analysis.")] = False,
) -> None:
    """Infrared absorption and conductivity from the dipole moment of all charges over time.

    Frames are to be close enough in time that no vibration is missed, some 0.5 to 2 fs. Positions without image flags
    are continued through boundaries.
    """
    from mliap_hybrid.cli.console import console_display
    from mliap_hybrid.cli.result_files import result_files
    from mliap_hybrid.errors import InputError
    from mliap_hybrid.spectra.charged_frames import read_charged_frames
    from mliap_hybrid.spectra.conductivity import conductivity
    from mliap_hybrid.spectra.infrared import infrared_spectrum
    from mliap_hybrid.spectra.moments import moments_of_frames, moments_of_table
    from mliap_hybrid.spectra.results import spectrum_figure, write_conductivity, write_spectrum

    numbers = {
        "--temperature": temperature,
        "--time-step": time_step,
        "--resolution": resolution,
        "--longest": longest,
        "--highest": highest,
    }
    for option, value in numbers.items():
        if not 0.0 < value < float("inf"):
            raise InputError(f"{option} {value}: expected a number above zero")
    files = result_files(output, ("spectrum.csv", "conductivity.csv", "spectrum.png"), overwrite)
    interval = time_step / 1000.0
    with console_display() as display:
        if moments:
            series = moments_of_table(trajectory, interval, volume)
        else:
            frames = read_charged_frames(trajectory, interval)
            series = moments_of_frames(iter(display.track(frames, "frames")), volume)
        found, ions = infrared_spectrum(series, temperature, resolution), conductivity(series, temperature, longest)
        output.mkdir(parents=True, exist_ok=True)
        write_spectrum(found, files["spectrum.csv"])
        write_conductivity(ions, files["conductivity.csv"])
        spectrum_figure(found, ions, highest).savefig(files["spectrum.png"], dpi=150)
        n_times = len(series.moments)
        display.say(f"{n_times} frames, {series.interval * (n_times - 1):.6g} ps, {series.volume:.6g} Å^3")
        for wave_number, height in found.peaks(5):
            display.say(f"absorption {height:10.4g} 1/cm at {wave_number:7.1f} 1/cm")
        display.say(f"conductivity {ions.value:.4g} +- {ions.error:.2g} S/m, from {ions.times[-1] / 2:.3g} ps on")
        display.say(f"wrote {', '.join(str(file) for file in files.values())}")
