"""Options of the command line for the names of labels: one for each that the table of quantities knows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Annotated, Any

import typer

from mliap_hybrid.quantities import quantity_of_key


def with_label_options(verb: Callable[..., None], keys: Collection[str] | None = None) -> Callable[..., None]:
    """A verb with an option for the name of each label in the place of its parameter `label_keys`.

    Parameters
    ----------
    verb : callable
        Takes `label_keys`, a mapping of settings under `data.keys` to names or None.
    keys : collection of str, optional
        Those that it has options for; all by default.

    Returns
    -------
    callable
        For typer.
    """
    options = {f"{key}_key": key for key in quantity_of_key() if keys is None or key in keys}

    def with_options(**values: Any) -> None:
        label_keys = {key: values.pop(option) for option, key in options.items()}
        verb(**values, label_keys=label_keys)

    signature = inspect.signature(verb, eval_str=True)
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        parameters += [_option(key) for key in options.values()] if parameter.name == "label_keys" else [parameter]
    with_options.__name__, with_options.__doc__ = verb.__name__, verb.__doc__
    with_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return with_options


def _option(key: str) -> inspect.Parameter:
    """The option for the name of a label, a setting under `data.keys`."""
    option = typer.Option(help=f"Name of {quantity_of_key()[key].keys[key]}.")
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(f"{key}_key", kind, default=None, annotation=Annotated[str | None, option])
