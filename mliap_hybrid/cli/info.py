"""`mliap-hybrid info`: what a model is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def info(
    model: Annotated[Path, typer.Argument(help="Run folder or exported model file.", show_default=False)],
    which: Annotated[str, typer.Option(help="Checkpoint of a run folder: best or last.")] = "best",
) -> None:
    """Print the terms, elements and settings of a model, and the errors that its run reported."""
    from mliap_hybrid.cli.load import load_any_model
    from mliap_hybrid.fitting.run_folder import RunFolder
    from mliap_hybrid.model.committee import members_of
    from mliap_hybrid.model.description import describe

    potential = load_any_model(model, which)
    description, tensors = describe(potential)
    n_weights = sum(tensor.numel() for name, tensor in tensors.items() if name.startswith("network."))
    n_of_charges = sum(tensor.numel() for name, tensor in tensors.items() if name.startswith("charge_network."))
    members = members_of(potential.network)
    rows = {
        "elements": " ".join(description.elements),
        "energy": " + ".join(description.terms()),
        "cutoff": f"{description.cutoff:g} Å",
        "E0": ", ".join(f"{symbol} {energy:.4f} eV" for symbol, energy in description.baseline.items()),
    }
    layers = []
    if members:
        layers = [members[0].layers[0].in_features, *description.hidden, 1]
        rows["features"] = f"{potential.features.n_features} ({description.features.summary})"
        rows["network"] = f"{'-'.join(map(str, layers))}, {n_weights // len(members)} weights"
    if description.molecules is not None:
        of_molecules = description.molecules
        rows["molecule"] = f"{of_molecules.formula}, in this order; {of_molecules.n_permutations} permutations"
        rows["kernel"] = f"Matérn, sigma {of_molecules.sigma:g} 1/Å, {of_molecules.n_train} training geometries"
    if description.direct_forces is not None:
        n_of_forces = sum(tensor.numel() for name, tensor in tensors.items() if name.startswith("force_network."))
        layers = [layers[0], *description.direct_forces.hidden, layers[0]]
        rows["forces"] = "direct: not the gradient of the energy, which they do not conserve"
        rows["force network"] = f"{'-'.join(map(str, layers))}, {n_of_forces} weights"
    if len(members) > 1:
        rows["committee"] = f"mean of {len(members)} such networks"
    if description.charges is not None:
        rows["charges"] = f"{_charges(description.charges)}; smearing {description.smearing:g} Å"
    if description.predicted_charges is not None:
        predicted, layers = description.predicted_charges, [layers[0], *description.predicted_charges.hidden, 1]
        rows["charges"] = f"predicted, {predicted.neutrality}; smearing {description.smearing:g} Å"
        rows["charge network"] = f"{'-'.join(map(str, layers))}, {n_of_charges} weights, bound {predicted.largest:g} e"
        rows["mean charges"] = _charges(predicted.typical_charges)
        rows["starting charges"] = _charges(predicted.element_charges)
        rows["total charge"] = "an input of the networks" if description.total_charge_input else "no input"
    width = max(10, *(len(name) + 2 for name in rows))
    for name, text in rows.items():
        print(f"{name + ':':<{width}}{text}")
    errors = RunFolder(model).report / "errors.md"
    if errors.is_file():
        print("\n" + errors.read_text(encoding="utf-8").strip())


def _charges(charges: dict[str, float]) -> str:
    return ", ".join(f"{symbol} {charge:+.4f} e" for symbol, charge in charges.items())
