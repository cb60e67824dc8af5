"""Molecules that reach farther than pairs do are refused, whatever their shape; images of atoms are the atoms."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.residual_labels import frame_terms
from mliap_hybrid.model.molecule_size import check_molecules_within_cutoff
from mliap_hybrid.model.term_section import MadeTerm, TermContext
from mliap_hybrid.model.terms.charge_penetration import ChargePenetrationSettings
from mliap_hybrid.model.terms.electrostatics import Electrostatics
from mliap_hybrid.structure import join_batches
from mliap_hybrid.testing.models import sodium_chloride_model

CUTOFF = 4.0


def named(positions: np.ndarray, molecules, **others) -> Atoms:
    atoms = Atoms("C" * len(positions), positions=positions, **others)
    atoms.set_array("molecule", np.asarray(molecules))
    return atoms


def check(*frames: Atoms) -> None:
    batch = join_batches([frame_to_batch(atoms, CUTOFF) for atoms in frames])
    check_molecules_within_cutoff(batch.geometry(), CUTOFF, "the test takes something off all pairs")


def ring(n: int) -> np.ndarray:
    """Places 1.5 Å apart: each atom sees as many as the others do."""
    angles = 2.0 * np.pi * np.arange(n) / n
    radius = 1.5 / (2.0 * np.sin(np.pi / n))
    return radius * np.stack([np.cos(angles), np.sin(angles), 0.0 * angles], axis=1)


def test_chains_and_rings_that_are_too_large_are_refused():
    chain = np.arange(4)[:, None] * [[1.3, 0.0, 0.0]]  # 3.9 Å long
    check(named(chain, [1] * 4), named(ring(6), [1] * 6))
    for positions in (1.1 * chain, ring(10)):
        with pytest.raises(InputError, match=r"atom 1 reaches farther than the cutoff of 4 Å.*the test takes"):
            check(named(positions, [1] * len(positions)))
    with pytest.raises(InputError, match="molecule of atom 5"):
        check(named(chain, [1] * 4), named(1.1 * chain, [1] * 4))


def test_parts_and_single_atoms_have_a_size_of_their_own():
    chain = 1.1 * np.arange(4)[:, None] * [[1.3, 0.0, 0.0]]
    check(named(chain, [1, 1, 2, 2]), named(chain, [0, 0, 0, 0]))
    check(molecule("CH3OH"))  # by bonds


def test_images_of_a_molecule_are_the_molecule():
    """In a small cell, where an atom sees another one and its images, and images of itself."""
    check(named(np.array([[0.1, 0.0, 0.0], [1.4, 0.0, 0.0]]), [1, 1], cell=[3.0, 3.0, 3.0], pbc=True))
    across = named(np.array([[0.1, 0.0, 0.0], [8.9, 0.0, 0.0]]), [1, 1], cell=[9.0, 9.0, 9.0], pbc=True)
    check(across)


def test_frames_of_a_training_are_looked_at():
    model = sodium_chloride_model()
    coulomb = MadeTerm(model.term(Electrostatics), (model.parameter("charge"),))
    settings = ChargePenetrationSettings(coefficients="fitted", pairs="between_molecules")
    made = settings.make(TermContext(model.elements, CUTOFF, made={"electrostatics": coulomb}))
    atoms = Atoms("NaClNaCl", positions=np.arange(4)[:, None] * [[2.4, 0.0, 0.0]])
    atoms.set_array("molecule", np.array([1, 1, 2, 2]))
    frame_terms(frame_to_batch(atoms, CUTOFF), [coulomb, made], model.elements, False)
    atoms.set_array("molecule", np.array([1, 1, 1, 1]))
    with pytest.raises(InputError, match=r"Cl2Na2: the molecule of atom 1 reaches farther.*charge_penetration takes"):
        frame_terms(frame_to_batch(atoms, CUTOFF), [coulomb, made], model.elements, False)
