"""`mliap-hybrid featurize`: features of structures into a file, and what they are like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mliap_hybrid.cli.element_option import Elements, split_elements

if TYPE_CHECKING:
    from torch import Tensor

    from mliap_hybrid.config import TrainingFile
    from mliap_hybrid.features.statistics import FeatureStatistics

WIDTH = 140
"""Characters of a line of the table, unless the terminal is wider."""


def featurize(
    data: Annotated[
        list[Path] | None, typer.Argument(help="Structures (extxyz, ...); default: those of --config.")
    ] = None,
    elements: Elements = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (.npz).", show_default=False)
    ] = None,
    feature_set: Annotated[
        str | None, typer.Option("--set", help="Named set of features, with its defaults.", show_default=False)
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Training file that describes the features.", show_default=False)
    ] = None,
    jacobian: Annotated[bool, typer.Option("--jacobian", help="Also write the derivatives.")] = False,
    select: Annotated[str | None, typer.Option(help="Select features: fps or cur.", show_default=False)] = None,
    number: Annotated[int | None, typer.Option(help="How many to select.", show_default=False)] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Feature cache to use; default: that of --config.", show_default=False)
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that compute.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Print statistics of the features of structures; write them to a file, fill the feature cache.

    The file holds features (n_atoms, n_features), frame and numbers (n_atoms), labels, selected and settings; with
    --jacobian also jacobian (n_pairs, 3, n_features) in 1/Å, pair_i, pair_j and pair_vectors.
    """
    from mliap_hybrid.errors import InputError

    if output is not None and output.suffix != ".npz":
        raise InputError(f"--output {output}: expected a name that ends in .npz")
    if output is not None and output.exists() and not overwrite:
        raise InputError(f"{output} exists already; choose another name or give --overwrite")
    settings = _settings(data, elements, feature_set, config, cache, select, number)

    import numpy as np
    import torch
    from rich.console import Console

    from mliap_hybrid.cli.console import console_display
    from mliap_hybrid.data.formats import check_elements_apply
    from mliap_hybrid.data.reading import frame_to_batch, read_frames
    from mliap_hybrid.features.selection import select_features
    from mliap_hybrid.features.statistics import feature_statistics
    from mliap_hybrid.fitting.feature_cache import FeatureCache
    from mliap_hybrid.fitting.feature_derivatives import stores_derivatives
    from mliap_hybrid.fitting.featurise import featurise, write_npz
    from mliap_hybrid.fitting.model_factory import make_features
    from mliap_hybrid.model.feature_description import describe_features
    from mliap_hybrid.runs.recipe import complete

    with console_display() as display:
        check_elements_apply(settings.data.elements, settings.data.all_files, "--elements or data.elements")
        frames = display.track(read_frames(settings.data.all_files, settings.data.elements), "reading frames")
        batches = [frame_to_batch(frame, settings.features.cutoff, units=settings.data.units) for frame in frames]
        if config is not None:
            settings = complete(settings, batches).settings
        present = tuple(torch.unique(torch.cat([batch.numbers for batch in batches])).tolist())
        features = make_features(settings, present)
        description = describe_features(features).model_dump()
        folder, with_derivatives = settings.data.cache, jacobian or stores_derivatives(features)
        feature_cache = None if folder is None else FeatureCache(folder, features, description, with_derivatives)
        found = featurise(features, batches, display.track, workers, feature_cache, with_jacobian=jacobian)
        columns = torch.arange(features.n_features)  # (n_selected,)
        if settings.features.n_selected is not None:
            columns = select_features(found.features, settings.features.n_selected, settings.features.selection)
        statistics = feature_statistics(found.features)
        table = _table(features.feature_labels, statistics, columns)
        Console(width=max(display.console.width, WIDTH)).print(table)
        display.say(
            f"{features.n_features} features of {len(found.features)} atoms in {len(batches)} frames, "
            f"{int((~statistics.varies).sum())} of them constant; 99 % of the variance lies along "
            f"{statistics.n_axes(0.99)} axes, 99.99 % along {statistics.n_axes(0.9999)}"
        )
        if output is not None:
            arrays = found.arrays(columns)
            arrays["labels"] = np.array([features.feature_labels[f] for f in columns.tolist()])  # (n_selected,)
            arrays["selected"] = columns.numpy()  # (n_selected,)
            arrays["settings"] = np.array(json.dumps(description))
            write_npz(output, arrays)
            display.say(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")


def _settings(
    data: list[Path] | None,
    elements: str,
    feature_set: str | None,
    config: Path | None,
    cache: Path | None,
    select: str | None,
    number: int | None,
) -> TrainingFile:
    """A training file with what the options say; only its data and its features are looked at."""
    from mliap_hybrid.config import parse_training_file, read_training_file
    from mliap_hybrid.errors import InputError

    if config is not None and feature_set is not None:
        raise InputError("--set and --config exclude each other: give one of them")
    if (select is None) != (number is None):
        raise InputError("--select and --number belong together: give both, such as --select fps --number 40")
    if config is not None:
        content = read_training_file(config).model_dump(exclude_unset=True)
    elif data:
        content = {"data": {}, "features": {} if feature_set is None else {"set": feature_set}}
    else:
        raise InputError("there is nothing to featurize: name files with structures, or a training file with --config")
    changes: dict[str, dict[str, Any]] = {"data": {}, "features": {}}
    if data:
        changes["data"]["files"] = data
    if data or elements:
        changes["data"]["elements"] = split_elements(elements)
    if cache is not None:
        changes["data"]["cache"] = cache
    if select is not None:
        changes["features"] |= {"selection": select, "n_selected": number}
    merged = content | {section: content.get(section, {}) | values for section, values in changes.items()}
    return parse_training_file(merged, str(config or "options"))


def _table(labels: list[str], statistics: FeatureStatistics, columns: Tensor):
    """One row for each feature; the selected ones carry their place in the selection."""
    from rich.table import Table

    selected = {feature: str(place) for place, feature in enumerate(columns.tolist(), start=1)}
    some = len(selected) < len(labels)
    table = Table(title="features, and the other feature that each is most alike")
    table.add_column("", justify="right")
    table.add_column("feature", no_wrap=True)
    for name in ("mean", "std", "min", "max", "correlation", "with", *(["selected"] if some else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for f, label in enumerate(labels):
        values = (statistics.mean, statistics.spread, statistics.smallest, statistics.largest)
        numbers = [f"{float(value[f]):.4g}" for value in values]
        if statistics.varies[f]:
            relation = [f"{float(statistics.correlation[f]):+.3f}", str(int(statistics.nearest[f]))]
        else:
            relation = ["constant", ""]
        table.add_row(str(f), label, *numbers, *relation, *([selected.get(f, "")] if some else []))
    return table
