"""From labelled frames to what the trainer needs: the initial fit, and frames with all constants computed."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mliap_hybrid.config import TrainingFile
from mliap_hybrid.data.baseline import compositions, fit_baseline, warn_if_degenerate
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.features.selection import select_features
from mliap_hybrid.fitting.charge_products import unit_predictions
from mliap_hybrid.fitting.charge_sources import find_charges
from mliap_hybrid.fitting.earlier_training import EarlierTraining, earlier_training, whitening_from
from mliap_hybrid.fitting.explicit_terms import explicit_terms, fits_charges, fixed_physics
from mliap_hybrid.fitting.feature_cache import FeatureCache, Track
from mliap_hybrid.fitting.feature_derivatives import (
    FeatureDerivatives,
    KernelDerivatives,
    StoredDerivatives,
    stores_derivatives,
)
from mliap_hybrid.fitting.frames_on_disk import FramesOnDisk
from mliap_hybrid.fitting.initial_fit import InitialFit
from mliap_hybrid.fitting.memory import available_memory, check_memory, fits
from mliap_hybrid.fitting.model_factory import make_features
from mliap_hybrid.fitting.raw_features import ComputedFeatures, FastFeatures, FeatureSource, whitened_jacobian
from mliap_hybrid.fitting.residual_labels import FrameTerms, constants_of_frame, frame_terms, residual_labels
from mliap_hybrid.fitting.training_frames import TrainingFrames, memory_of_frames, prepare_frame
from mliap_hybrid.model.contraction import scaling_of_moments
from mliap_hybrid.model.feature_description import describe_features
from mliap_hybrid.model.hybrid import Environment
from mliap_hybrid.model.whitening import Whitening
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.sgdml.known_molecules import known_terms
from mliap_hybrid.structure import Batch
from mliap_hybrid.weak_supervision.consistency import needs_of
from mliap_hybrid.weak_supervision.displaced_copies import DisplacedCopies, copy_frame, memory_of_copies
from mliap_hybrid.weak_supervision.noise import noisy_frames
from mliap_hybrid.weak_supervision.supervision import WeakSupervision

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingInputs:
    """All that training needs."""

    features: Featuriser
    initial_fit: InitialFit
    training: Sequence[TrainingFrames]
    validation: Sequence[TrainingFrames]
    weak_supervision: WeakSupervision | None = None
    """Terms of the loss at displaced copies of the training frames, if there are any."""
    noisy: Sequence[Sequence[TrainingFrames]] = ()
    """Noisy training frames that take turns with each other, if there are any."""
    start: EarlierTraining | None = None
    """A training whose weights networks start with."""
    coordinates: Tensor | None = None
    """(n,): where parameters of terms start for whole elements (`ElementCoordinates`); None: where the file says."""


def prepare(
    settings: TrainingFile,
    training: Sequence[Batch],
    validation: Sequence[Batch],
    track: Track,
    initial_fit: InitialFit | None = None,
    n_processes: int = 1,
) -> TrainingInputs:
    """Make the initial fit to the training frames, and compute the constants of all frames.

    Parameters
    ----------
    settings : TrainingFile
    training, validation : sequence of Batch
        One labelled structure each.
    track : Track
        Shows progress.
    initial_fit : InitialFit, optional
        That of a run that goes on; fitted where not given.
    n_processes : int
        Processes that do the same and share the memory.

    Raises
    ------
    InputError
        If the memory does not suffice, no training frame has an energy, or charges or their labels do not fit the
        structures.
    """
    if all(batch.energies is None for batch in training):
        raise InputError("no training frame has an energy, so that those of the elements cannot be fitted: label some")
    noisy = noisy_frames(training, settings.noise, settings.features.cutoff, settings.seed)
    batches = [*training, *validation, *itertools.chain(*noisy)]
    start = earlier_training(settings.init_from) if settings.init_from and initial_fit is None else None
    if initial_fit is None:
        elements = tuple(torch.unique(torch.cat([batch.numbers for batch in training])).tolist())
        charges = find_charges(settings, training, validation, elements)
    else:
        elements, charges = initial_fit.elements, initial_fit.charges
    features = make_features(settings, elements)
    trained = settings.trained_quantities()
    use_forces, use_virials = settings.data.keys.forces is not None, settings.data.keys.with_virials
    known = known_terms(settings) if initial_fit is None else initial_fit.known_terms
    explicit = explicit_terms(settings, elements, charges, known)
    bytes_of_constants = sum(
        made.term.memory_of_constants([batch.n_atoms for batch in batches], use_virials)
        for made in explicit
        if made.is_trained
    )
    n_kept = settings.features.n_selected or features.n_features
    is_stored = stores_derivatives(features)
    needed = memory_of_frames(batches, n_kept, is_stored, bytes_of_constants)
    available = available_memory()
    needed = n_processes * (needed + _memory_of_weak_supervision(settings, training, n_kept, available))
    in_memory = not is_stored or settings.data.cache is None or fits(needed, available)
    if in_memory:
        check_memory(needed, available, not is_stored)
    else:
        logger.info("The frames need %.1f GB, too much for the memory: they stay in the feature cache", needed / 1e9)
    source = _feature_source(settings, features, batches, track)
    physics = [frame_terms(batch, explicit, elements, use_virials) for batch in track(batches, "physics")]
    if initial_fit is None:
        samples = torch.cat([source.features(batch) for batch in track(training, "features")])
        columns = _selected_columns(settings, samples, features.feature_labels)
        if isinstance(features, NeighbourMoments):
            whitening = scaling_of_moments(samples, features.n_channels)
        else:
            whitening = Whitening.fit(samples, settings.network.whitening_damping, columns)
        if start is not None:
            whitening = whitening_from(start, features, whitening)
        has_baseline = settings.data.energies == "total"
        initial_fit = _initial_fit(training, physics[: len(training)], elements, charges, whitening, has_baseline)
        initial_fit = replace(initial_fit, known_terms=known)

    represent = _representation(features, initial_fit, source, in_memory, settings.features.environment)
    frames = [
        prepare_frame(
            batch,
            residual_labels(batch, of_batch.fixed, initial_fit, trained),
            *represent(batch),
            elements,
            constants=constants_of_frame(batch, of_batch, initial_fit, use_forces, use_virials),
        )
        for batch, of_batch in zip(track(batches, "preparing frames"), physics, strict=True)
    ]
    held = frames if in_memory else FramesOnDisk(frames, batches, source, initial_fit.whitening)
    weak = (
        make_weak_supervision(settings, training, features, initial_fit, track)
        if settings.weak_supervision.is_on
        else None
    )
    n_training, n_labelled = len(training), len(training) + len(validation)
    noisy_held = [held[start : start + n_training] for start in range(n_labelled, len(held), n_training)]
    return TrainingInputs(
        features, initial_fit, held[:n_training], held[n_training:n_labelled], weak, noisy_held, start
    )


def _memory_of_weak_supervision(
    settings: TrainingFile, training: Sequence[Batch], n_kept: int, available: int | None
) -> int:
    """Bytes of the copies, which are held in memory whether or not there is a cache."""
    weak = settings.weak_supervision
    n_copies = weak.n_copies if weak.displacement in ("random", "thermal") else 1
    needs = needs_of(weak.taylor, weak.spatial, weak.spatial_order)
    needed = memory_of_copies(training, n_kept, needs, n_copies)
    if needed and not fits(needed, available):
        raise InputError(
            f"the displaced copies of the training frames need {needed / 1e9:.1f} GB of memory, more than there is: "
            "lower weak_supervision.n_copies"
        )
    return needed


def make_weak_supervision(
    settings: TrainingFile, training: Sequence[Batch], features: Featuriser, initial_fit: InitialFit, track: Track
) -> WeakSupervision:
    """Weak supervision with its copies, of which the cache knows nothing.

    Parameters
    ----------
    settings : TrainingFile
        With weak supervision.
    training : sequence of Batch
        One structure each.
    features : Featuriser
    initial_fit : InitialFit
        Of the same settings, weak supervision apart.
    track : Track
        Shows progress.
    """
    weak, smearing = settings.weak_supervision, settings.electrostatics.smearing
    needs, compute = needs_of(weak.taylor, weak.spatial, weak.spatial_order), FastFeatures(features)
    explicit = explicit_terms(settings, initial_fit.elements, initial_fit.charges, initial_fit.known_terms)
    fitted = any(fits_charges(made) for made in explicit)

    def physics(batch: Batch) -> Prediction:
        return fixed_physics(batch, explicit, initial_fit.elements)

    def products(batch: Batch) -> Prediction:
        return unit_predictions(batch, initial_fit.elements, smearing)

    def copies(batch: Batch, displacements: Mapping[str, Tensor]) -> DisplacedCopies:
        of_products = products if fitted else None
        return copy_frame(batch, displacements, needs, compute, initial_fit.whitening, physics, of_products)

    supervision = WeakSupervision(weak, training, copies, settings.seed)
    supervision.prepare(track)
    return supervision


def _feature_source(
    settings: TrainingFile, features: Featuriser, batches: Sequence[Batch], track: Track
) -> FeatureSource:
    """The feature cache, filled with the frames, where the training file names one."""
    if settings.data.cache is None:
        return ComputedFeatures(features, settings.features.environment)
    description, with_derivatives = describe_features(features).model_dump(), stores_derivatives(features)
    cache = FeatureCache(settings.data.cache, features, description, with_derivatives)
    cache.fill(batches, track, settings.data.cache_workers)
    return cache


def _representation(
    features: Featuriser, initial_fit: InitialFit, source: FeatureSource, in_memory: bool, environment: Environment
) -> Callable[[Batch], tuple[Tensor, FeatureDerivatives]]:
    """What gives whitened features of a frame and their derivatives; where these stay on disk, there are none yet."""
    whitening = initial_fit.whitening
    of_all: FeatureDerivatives = StoredDerivatives((torch.empty(0, 3, whitening.matrix.shape[1]),))
    if not stores_derivatives(features):
        of_all = KernelDerivatives(features, whitening, initial_fit.elements, environment)
    elif in_memory:

        def with_its_own(batch: Batch) -> tuple[Tensor, FeatureDerivatives]:
            raw_features = source.features_and_jacobian(batch)
            return whitening(raw_features.features), StoredDerivatives((whitened_jacobian(raw_features, whitening),))

        return with_its_own
    return lambda batch: (whitening(source.features(batch)), of_all)


def _selected_columns(settings: TrainingFile, samples: Tensor, labels: Sequence[str]) -> Tensor | None:
    """Features (n_selected,) that the network sees; None where it sees all."""
    method, n_selected = settings.features.selection, settings.features.n_selected
    if method == "none" or n_selected is None:
        return None
    columns = select_features(samples, n_selected, method)
    logger.info("Selected %d of %d features (%s)", n_selected, len(labels), method)
    logger.debug("Selected features: %s", "; ".join(labels[column] for column in columns.tolist()))
    return columns


def _initial_fit(
    training: Sequence[Batch],
    physics: Sequence[FrameTerms],
    elements: tuple[int, ...],
    charges: Tensor | None,
    whitening: Whitening,
    has_baseline: bool,
) -> InitialFit:
    """Element energies of what physics leaves of the labels, and of the unit long-range energies alike.

    Zero where labels are those of interactions, which have no part of single atoms.
    """
    if not has_baseline:
        counts = torch.unique(compositions(training, elements), dim=0)
        return InitialFit(elements, whitening, torch.zeros(len(elements), dtype=torch.float64), charges, None, counts)
    counts = compositions(training, elements)  # (n_training, n_elements)
    energies = {k: batch.energies for k, batch in enumerate(training) if batch.energies is not None}  # (1,) each
    labelled = list(energies)
    warn_if_degenerate(counts[labelled])
    without = torch.cat([energy - physics[k].energies for k, energy in energies.items()])  # (n_labelled,)
    baseline = fit_baseline(counts[labelled], without)  # (n_elements,)
    units = [
        p.products.energies for p in (physics[k] for k in labelled) if p.products is not None
    ]  # (1, n_products) each
    unit_baseline = fit_baseline(counts[labelled], torch.cat(units)) if units else None  # (n_elements, n_products)
    return InitialFit(elements, whitening, baseline, charges, unit_baseline, torch.unique(counts, dim=0))
