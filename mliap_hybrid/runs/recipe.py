"""Settings that the training file does not say, chosen from the training frames.

What a good training needs differs between molecules, crystals and melts by what can be read off the frames: how many
there are, how close atoms come, how large the forces are, how many elements there are. The rules below were found on
sets of all these kinds (docs/training.md has the table); whatever the file says itself is left alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from mliap_hybrid.config import TrainingFile
from mliap_hybrid.features.channel_invariants import MAX_ORDER
from mliap_hybrid.features.sets import LEARNED_SETS
from mliap_hybrid.structure import Batch

STEPS_IN_EPOCH = 25
"""Batches that an epoch is divided into, as far as `LARGEST_BATCH` lets it."""

LARGEST_BATCH = 64
"""Frames. Larger batches take fewer steps for the same work."""

STEPS = 3500
"""Steps after which SOAP has found what there is to find in a thousand frames."""

STEPS_OF_LEARNED_SETS = 10000
"""The same where the products are learned, too: half as many leave the errors of molecules a tenth larger."""

EPOCHS = (20, 400)
"""Fewest and most passes over the frames."""

TRANSITION = 0.05
"""Force errors count linearly from this fraction of the root mean square force on."""

NARROWEST = 0.25
"""Narrowest probe as a fraction of the distance of nearest neighbours: what no neighbour reaches is noise to whiten."""

N_WIDTHS = 4
"""Probes between the narrowest and the widest, in equal ratios."""

WIDEST = 1.0 / 3.0
"""Widest probe as a fraction of the cutoff."""

ORDER_OF_ONE_ELEMENT = 5
"""Highest multipole order of fixed sets for one element: validation errors of silicon are 4 to 7 % below those of 3."""

RATE_OF_A_START = 5e-4
"""Learning rate where networks start with weights of an earlier training: the usual one undoes them in one epoch."""

N_SAMPLES = 1000
"""Frames that are looked at for forces, distances and elements."""

DECAY_OF_LEVENBERG_MARQUARDT = 1e-4
"""There, weight decay is a term of the loss."""


@dataclass(frozen=True)
class Recipe:
    """Complete settings, and what was chosen for the user to read."""

    settings: TrainingFile
    reasons: list[str] = field(default_factory=list)
    """One line for each choice."""


def complete(settings: TrainingFile, training: Sequence[Batch]) -> Recipe:
    """Choose what the training file leaves open, charges apart.

    Parameters
    ----------
    settings : TrainingFile
        Fields that the file does not say are not in `model_fields_set` of their section.
    training : sequence of Batch
        One labelled structure each; not empty.

    Returns
    -------
    Recipe
    """
    recipe, some = Recipe(settings), training[:: math.ceil(len(training) / N_SAMPLES)]
    for choose in (_set_of_features, _widths, _network_of_learned_set, _transition, _decay, _rate):
        recipe = choose(recipe, some)
    return _batches_and_epochs(recipe, len(training))


def _batches_and_epochs(recipe: Recipe, n_frames: int) -> Recipe:
    """About as many steps for few frames as for many."""
    fewest = EPOCHS[0]
    size = min(max(1, round(n_frames / STEPS_IN_EPOCH)), LARGEST_BATCH)
    recipe = _chosen(recipe, "optimisation", "batch_size", size, f"{n_frames} training frames")
    batch_size = recipe.settings.optimisation.batch_size
    steps = math.ceil(n_frames / batch_size)
    # With more frames than make up the steps, the steps grow as the root of their number.
    least = STEPS_OF_LEARNED_SETS if recipe.settings.features.set in LEARNED_SETS else STEPS
    wanted = least * math.sqrt(max(1.0, steps / STEPS_IN_EPOCH))
    epochs = min(max(fewest, round(wanted / steps)), EPOCHS[1])
    return _chosen(recipe, "optimisation", "epochs", epochs, f"{steps} steps in each")


def _transition(recipe: Recipe, training: Sequence[Batch]) -> Recipe:
    """Errors that are large beside the forces count linearly: a few frames shall not rule the fit."""
    if "force_transition" in recipe.settings.loss.model_fields_set:
        return recipe
    force = typical_force(training)
    if force is None or force == 0.0:
        return recipe
    transition = _rounded(TRANSITION * force)
    return _chosen(recipe, "loss", "force_transition", transition, f"eV/Å, as forces are of {force:.2f} eV/Å (rms)")


def _decay(recipe: Recipe, training: Sequence[Batch]) -> Recipe:
    if recipe.settings.optimisation.optimiser != "lm":
        return recipe
    return _chosen(recipe, "optimisation", "weight_decay", DECAY_OF_LEVENBERG_MARQUARDT, "for lm")


def _rate(recipe: Recipe, training: Sequence[Batch]) -> Recipe:
    if recipe.settings.init_from is None or recipe.settings.optimisation.optimiser not in ("soap", "adamw"):
        return recipe
    return _chosen(recipe, "optimisation", "learning_rate", RATE_OF_A_START, "networks start trained")


def _set_of_features(recipe: Recipe, training: Sequence[Batch]) -> Recipe:
    """Learned contractions where there are elements to tell apart; where there is one, they are no better."""
    n_elements = len(torch.unique(torch.cat([batch.numbers for batch in training])))
    why = f"{n_elements} element{'s' if n_elements > 1 else ''}"
    chosen = "gmp-2c3" if n_elements == 1 else "learned"
    if n_elements == 1 and "set" not in recipe.settings.features.model_fields_set:
        recipe = _chosen(recipe, "features", "max_order", ORDER_OF_ONE_ELEMENT, why)
    if not _can_learn_products(recipe.settings):
        # Of a density that the user brings, the electrons that it leaves out are not known.
        own_density = "density_table" in recipe.settings.features.model_fields_set
        chosen = "gmp-2c3" if n_elements == 1 or own_density else "gmp-3c3w"
    if recipe.settings.features.max_order < 2:
        chosen = "gmp-2c"  # without orders that couple there are no products of three
    return _chosen(recipe, "features", "set", chosen, why)


def _can_learn_products(settings: TrainingFile) -> bool:
    """Whether nothing that the file says keeps it from learned contractions."""
    features, network = settings.features, settings.network
    goes = features.max_order == MAX_ORDER and features.selection == "none" and network.forces == "conservative"
    # lm and lbfgs are for few weights; widths that the file says are meant for fixed products.
    return goes and settings.optimisation.optimiser in ("soap", "adamw") and "widths" not in features.model_fields_set


def _widths(recipe: Recipe, training: Sequence[Batch]) -> Recipe:
    """From a fraction of the distance of nearest neighbours to a fraction of the cutoff."""
    features = recipe.settings.features
    if "widths" in features.model_fields_set or features.set == "acsf":
        return recipe
    distance = typical_distance(training)
    if distance is None:
        return recipe
    n_widths = LEARNED_SETS[features.set].n_widths if features.set in LEARNED_SETS else N_WIDTHS
    widest = WIDEST * features.cutoff
    narrowest = min(NARROWEST * distance, 0.5 * widest)
    ratio = (widest / narrowest) ** (1.0 / (n_widths - 1))
    widths = [_rounded(narrowest * ratio**n) for n in range(n_widths)]
    return _chosen(
        recipe, "features", "widths", widths, f"Å, as nearest neighbours are {distance:.2f} Å apart (median)"
    )


def _network_of_learned_set(recipe: Recipe, training: Sequence[Batch]) -> Recipe:
    """The sizes that come with the set."""
    name = recipe.settings.features.set
    if name not in LEARNED_SETS:
        return recipe
    named = LEARNED_SETS[name]
    recipe = _chosen(recipe, "network", "hidden", list(named.hidden), f"of {name}")
    recipe = _chosen(recipe, "network", "n_channels", named.n_channels, f"of {name}")
    return _chosen(recipe, "network", "body_order", named.body_order, f"of {name}")


def typical_force(training: Sequence[Batch]) -> float | None:
    """Root mean square of the force components, eV/Å; None where no frame has forces.

    The largest hundredth of the forces is left out: what is far off shall not set the scale.
    """
    squares = [batch.forces.square().mean(1) for batch in training if batch.forces is not None]  # (n_atoms,) each
    if not squares:
        return None
    ordered = torch.cat(squares).sort().values  # (n_atoms,)
    return float(ordered[: max(1, round(0.99 * len(ordered)))].mean().sqrt())


def typical_distance(training: Sequence[Batch]) -> float | None:
    """Median over all atoms of the distance to the nearest neighbour, Å; None where none has a neighbour."""
    nearest = []
    for batch in training:
        distances = batch.pair_vectors().norm(dim=1)  # (n_pairs,)
        of_atoms = torch.full((batch.n_atoms,), math.inf, dtype=distances.dtype)
        nearest.append(of_atoms.scatter_reduce(0, batch.pair_i, distances, "amin"))  # (n_atoms,)
    of_all = torch.cat(nearest)
    found = of_all[of_all.isfinite()]
    return float(found.median()) if len(found) else None


def _chosen(recipe: Recipe, section: str, key: str, value: Any, why: str) -> Recipe:
    """The recipe with a choice, unless the training file has made it."""
    of_section = getattr(recipe.settings, section)
    if key in of_section.model_fields_set:
        return recipe
    settings = recipe.settings.model_copy(update={section: of_section.model_copy(update={key: value})})
    return Recipe(settings, [*recipe.reasons, f"{section}.{key} {value} ({why})"])


def _rounded(value: float) -> float:
    """Two significant digits: settings are to be read."""
    return float(f"{value:.2g}")
