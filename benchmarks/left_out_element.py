"""An element that was not in training: errors of a model on structures that hold it.

    python benchmarks/left_out_element.py [--data ../shared/data] [--set gmp-2c3] [--seeds 2] [--json FILE]
                                          [--only oxides,exchange,crystals]

Each element of a question is left out of training in turn. The network is one for all elements and sees features alone,
so a model on Gaussian multipoles can be asked about any element. Beside its errors ("left out") stand those of

    no model    the mean energy of the tests, zero forces
    trained     the same model, trained on structures with the element too: as good as it gets
    stand-in    the model without the element, told that the element is another one, chosen beforehand
    one-hot     symmetry functions, with columns of their own for each element. They refuse an unknown one; the number
                is what they say if made for it all the same: its columns, constant in training, are dropped

Questions: energies of MO2 crystals of five metals M, polymorphs at several volumes (DFT; no forces, since they are
zero in relaxed crystals); exchange energies of neutral dimers in which the element is at the closest contact (SAPT);
energies and forces of Li, Si and Cu crystals (DFT), where two elements must do for the third. One constant for each
element is taken off the energy errors of crystals: the E0 that no model can know. Exchange energies have none.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from ase.data import atomic_numbers
from left_out_questions import CUTOFF, QUESTIONS, UNITS, Question, Sample
from torch import Tensor

from mliap_hybrid.config import LossSettings, OptimisationSettings, parse_training_file
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.features.sets import LEARNED_SETS
from mliap_hybrid.fitting.feature_derivatives import KernelDerivatives
from mliap_hybrid.fitting.frame_labels import Label
from mliap_hybrid.fitting.model_factory import make_features
from mliap_hybrid.fitting.objective import Objective
from mliap_hybrid.fitting.optimisers.choice import make_steps
from mliap_hybrid.fitting.raw_features import ComputedFeatures
from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.fitting.trainer import Trainer
from mliap_hybrid.fitting.training_frames import TrainingFrames, prepare_frame
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.contracted_network import ContractedNetwork
from mliap_hybrid.model.contraction import ContractionShape, scaling_of_moments
from mliap_hybrid.model.heads import Head
from mliap_hybrid.model.parameters import AtomicEnergy
from mliap_hybrid.model.terms.network import NetworkEnergy
from mliap_hybrid.model.whitening import Whitening
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.structure import Batch

COLUMNS = ("no model", "trained", "left out", "stand-in", "one-hot")

Errors = tuple[float, float]
"""MAE of energies in the unit of the question, and of forces in meV/Å (not a number without forces)."""


class Shared(torch.nn.Module):
    """One network for all elements. `species` counts those of atoms whose energy is subtracted after all others."""

    n_elements: int

    def signs(self, species: Tensor) -> Tensor:
        """(n_atoms,): 1 where an atom's energy is added, -1 where it is subtracted."""
        return 1.0 - 2.0 * (species >= self.n_elements)

    def forward(self, features: Tensor, species: Tensor) -> Tensor:
        """Energies (n_atoms,) with their signs."""
        return self.signs(species) * super().forward(features, torch.zeros_like(species))

    def values_and_gradients(self, features: Tensor, species: Tensor) -> tuple[Tensor, Tensor]:
        """Energies (n_atoms,) with their signs, and their derivatives by the features."""
        energies, gradients = super().values_and_gradients(features, torch.zeros_like(species))  # type: ignore[misc]
        return self.signs(species) * energies, self.signs(species)[:, None] * gradients


class SharedNetwork(Shared, AtomicNetwork):
    """On fixed features."""


class SharedContraction(Shared, ContractedNetwork):
    """On learned contractions of moments."""


class Features:
    """The features of all samples of a question, before whitening."""

    def __init__(self, question: Question, set_name: str):
        section = {"set": set_name, "cutoff": CUTOFF, "widths": question.widths}
        self.settings = parse_training_file({"data": {"files": ["none"]}, "features": section}, "the benchmark")
        self.question = question
        self.elements = tuple(torch.unique(torch.cat([s.batch.numbers for s in question.samples])).tolist())
        self.source = ComputedFeatures(make_features(self.settings, self.elements))
        self.of_samples = [self.source.features(sample.batch) for sample in question.samples]

    def refuse(self, element: int) -> bool:
        """Whether these features, made for the other elements, do not take a structure with the element."""
        others = make_features(self.settings, tuple(z for z in self.elements if z != element))
        try:
            others(self.question.samples[self.question.tests_of(element)[0]].batch.geometry())
        except InputError:
            return True
        return False


class Model:
    """A network trained on the training samples without an element; squared errors, averaged last weights."""

    def __init__(self, features: Features, left_out: int | None, seed: int):
        question, self.features = features.question, features
        used = [(s, x) for s, x in zip(question.samples, features.of_samples, strict=True) if s.in_training]
        used = [(s, x) for s, x in used if left_out not in s.batch.numbers.tolist()]
        torch.manual_seed(seed)
        network = self._network(torch.cat([x for _, x in used]))
        network.n_elements = len(features.elements)
        self.derivatives = KernelDerivatives(features.source.featuriser, self.whitening, 2 * features.elements)
        part = TrainableModel([Head("energy", [network])], [NetworkEnergy()], [AtomicEnergy()])
        settings = OptimisationSettings(epochs=question.epochs, batch_size=question.batch_size, weight_decay=1e-5)
        frames = [self._frame(sample.batch, x, sample) for sample, x in used]
        objective = Objective(part, frames, LossSettings(energy=1.0), settings.batch_size)
        trainer = Trainer(objective, make_steps(part, settings, seed), frames[:1], settings)  # validation plays no part
        trainer.run(lambda result: None)
        self.model = trainer.average

    def _network(self, samples: Tensor) -> SharedNetwork | SharedContraction:
        """The network, and what lies before it, from a sample of the features."""
        featuriser = self.features.source.featuriser
        if not isinstance(featuriser, NeighbourMoments):
            self.whitening = Whitening.fit(samples, damping=1e-3)
            return SharedNetwork(self.whitening.matrix.shape[1], (64, 64), 1)
        self.whitening = scaling_of_moments(samples, featuriser.n_channels)
        named = LEARNED_SETS[self.features.settings.features.set]
        shape = ContractionShape(named.n_channels, named.body_order)
        network = SharedContraction.make(featuriser.n_features, 0, shape, (64, 64), 1)
        start = self.whitening(samples).float(), torch.zeros(len(samples), dtype=torch.int64)
        network.initialise(*start, len(featuriser.widths), damping=1e-3)
        return network

    def predict(self, index: int, element: int, renamed: int | None) -> Prediction:
        """Energy and forces of a sample, in which an element may be taken for another."""
        sample, x = self.features.question.samples[index], self.features.of_samples[index]
        batch = sample.batch
        if renamed is not None:
            batch = replace(batch, numbers=torch.where(batch.numbers == element, renamed, batch.numbers))
            x = self.features.source.features(batch)
        with torch.no_grad():
            return self.model(self._frame(batch, x, sample))

    def _frame(self, batch: Batch, features: Tensor, sample: Sample) -> TrainingFrames:
        """What the training needs of a structure whose elements may not be those of its sample."""
        forces = self.features.question.forces
        if not forces:  # pairs are not needed
            batch = replace(batch, **{name: getattr(batch, name)[:0] for name in ("pair_i", "pair_j", "pair_shifts")})
        labels = {"energy": Label(torch.tensor([sample.energy]).float())}  # of a dimer: more than its own
        if forces and batch.forces is not None:
            labels["forces"] = Label(batch.forces.float())
        frame = prepare_frame(batch, labels, self.whitening(features), self.derivatives, self.features.elements)
        # The second structure of a sample is one whose energy is subtracted.
        species = frame.species + len(self.features.elements) * batch.structure_of_atom
        one_frame = {"frame_of_atom": torch.zeros_like(species), "atoms_per_frame": torch.tensor([float(sample.size)])}
        return replace(frame, species=species, total_charges=torch.zeros(1), **one_frame)


def answer(question: Question, set_name: str, n_seeds: int) -> dict[str, dict[str, list[Errors]]]:
    """Element that is left out -> column -> errors of the seeds."""
    multipoles = Features(question, set_name)
    # In crystals of one element, one-hot features without it see no neighbour: they are no model.
    one_hot = None if question.forces else Features(question, "acsf")
    trained = [Model(multipoles, None, seed) for seed in range(n_seeds)]
    table = {}
    for symbol, stand_in in question.stand_ins.items():
        element = atomic_numbers[symbol]
        errors: dict[str, list[Errors]] = {column: [] for column in COLUMNS}
        for seed in range(n_seeds):
            left_out = Model(multipoles, element, seed)
            nothing = errors_on_tests(question, element, None)
            errors["no model"].append(nothing)
            errors["trained"].append(errors_on_tests(question, element, trained[seed]))
            errors["left out"].append(errors_on_tests(question, element, left_out))
            errors["stand-in"].append(errors_on_tests(question, element, left_out, atomic_numbers[stand_in]))
            if one_hot is None:
                errors["one-hot"].append(nothing)
            else:
                assert one_hot.refuse(element)
                errors["one-hot"].append(errors_on_tests(question, element, Model(one_hot, element, seed)))
        table[symbol] = errors
    return table


def errors_on_tests(question: Question, element: int, model: Model | None, renamed: int | None = None) -> Errors:
    """Errors on the tests of an element, which may be taken for another; without a model, of the mean and of zero."""
    energies, forces = [], []
    for index in question.tests_of(element):
        sample = question.samples[index]
        prediction = None if model is None else model.predict(index, element, renamed)
        energies.append(((float(prediction.energies) if prediction else 0.0) - sample.energy) / sample.size)
        if question.forces:
            forces.append(((prediction.forces if prediction else 0.0) - sample.batch.forces).abs().mean())
    errors = np.array(energies) / UNITS[question.unit]
    if question.unit == "meV/atom" or model is None:
        errors -= errors.mean()
    return float(np.abs(errors).mean()), 1e3 * float(np.mean(forces)) if forces else float("nan")


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--set", default="gmp-2c3")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", default=",".join(QUESTIONS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.data.is_dir():
        sys.exit(f"the folder {options.data} does not exist: name that of the reference data with --data")

    print(f"{'MAE':20s} {'tests':>5s}" + "".join(f"{column:>17s}" for column in COLUMNS) + "  unit")
    rows: list[dict[str, object]] = []
    for name in options.only.split(","):
        question = QUESTIONS[name](options.data)
        quantities = [("energy", question.unit), ("forces", "meV/Å")][: 1 + question.forces]
        for symbol, errors in answer(question, options.set, options.seeds).items():
            n_tests = len(question.tests_of(atomic_numbers[symbol]))
            for k, (quantity, unit) in enumerate(quantities):
                what, cells = f"{name} {symbol} {quantity}", ""
                for column in COLUMNS:
                    values = [of_seed[k] for of_seed in errors[column]]
                    cells += f"{f'{np.mean(values):.1f} ± {np.std(values):.1f}':>17s}"
                    row = {"what": f"{what} | {column}", "value": float(np.mean(values)), "unit": unit}
                    rows.append(row | {"spread": float(np.std(values)), "set": options.set})
                print(f"{what:20s} {n_tests:5d}{cells}  {unit}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
