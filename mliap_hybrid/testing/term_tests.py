"""What every term of a model has to pass: inherit `TermTests`, and say which model has the term.

    class TestDispersion(TermTests):
        kind = "dispersion"

        def model(self):
            return ...

Derivatives against finite differences, symmetries, the file and back, training against evaluation, and LAMMPS against
Python on 1, 2 and 4 ranks, some of which may have no atoms.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.fitting.explicit_terms import fixed_physics, term_constants
from mliap_hybrid.fitting.feature_derivatives import KernelDerivatives
from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.fitting.training_frames import TrainingFrames, join_frames, prepare_frame
from mliap_hybrid.lammps.check import check_model
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.model.evaluator import Evaluator, predict
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.term import Term
from mliap_hybrid.model.term_section import MadeTerm
from mliap_hybrid.model_files.description import build, describe
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.structure import Batch, join_batches
from mliap_hybrid.testing.finite_differences import forces_by_differences, relative_difference, virial_by_differences
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure


class TermTests:
    """Tests of a term within a model that has it."""

    kind: ClassVar[str]
    """Of the term."""
    symbols: ClassVar[list[str]] = ["Na", "Cl"]
    """Elements of the structures."""
    is_isotropic: ClassVar[bool] = True
    """Whether the energy stays when everything is turned."""
    any_order: ClassVar[bool] = True
    """Whether atoms may come in any order, and alone."""
    tolerance: ClassVar[float] = 1e-6
    """Of derivatives, relative to the largest."""

    def model(self) -> HybridModel:
        """A model of the elements with the term, in float64; made anew for each test."""
        raise NotImplementedError

    def structure(self, periodic: bool = True) -> Atoms:
        """A few atoms, in a cell or alone."""
        return random_structure(8, self.symbols, TRICLINIC_CELL if periodic else None, seed=6, closest=2.0)

    def box(self) -> Atoms:
        """A structure for LAMMPS: half of the box is empty, so that some of four ranks have no atoms."""
        atoms = random_structure(16, self.symbols, 9.0 * np.eye(3), seed=2, closest=2.0)
        atoms.set_cell([18.0, 9.5, 9.5])
        return atoms

    @pytest.mark.parametrize("periodic", [True, False], ids=["crystal", "molecule"])
    def test_forces_and_virial_are_derivatives_of_the_energy(self, periodic: bool) -> None:
        """By central differences."""
        evaluator, atoms = Evaluator(self.model()), self.structure(periodic)

        def energy(positions: np.ndarray, lattice: np.ndarray) -> float:
            moved = Atoms(atoms.numbers, positions=positions, cell=lattice, pbc=atoms.pbc)
            return float(evaluator.predict(self._batch(evaluator.model, moved)).energies[0])

        found = evaluator.predict(self._batch(evaluator.model, atoms))
        forces = forces_by_differences(energy, atoms.positions, atoms.cell.array, step=3e-5)
        assert relative_difference(found.forces, forces) < self.tolerance
        if self.is_isotropic:
            virial = virial_by_differences(energy, atoms.positions, atoms.cell.array, step=1e-5)
            assert relative_difference(found.virials[0], virial) < self.tolerance

    def test_the_term_matters(self) -> None:
        """To energies and forces of these structures: the tests would see nothing otherwise."""
        model = self.model()
        batch = self._batch(model, self.structure())
        whole, without = Evaluator(model).predict(batch), Evaluator(self._without(model)).predict(batch)
        assert (whole.energies - without.energies).abs().max() > 1e-3
        assert (whole.forces - without.forces).abs().max() > 1e-3

    def test_energy_does_not_depend_on_how_one_looks(self) -> None:
        """Turned, reflected, moved, in another order, twice."""
        evaluator, atoms = Evaluator(self.model()), self.structure()
        reference = self._predict(evaluator, atoms)
        moved = atoms.copy()
        moved.translate([0.3, -0.4, 0.7])
        order = np.random.default_rng(1).permutation(len(atoms)) if self.any_order else np.arange(len(atoms))
        for other, index in ((moved, np.arange(len(atoms))), (atoms[order], order)):
            found = self._predict(evaluator, other)
            assert float(found.energies[0]) == pytest.approx(float(reference.energies[0]), abs=1e-9)
            assert relative_difference(found.forces, reference.forces[torch.from_numpy(index)]) < 1e-8
        if self.any_order:
            doubled = self._predict(evaluator, atoms.repeat((1, 2, 1)))
            assert float(doubled.energies[0]) == pytest.approx(2.0 * float(reference.energies[0]), abs=1e-8)
        if self.is_isotropic:
            turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
            turned = Atoms(atoms.numbers, atoms.positions @ turn.T, cell=atoms.cell.array @ turn.T, pbc=True)
            found = self._predict(evaluator, turned)
            assert float(found.energies[0]) == pytest.approx(float(reference.energies[0]), abs=1e-9)
            assert relative_difference(found.forces, reference.forces.numpy() @ turn.T) < 1e-8

    def test_structures_of_a_batch_do_not_see_each_other(self) -> None:
        """A crystal, a molecule and an atom together give what each gives alone."""
        model = self.model()
        alone = [self.structure(), self.structure(False)]
        alone += [Atoms(self.symbols[0], positions=[[1.0, 2.0, 3.0]])] if self.any_order else []
        batches = [self._batch(model, atoms) for atoms in alone]
        together = Evaluator(model).predict(join_batches(batches))
        expected = torch.cat([Evaluator(model).predict(batch).energies for batch in batches])
        assert torch.allclose(together.energies, expected, rtol=0, atol=1e-9)

    def test_kernels_and_torch_agree(self) -> None:
        """On the same sum of terms."""
        model = self.model()
        batch = self._batch(model, self.structure())
        a, b = Evaluator(model).predict(batch), predict(model, batch)
        assert relative_difference(a.forces, b.forces) < 1e-9
        assert relative_difference(a.virials, b.virials) < 1e-9

    def test_plain_data_make_the_same_model(self) -> None:
        """Through JSON and tensors."""
        model = self.model()
        description, tensors = describe(model)
        again = build(type(description).model_validate_json(description.model_dump_json()), tensors)
        batch = self._batch(model, self.structure())
        a, b = Evaluator(model).predict(batch), Evaluator(again).predict(batch)
        assert torch.equal(a.energies, b.energies)
        assert torch.equal(a.forces, b.forces)
        assert description.term(self.kind) is not None
        assert len(description.titles()) == len(model.terms)

    def test_training_says_what_evaluation_says(self) -> None:
        """The term alone, on cached features where its parameters are predicted."""
        model = self.model()
        alone = self._alone(model)
        batches = [self._batch(model, self.structure(periodic)) for periodic in (True, False)]
        expected = Evaluator(alone).predict(join_batches(batches))
        made = MadeTerm(alone.all_terms[0], tuple(alone.all_parameters))
        if made.is_trained:
            found, tolerance = self._trained(alone, made, batches), 1e-4
        else:
            found, tolerance = fixed_physics(join_batches(batches), [made], alone.elements), 1e-11
        for name in ("energies", "forces", "virials"):
            assert relative_difference(getattr(found, name).detach(), getattr(expected, name)) < tolerance, name

    @pytest.mark.mpi
    @pytest.mark.parametrize("ranks", [(1, 2), pytest.param((1, 4), marks=pytest.mark.slow)], ids=["1-2", "1-4"])
    def test_lammps_says_what_python_says(self, tmp_path: Path, ranks: tuple[int, ...]) -> None:
        """The local part to 1e-9, any number of ranks like one; each starts its own Python without native code."""
        path = tmp_path / "model.pt"
        export_model(self.model(), path, coulomb_engine="exact", allow_small_box=True)
        for comparison in check_model(path, ranks=ranks, atoms=self.box()):
            assert comparison.ok, comparison

    def _predict(self, evaluator: Evaluator, atoms: Atoms) -> Prediction:
        return evaluator.predict(self._batch(evaluator.model, atoms))

    @staticmethod
    def _batch(model: HybridModel, atoms: Atoms) -> Batch:
        return frame_to_batch(atoms, model.cutoff)

    def _without(self, model: HybridModel) -> HybridModel:
        """The model but for the term."""
        return _of_terms(model, [term for term in model.all_terms if term.kind != self.kind])

    def _alone(self, model: HybridModel) -> HybridModel:
        """The term and nothing else."""
        return _of_terms(model, [term for term in model.all_terms if term.kind == self.kind])

    @staticmethod
    def _trained(model: HybridModel, made: MadeTerm, batches: list[Batch]) -> Prediction:
        others = model.total_charge_input, model.environment
        trainable = TrainableModel(list(model.heads), [made.term], made.parameters, *others)
        return trainable.float().eval()(join_frames([_frame(model, made, batch) for batch in batches]))


def _of_terms(model: HybridModel, terms: list[Term]) -> HybridModel:
    """A model of some of the terms, with what these take."""
    taken = {name for term in terms for name in term.takes}
    parameters = [parameter for parameter in model.all_parameters if parameter.name in taken]
    heads = [head for head in model.heads if head.name in taken]
    others = model.whitening, model.total_charge_input, model.environment
    return HybridModel(model.features, terms, parameters, heads, *others)


def _frame(model: HybridModel, made: MadeTerm, batch: Batch) -> TrainingFrames:
    """A training frame without labels."""
    with torch.no_grad():
        features = model.features(model.seen(batch.geometry()))
    whitening = model.whitening
    assert whitening is not None
    derivatives = KernelDerivatives(model.features, whitening, model.elements, model.environment)
    constants = term_constants(batch, [made], with_virials=True)
    return prepare_frame(batch, {}, whitening(features), derivatives, model.elements, constants)
