"""Which choices of a training file do not go together: one table, and a rule for each way to train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mliap_hybrid.features.channel_invariants import MAX_ORDER
from mliap_hybrid.features.sets import LEARNED_SETS
from mliap_hybrid.model.term_section import TermSection
from mliap_hybrid.model.terms.pair_section import PairSection


@dataclass(frozen=True)
class Choice:
    """A way to train that some sources of parameters do not go with."""

    title: str
    """For messages."""
    is_made: Callable[[Any], Any]
    """Whether a training file asks for it: true or not nothing."""
    excluded: tuple[str, ...] = ()
    """Sources of parameters: fitted, predicted."""
    reason: str = ""
    never_with: tuple[str, ...] = ()
    """Titles of other choices that it excludes."""
    check: Callable[[Any], None] = lambda file: None
    """Refuses other settings that do not go with it; raises ValueError."""


def sections_of_terms(file: Any) -> dict[str, TermSection]:
    """The sections of a training file that may ask for a term, by name."""
    sections = {name: getattr(file, name) for name in type(file).model_fields}
    return {name: section for name, section in sections.items() if isinstance(section, TermSection)}


def check_terms(file: Any) -> None:
    """Refuse settings of terms that do not fit the cutoff or the labels.

    Raises
    ------
    ValueError
    """
    keys = file.data.keys
    labels = {name for name in type(keys).model_fields if getattr(keys, name) is not None}
    for section in sections_of_terms(file).values():
        section.check(file.features.cutoff, labels)


def check_weak_supervision(file: Any) -> None:
    """Refuse settings of weak supervision that have no effect, or that labels or epochs do not suffice for.

    Raises
    ------
    ValueError
    """
    weak = file.weak_supervision
    if not weak.is_on:
        if weak != type(weak)():
            raise ValueError(
                "weak_supervision has settings but no term: set weak_supervision.taylor or weak_supervision.spatial"
            )
        return
    if file.optimisation.optimiser == "lm":
        raise ValueError("optimisation.optimiser lm does not work with weak_supervision: expected soap, adamw or lbfgs")
    if file.noise.displacement > 0:
        raise ValueError("weak_supervision and noise exclude each other: leave one of them out")
    if weak.weak_labels and weak.taylor == "none":
        raise ValueError("weak_supervision.weak_labels has no effect unless weak_supervision.taylor is set")
    if file.data.keys.forces is None:
        needing = {"weak_labels": weak.weak_labels, "displacement: adversarial": weak.displacement == "adversarial"}
        for setting, needed in needing.items():
            if needed:
                raise ValueError(
                    f"weak_supervision.{setting} needs reference forces, but data.keys.forces does not name them"
                )
    if weak.warm_up_epochs >= file.optimisation.epochs:
        raise ValueError(
            f"weak_supervision.warm_up_epochs is {weak.warm_up_epochs}, expected fewer than optimisation.epochs, "
            f"which is {file.optimisation.epochs}"
        )


def check_learned_sets(file: Any) -> None:
    """Refuse settings that learned contractions cannot follow, and theirs where there is none.

    Raises
    ------
    ValueError
    """
    features, network = file.features, file.network
    if features.set not in LEARNED_SETS:
        for name in ("n_channels", "body_order"):
            if getattr(network, name) is not None:
                raise ValueError(
                    f"network.{name} has no effect with features.set {features.set}, whose products are fixed: leave "
                    f"it out, or set features.set to one of {', '.join(LEARNED_SETS)}"
                )
        return
    if network.direct_hidden:
        raise ValueError(
            f"network.forces direct does not work with features.set {features.set}, whose moments turn with the atoms: "
            "expected conservative, or another set"
        )
    if features.selection != "none":
        raise ValueError(
            f"features.selection {features.selection} does not work with features.set {features.set}, which mixes all "
            "moments: expected none"
        )
    if features.max_order != MAX_ORDER:
        raise ValueError(
            f"features.max_order is {features.max_order}, but features.set {features.set} has the orders up to "
            f"{MAX_ORDER}: leave max_order out"
        )


def check_labels(file: Any) -> None:
    """Refuse settings that need labels which nothing names.

    Raises
    ------
    ValueError
    """
    keys = file.data.keys
    if file.loss.virial not in (0.0, type(file.loss)().virial) and not keys.with_virials:
        raise ValueError("loss.virial has a weight, but data.keys.stress does not name a stress label")
    if keys.stress is not None and keys.virial is not None:
        raise ValueError("data.keys.stress and data.keys.virial are the same label twice: set one of them to null")
    if not file.weighted_labels():
        raise ValueError("there is nothing to train on: every weight under loss is zero, or its label is null")


def _check_direct_forces(file: Any) -> None:
    """Refuse direct forces that nothing trains."""
    weak, labels = file.weak_supervision, file.weighted_labels()
    # Weak labels put the reference forces in the place of those that the model has at the frame itself.
    with_forces_there = () if weak.weak_labels else ("first", "central")
    of_taylor = weak.taylor in ("trapezoid", "second", *with_forces_there)
    if not (of_taylor or weak.spatial != "none" or {"forces", "stress", "virial"} & set(labels)):
        raise ValueError(
            "network.forces is direct, but nothing trains the forces: name forces under data.keys with a weight "
            "under loss, or set weak_supervision.spatial or a weak_supervision.taylor that compares forces"
        )


OF_NETWORKS = (
    "device",
    "init_from",
    "network",
    "molecules",
    "loss",
    "weak_supervision",
    "noise",
    "committee",
    "optimisation",
)
"""Settings and sections that say nothing of a kernel model."""


def _check_gdml(file: Any) -> None:
    """Refuse settings that have no effect on a kernel model, and labels that it cannot do without."""
    for name in OF_NETWORKS:
        if getattr(file, name) != type(file).model_fields[name].default:
            raise ValueError(f"{name} has no effect with gdml, which has no network: leave it out")
    if file.features != type(file.features)(cutoff=file.features.cutoff):
        raise ValueError("of features, cutoff alone has an effect with gdml: leave the others out")
    if file.data.keys.forces is None or file.data.missing_labels == "allow":
        raise ValueError("gdml is trained on the energy and the forces of every frame: name both under data.keys")


def _needs_charges(name: str) -> Callable[[Any], None]:
    """A check that refuses the setting `name` where there are no charges that it can go with."""

    def check(file: Any) -> None:
        charges = file.electrostatics.charges
        if charges in ("none", "fitted"):
            reason = "there are none" if charges == "none" else "fitted ones are trained as products"
            raise ValueError(
                f"{name} needs charges that are fixed or predicted, but electrostatics.charges is {charges} "
                f"({reason}): expected formal, reference, predicted or a table"
            )

    return check


def _check_interaction(file: Any) -> None:
    """Refuse what does not sum to the energy of molecules with each other."""
    for name, section in sections_of_terms(file).items():
        if isinstance(section, PairSection) and section.coefficients != "none" and section.pairs == "all":
            raise ValueError(f"data.energies is interaction, but {name}.pairs is all: expected between_molecules")
    if file.electrostatics.charges != "none" and file.charge_penetration.coefficients == "none":
        raise ValueError(
            "data.energies is interaction, but electrostatics has the energy of charges within molecules: set "
            "charge_penetration.coefficients, with pairs: between_molecules, which takes it off"
        )


def _check_starts(file: Any) -> None:
    """Refuse several starts where there are no parameters to start."""
    sections = sections_of_terms(file)
    led = [s for name, s in sections.items() if s.source != "constant" and (name, s.source) not in NOT_LED]
    if not led:
        raise ValueError(
            "optimisation.starts looks for parameters of terms, but none is fitted or predicted: leave it out, or set "
            "such as exchange_repulsion.coefficients to fitted or predicted"
        )


NOT_LED = (("electrostatics", "fitted"),)
"""Sections and sources whose parameters are not led by a number for each element, but by products."""


CHOICES = (
    Choice("data.cache", lambda file: file.data.cache),
    Choice("features.set acsf", lambda file: file.features.set == "acsf"),
    Choice("repulsion.kind zbl", lambda file: file.repulsion.kind == "zbl"),
    Choice("molecules", lambda file: file.molecules),
    Choice("weak_supervision", lambda file: file.weak_supervision.is_on, ("predicted",)),
    Choice(
        "network.forces direct",
        lambda file: file.network.direct_hidden,
        ("predicted",),
        never_with=("a committee",),
        check=_check_direct_forces,
    ),
    Choice("optimisation.optimiser lm", lambda file: file.optimisation.optimiser == "lm", ("predicted",)),
    Choice(
        "a committee",
        lambda file: file.committee.n_members > 1,
        ("fitted", "predicted"),
        ", since each member would have values of its own",
    ),
    Choice(
        "optimisation.starts",
        lambda file: file.optimisation.starts > 1,
        never_with=("gdml", "init_from"),
        check=_check_starts,
    ),
    Choice("init_from", lambda file: file.init_from, never_with=("a committee", "network.forces direct")),
    Choice("dipoles", lambda file: file.dipoles.is_on, check=_needs_charges("dipoles")),
    Choice(
        "charge_penetration",
        lambda file: file.charge_penetration.coefficients != "none",
        check=_needs_charges("charge_penetration"),
    ),
    Choice(
        "data.keys.electric_field",
        lambda file: file.data.keys.electric_field,
        never_with=("weak_supervision", "gdml", "data.energies interaction"),
        check=_needs_charges("data.keys.electric_field"),
    ),
    Choice("gdml", lambda file: file.gdml, ("fitted", "predicted"), check=_check_gdml),
    Choice(
        "features.environment molecule",
        lambda file: file.features.environment == "molecule",
        never_with=("data.cache", "features.set acsf", "weak_supervision", "network.forces direct", "gdml"),
    ),
    Choice(
        "data.energies interaction",
        lambda file: file.data.energies == "interaction",
        never_with=("gdml", "molecules", "weak_supervision", "network.forces direct", "repulsion.kind zbl"),
        check=_check_interaction,
    ),
)


def check_choices(file: Any) -> None:
    """Refuse settings that a way to train does not go with, sources of parameters among them.

    Parameters
    ----------
    file : TrainingFile

    Raises
    ------
    ValueError
        Naming both settings, and what may stand there.
    """
    made = [choice for choice in CHOICES if choice.is_made(file)]
    for choice in made:
        for other in made:
            if other.title in choice.never_with:
                raise ValueError(f"{choice.title} does not work with {other.title}: leave one of them out")
        choice.check(file)
        for name, section in sections_of_terms(file).items():
            excluded = (*choice.excluded, *(section.not_with.get(choice.title, ())))
            if section.source in excluded:
                raise ValueError(
                    f"{choice.title} does not work with {name}.{section.source_key} {section.source}{choice.reason}: "
                    f"expected {section.options(excluded)}"
                )
